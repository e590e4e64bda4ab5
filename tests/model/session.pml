/* The protocol of one session file, for spin: every interleaving of the parts, with a bound on how much each does.
 *
 * Two writers submit two records each, one turn takes a fence, one compaction replaces the file; somebody else
 * appends, edits, replaces or copies the file at any moment; a sync may fail; the power may go at any moment.
 * Steps are named like the transitions of the core (offer, enter, next_effect, append, compare, report, ...). What is
 * one step here is about one system call there: between two steps anybody may act, as in reality.
 *
 * A file is a row of lines and a line is one number, because no promise depends on what stands in a line: who wrote
 * it and where it stands is enough. Times are left out: they only say when to read, and a small file is always read.
 * So is `reopen`: a stopped session has told everybody, and that is where a run may end.
 *
 * Two foreign changes go without a compaction: while the files change places one may undo the other, and what was
 * undone before anybody could look is a known limit.
 *
 * Every part does a bounded number of things, so every run ends; that it ends well is `answered` at the bottom.
 * The names in capitals behind `#ifdef` are the broken variants: each of them has to fail.
 */

#ifndef RECORDS_EACH
#define RECORDS_EACH 2
#endif
#ifndef FOREIGN_MAX
#define FOREIGN_MAX 1
#endif
#ifndef FAILURES_MAX
#define FAILURES_MAX 1
#endif

#define WRITERS 2
#define OWN (WRITERS * RECORDS_EACH)

/* Lines: 1..OWN are our records in the order in which they were accepted, then foreign lines, then these. Who submitted
 * a record need not be known: a writer's records are accepted in its order. */
#define ROOT 0
#define FOREIGN_LINE(n) (OWN + 1 + (n))
#define EDITED 20
#define is_own(line) ((line) >= 1 && (line) <= OWN)

/* What stands in the queue beside records. */
#define TOKEN 30
#define REWRITING 31

#define CELLS (1 + OWN + FOREIGN_MAX + 1)
#define ORIGINAL 0
#define COMPACTED 1
#define FOREIGN_FILE(n) (2 + (n))
#define FILES (2 + FOREIGN_MAX)

mtype = { NOTHING, TOUCHED, APPENDED, REWRITTEN, REPLACED };      /* verdicts */
mtype = { UNASKED, ACCEPTED, WRITTEN, KEPT };                     /* what became of a record */
mtype = { HEALTHY, STOPPED, FAILED };                             /* the session */
mtype = { OUTSIDE, WAITING, ACTIVE, LEAVING, OVER };              /* the fence */
#define is_change(verdict) (verdict == APPENDED || verdict == REWRITTEN || verdict == REPLACED)
#define stops(verdict) (verdict == REWRITTEN || verdict == REPLACED)

/* The disk. `durable` lines survive a power cut; once a sync has failed, what was not durable then is `lost`: the
 * kernel drops it, shows it to readers all the same, and says 0 at the next sync. */
typedef File { byte length; byte cell[CELLS]; byte durable; bool lost };
File file[FILES];
byte path = ORIGINAL;            /* which file has the name */
byte durable_path = ORIGINAL;    /* and which has it after a power cut, until the directory is synced */
byte temporary;                  /* which file has the temporary name of a compaction */

/* What the session knows: the file of its descriptor, and the content it believes in (its running digest). */
byte held = ORIGINAL;
byte known_length = 1;
byte known[CELLS];
byte parent[OWN + 1];
bool forked[OWN + 1];
mtype answer[OWN + 1] = UNASKED;
mtype state = HEALTHY;
mtype fence = OUTSIDE;
bool broken;
byte queue[OWN + 2];
byte queued;
byte batch;                      /* how many records at the head of the queue are being written */
bool unsynced;
bool comparing;                  /* a fence asks for a comparison */
bool compacting;
byte pending;                    /* questions that have no answer yet */
byte accepted;                   /* the number of the last accepted record */

/* Ground truth, which no part of the session reads. */
bool unreported;                 /* somebody changed the content, and the session has not said so */
bool foreign_in_turn;            /* somebody changed the content since the fence has taken its revision */
bool damaged[OWN + 1];           /* by somebody else: no promise is made for this record any more */
bool promised[OWN + 1];          /* said to be durable */
bool before_token[OWN + 1];      /* accepted before the fence was asked for */
bool foreign_line[FOREIGN_MAX];  /* stands in the file, and nobody but us could take it away */

byte foreign_acts;
byte failures;

/* Results of a step, for the next one. What is hidden is used within one step only and makes no states. */
mtype verdict = NOTHING;
bool synced = true;
byte position;
hidden byte i, j, kept, equal, at_path;

#include "store.pml"
#include "machine.pml"
#include "others.pml"

init {
	atomic {
		file[ORIGINAL].length = 1;
		file[ORIGINAL].durable = 1;
		run Writer(); run Writer(); run Turn(); run Foreigner();
#ifndef NO_COMPACTION
		run Compaction();
#endif
#ifdef POWER
		run Power();
#endif
		run Machine()   /* last, because only the last one can be forgotten when it ends: this one never does */
	}
}

/* Everybody who asked has an answer in the end, unless the power goes. A run that stops anywhere else is found too:
 * then a part stands where it must not end. */
ltl answered { <> [] (pending == 0) }
