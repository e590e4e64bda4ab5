/* The end of a file through several lives of its process, byte by byte: writing, dying, and making the end whole.
 *
 * A record is three bytes: two of its body and its line feed. A write may stop after any byte; the process may be
 * killed at any step (what was written stays) and so may the machine (what was not synced stays up to any byte, or
 * not at all). The next life opens the file: half a line is cut once its bytes are safe beside the file, a whole line
 * without its line feed gets one. A life that is killed while it heals is followed by one that heals.
 *
 * Broken on purpose: NO_TAIL_CUT leaves the end as it is, CUT_BEFORE_COPY cuts it before its bytes are safe.
 */

#ifndef RECORDS
#define RECORDS 4
#endif
#ifndef DEATHS_MAX
#define DEATHS_MAX 3
#endif
#define BATCH_MAX 2
#define BYTES (3 * RECORDS)
#define byte_of(record, place) (3 * (record) + (place) + 1)
#define record_of(value) (((value) - 1) / 3)
#define place_of(value) (((value) - 1) % 3)

byte file[BYTES + 1];
byte length;
byte durable;                 /* so many bytes survive a power cut */
byte healthy_length;          /* where the last whole line ends */
byte next_record;
byte batch;
byte written;                 /* bytes of this batch */
byte side[3];                 /* the bytes of the torn line that stand beside the file */
byte side_length;
bool side_durable;
bool acknowledged[RECORDS];   /* written, so a killed process does not lose it */
bool promised[RECORDS];       /* synced, so a power cut does not lose it */
byte deaths;
bool dead;
hidden byte i, kept;

inline find_end() {
	healthy_length = 0;
	for (i : 0 .. BYTES - 1) {
		if
		:: i < length && place_of(file[i]) == 2 -> healthy_length = i + 1
		:: else
		fi
	}
}

/* Every line is whole and in order, and what was said to be there is there. */
inline check() {
	assert(length % 3 == 0);
	for (i : 0 .. BYTES - 1) {
		if
		:: i < length ->
			assert(place_of(file[i]) == i % 3);
			assert(i % 3 == 0 || record_of(file[i]) == record_of(file[i - 1]));
			assert(i == 0 || file[i] > file[i - 1])
		:: else
		fi
	}
	for (i : 0 .. RECORDS - 1) {
		kept = 0;
		do
		:: kept < length && file[kept] != byte_of(i, 0) -> kept++
		:: else -> break
		od;
		assert(!acknowledged[i] || kept < length)
	}
	kept = 0
}

/* The bytes that were cut stand beside the file: none is dropped silently. */
inline cut() {
	for (i : 0 .. 2) {
		if
		:: i < length - healthy_length ->
			assert(side_durable && i < side_length && side[i] == file[healthy_length + i])
		:: else
		fi
	}
	length = healthy_length;
	durable = (durable < length -> durable : length)
}

inline open() {
	atomic { true; d_step { find_end(); side_length = 0; side_durable = false } };
	if
	:: length == healthy_length
	:: length == healthy_length + 2 ->   /* a whole record: only its end is missing */
		d_step { file[length] = file[length - 1] + 1; length++ }
	:: length == healthy_length + 1 ->
#ifndef NO_TAIL_CUT
#ifdef CUT_BEFORE_COPY
		d_step { cut() }
#endif
		d_step { side[0] = file[healthy_length]; side_length = 1 };
		side_durable = true;
		d_step { cut() }
#endif
		skip
	fi;
	true;
	d_step { side_length = 0; side_durable = false; side[0] = 0; check() }
}

inline write_batch() {
	if   /* so many records at once */
	:: batch = 1
	:: next_record + 2 <= RECORDS -> batch = 2
	fi;
	written = 0;
	do   /* a short write is finished */
	:: written < 3 * batch ->
		d_step {
			file[length] = byte_of(next_record, 0) + written;
			length++;
			written++
		}
	:: else -> break
	od;
	atomic { true; d_step {
		for (i : 0 .. RECORDS - 1) { acknowledged[i] = acknowledged[i] || (i >= next_record && i < next_record + batch) }
		next_record = next_record + batch;
		batch = 0;
		written = 0
	} };
	d_step {   /* synced */
		for (i : 0 .. RECORDS - 1) { promised[i] = acknowledged[i] }
		durable = length
	}
}

proctype Life() {
	do
	:: {
		open();
		do
		:: next_record < RECORDS -> write_batch()
		:: else -> break
		od;
end_closed:
		false   /* nothing more to write; who dies now is opened once more */
	} unless {
		atomic {   /* what was begun is not begun again under the same number */
			dead ->
			dead = false;
			next_record = next_record + batch;
			batch = 0;
			written = 0
		}
	}
	od
}

proctype Death() {
	do
	:: deaths < DEATHS_MAX ->
		if
		:: atomic { !dead -> dead = true; deaths++ }   /* kill -9 */
		:: atomic { !dead -> dead = true; deaths++;    /* the power */
			do
			:: length > durable -> length--
			:: break
			od;
			d_step { for (i : 0 .. RECORDS - 1) { acknowledged[i] = promised[i] } durable = length }
		}
		fi
	:: break
	od
}

init {
	atomic { run Life(); run Death() }
}

ltl whole { <> [] (length % 3 == 0) }
