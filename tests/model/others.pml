/* Everybody around the session: writers, a turn, a compaction, somebody else, and the power. */

proctype Writer() {
	byte n;
	do
	:: n < RECORDS_EACH -> d_step { n++; offer() }
	:: else -> break
	od
}

/* One turn: in, perhaps a check while the model answers, and out. */
proctype Turn() {
	d_step {   /* enter */
		if
		:: state == HEALTHY ->
			fence = WAITING;
			for (i : 1 .. OWN) { before_token[i] = answer[i] == ACCEPTED || answer[i] == WRITTEN }
#ifdef NO_DRAIN
			pending++   /* the fence does not queue behind what was accepted before it */
#else
			push(TOKEN)
#endif
		:: else -> fence = OVER
		fi
	}
	fence != WAITING;
	if
	:: atomic { fence == ACTIVE && !broken && state == HEALTHY -> comparing = true; pending++ }   /* check_fence */
		!comparing
	:: true
	fi;
	d_step {   /* leave: the turn ends here; what is compared afterwards was asked for in time */
		if
		:: fence == ACTIVE && !broken && state == HEALTHY -> fence = LEAVING; comparing = true; pending++
		:: else -> fence = OVER
		fi
	}
	atomic { !comparing -> fence = OVER; broken = false; foreign_in_turn = false }
}

proctype Compaction() {
	d_step {   /* rewrite */
		if
		:: state == HEALTHY -> compacting = true; push(REWRITING)
		:: else
		fi
	}
	!compacting
}

/* Somebody else, who knows nothing of us and asks nobody. */

inline changes_content() {
	unreported = true;
	foreign_in_turn = true
}

inline damage(line) {
	if
	:: is_own(line) -> damaged[line] = true; promised[line] = false
	:: else
	fi;
	if
	:: line > OWN && line <= OWN + FOREIGN_MAX -> foreign_line[line - OWN - 1] = false
	:: else
	fi
}

inline edit(at) {
	damage(file[path].cell[at]);
	file[path].cell[at] = EDITED;
	changes_content()
}

inline copy_to(number) {
	for (i : 0 .. CELLS - 1) { file[number].cell[i] = file[path].cell[i] }
	file[number].length = file[path].length;
	file[number].durable = file[path].length;
	path = number;
	durable_path = number
}

proctype Foreigner() {
	do   /* once the session has stopped it promises nothing, so what is done then is nothing new */
	:: foreign_acts < FOREIGN_MAX && state == HEALTHY ->
		if
		:: d_step {   /* appends a line */
			file[path].cell[file[path].length] = FOREIGN_LINE(foreign_acts);
			file[path].length++;
			foreign_line[foreign_acts] = true;
			changes_content();
			foreign_acts++
		}
		:: d_step { edit(0); foreign_acts++ }
		:: d_step { edit(file[path].length - 1); foreign_acts++ }
		:: d_step {   /* renames another file over ours: equal but for a line */
			for (j : 0 .. CELLS - 1) { damage(file[path].cell[j]) }
			copy_to(FOREIGN_FILE(foreign_acts));
			edit(0);
			foreign_acts++
		}
		:: d_step { copy_to(FOREIGN_FILE(foreign_acts)); foreign_acts++ }   /* a backup put back: the same bytes */
		fi
	:: break
	od
}

/* The power, which may go at any moment: what if it went now? Of the file that has the name then, what was synced
 * stays, and any beginning of the rest; half a line more is what `recovery.pml` is about. The question changes nothing,
 * so it can be asked in every state and costs no state. */
inline survives(number) {
	for (kept : file[number].durable .. file[number].length) {
		if
		:: kept == file[number].durable || !file[number].lost ->
			for (j : 1 .. OWN) {
				at_path = false;
				for (i : 0 .. CELLS - 1) { at_path = at_path || (i < kept && file[number].cell[i] == j) }
				assert(!promised[j] || at_path)   /* said to be durable: it is there */
			}
		:: else
		fi
	}
}

proctype Power() {
	do
	:: d_step { survives(path); survives(durable_path); at_path = false }
	od
}
