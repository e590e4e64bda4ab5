/* The session: what its parts ask for, and its one effect at a time. */

inline push(item) {
	queue[queued] = item;
	queued++;
	pending++
}

inline offer() {
	if
	:: state == HEALTHY ->
		accepted++;
		answer[accepted] = ACCEPTED;
#ifdef PARENT_AT_SUBMISSION
		parent[accepted] = known[known_length - 1];
#endif
		push(accepted)
	:: else   /* refused at once, with an error */
	fi
}

inline take_from_queue(count) {
	for (i : 0 .. OWN + 1) {
		if
		:: i + count < queued -> queue[i] = queue[i + count]
		:: i + count >= queued -> queue[i] = 0
		fi
	}
	queued = queued - count
}

/* In trouble everybody who waits is told, and nothing that was accepted is lost: it is kept for `reopen`. */
inline clear_queue(trouble) {
	state = trouble;
	batch = 0;
	for (i : 0 .. OWN + 1) {
		if
		:: i < queued && is_own(queue[i]) -> answer[queue[i]] = KEPT; pending--
		:: i < queued && queue[i] == TOKEN -> fence = OVER; pending--
		:: i < queued && queue[i] == REWRITING -> compacting = false; pending--
		:: else
		fi;
		queue[i] = 0
	}
	queued = 0;
	if
	:: comparing -> comparing = false; pending--
	:: else
	fi
}

/* What is found is told. */
inline found() {
	if
	:: is_change(verdict) ->
		assert(unreported);      /* no false alarm of any kind, with a fence or without */
		unreported = false;
		if
		:: fence == ACTIVE || fence == LEAVING ->
			broken = true;
			assert(foreign_in_turn)  /* no false takeover, and no turn is blamed for what was before it */
		:: else
		fi
	:: else
	fi;
	if
	:: stops(verdict) -> clear_queue(STOPPED)
	:: else
	fi
}

/* The comparison of a fence: a look and a read, and what they found is told. In one step, because what comes between a
 * look and its read is read as well. */
inline compare() {
	judge();
	assert(!unreported || is_change(verdict));   /* what is there when the fence looks is not missed */
	found()
}

/* Promises about the file as it is: every record at most once, and in the order in which they were accepted. */
inline check(number) {
	for (i : 0 .. CELLS - 1) {
		for (j : 0 .. CELLS - 1) {
			if
			:: i < j && j < file[number].length && is_own(file[number].cell[i]) && is_own(file[number].cell[j]) ->
				assert(file[number].cell[i] < file[number].cell[j])
			:: else
			fi
		}
	}
}

inline promise_all() {
	for (i : 1 .. OWN) {
		if
		:: answer[i] == WRITTEN && !damaged[i] -> promised[i] = true
		:: else
		fi
	}
	unsynced = false
}

/* Stamping: every record gets the line before it as its parent, as far as we know at this moment. */
inline stamp() {
	batch = 0;
	for (i : 0 .. OWN + 1) {
		if
		:: i == batch && i < queued && is_own(queue[i]) ->
#ifndef PARENT_AT_SUBMISSION
			parent[queue[i]] = (i == 0 -> known[known_length - 1] : queue[i - 1]);
#endif
			batch++
		:: else
		fi
	}
}

/* The appends return their receipts. */
inline confirm() {
	for (i : 0 .. OWN - 1) {
		if
		:: i < batch ->
			answer[queue[i]] = WRITTEN;
			pending--;
			has_line(path, queue[i]);
			assert(at_path || damaged[queue[i]]);   /* never an acknowledgement into nowhere */
#ifdef ALWAYS
			promised[queue[i]] = !damaged[queue[i]];
#endif
			for (j : 1 .. CELLS - 1) {
				if   /* the chain is unbranched, or it was said that it is not */
				:: j < known_length && known[j] == queue[i] ->
					assert(parent[queue[i]] == known[j - 1] || forked[queue[i]])
				:: else
				fi
			}
		:: else
		fi
	}
	for (i : 0 .. OWN - 1) { parent[(i < batch -> queue[i] : 0)] = 0; forked[(i < batch -> queue[i] : 0)] = false }
	take_from_queue(batch)
}

/* After a report: the promises hold, and what is known now is all that is remembered. */
inline settle() {
	check(path);
	batch = 0;
	verdict = NOTHING;
	position = 0;
	temporary = 0;
	synced = true
}

/* A failed sync is latched: nobody hears of a success of a session whose lines may be gone. */
inline sync() {
	sync_file();
	if
	:: !synced -> d_step { clear_queue(FAILED) }
	:: else
	fi
}

/* One batch. Where something ended it, nothing is left of it: it is in the queue again, or everybody was told. */
inline append() {
	atomic {   /* the first look; what is found was not known when the batch was stamped, so it is stamped again */
		if
		:: path == held && file[path].length == known_length
		:: else -> d_step { compare(); batch = (is_change(verdict) -> 0 : batch) }
		fi
	}
	atomic {
		if
		:: batch > 0 -> d_step { acknowledge_early(); write() }
		:: else
		fi
	}
#ifdef ALWAYS
	atomic {
		if
		:: batch > 0 -> sync()
		:: else
		fi
	}
#endif
	atomic {   /* the second look */
		if
		:: batch > 0 -> d_step { account(); found() }
		:: else
		fi
	}
#ifdef ALWAYS
	atomic {   /* what was synced need not be the file that has our lines now */
		if
		:: batch > 0 && verdict != NOTHING -> sync()
		:: else
		fi
	}
#endif
	d_step { confirm(); settle() }
}

inline acknowledge_early() {
#ifdef ACK_BEFORE_SYNC
	for (i : 0 .. OWN - 1) { promised[(i < batch -> queue[i] : 0)] = true }
#endif
	skip
}

/* The token of a fence: what was accepted before it is in the file, and durable. */
inline enter_fence() {
#ifndef ALWAYS
	atomic {
		if
		:: unsynced -> sync()
		:: else
		fi
	}
#endif
	d_step {   /* the revision is taken in one step with the reading: what comes later is the turn's */
		if
		:: fence == WAITING -> foreign_in_turn = false; compare()
		:: else
		fi;
		if
		:: fence == WAITING ->
			fence = ACTIVE;
			pending--;
			for (i : 1 .. OWN) { assert(!before_token[i] || answer[i] == WRITTEN) }   /* drained */
#ifndef NO_DRAIN
			take_from_queue(1);
#endif
#ifndef ALWAYS
			promise_all()
#endif
		:: else
		fi;
		for (i : 1 .. OWN) { before_token[i] = false }
		settle()
	}
}

/* A fence is checked, or left: then what it promises is durable as well. */
inline compare_for_fence() {
#ifndef ALWAYS
	atomic {
		if
		:: fence == LEAVING && unsynced -> sync()
		:: else
		fi
	}
#endif
	d_step {
		if
		:: comparing -> compare()
		:: else
		fi;
		if
		:: comparing ->   /* nothing has stopped the session */
			comparing = false;
			pending--;
#ifndef ALWAYS
			if
			:: fence == LEAVING -> promise_all()
			:: else
			fi
#endif
		:: else
		fi;
		settle()
	}
}

/* The new file is durable before it gets the name; what it displaces is looked at afterwards. Its lines are those of
 * the old one, so that every promise can be asked of it as of any other file. */
inline rewrite() {
	d_step { compare() }
	d_step {   /* what is copied is compared with what we believe */
		if
		:: compacting -> copy_for_rewrite(); found()
		:: else
		fi
	}
	if
	:: !compacting
	:: else ->
		d_step { temporary = path; path = COMPACTED }   /* exchanged */
		d_step { compare_displaced() }
		if
		:: verdict == NOTHING ->
			d_step { held = COMPACTED; durable_path = path }   /* and the directory is synced */
			do   /* where another file with the same content has come to be ours meanwhile, into that one */
			:: d_step { carry_over() };
				d_step { judge(); found() };
				if
				:: verdict == TOUCHED
				:: else -> break
				fi
			od;
			atomic { true; d_step { wipe(temporary); verdict = NOTHING } }
		:: else ->   /* exchanged back; whoever replaced the file last wins */
			d_step { path = (path == COMPACTED -> temporary : path); wipe(COMPACTED) }
			d_step { compare() }
		fi
	fi;
	d_step {
		for (i : 0 .. FOREIGN_MAX - 1) {
			has_line(path, FOREIGN_LINE(i));
			assert(!foreign_line[i] || at_path || state == STOPPED)   /* no line of others is lost unsaid */
		}
		if
		:: compacting -> compacting = false; pending--; take_from_queue(1)
		:: else
		fi;
		settle()
	}
}

#define is_next(item) (!comparing && queued > 0 && item)

/* A turn that ends needs neither room nor drain, so its comparison comes before the queue. */
proctype Machine() {
end_next_effect:
	do
	:: comparing -> compare_for_fence()
#ifdef NO_DRAIN
	:: !comparing && fence == WAITING -> enter_fence()
#endif
	:: is_next(queue[0] == TOKEN) -> enter_fence()
	:: is_next(queue[0] == REWRITING) -> rewrite()
	:: atomic { is_next(is_own(queue[0])) -> d_step { stamp(); verdict = NOTHING } }
		append()
	od
}
