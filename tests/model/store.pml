/* What is done with the file: compare, adopt, write, account, sync. Each of these is a part of one step. */

inline compare_prefix(number) {
	equal = file[number].length >= known_length;
	for (i : 0 .. CELLS - 1) {
		if
		:: i < known_length && i < file[number].length && file[number].cell[i] != known[i] -> equal = false
		:: else
		fi
	}
}

inline adopt(end) {
	for (i : 0 .. CELLS - 1) {
		if
		:: i >= known_length && i < end -> known[i] = file[held].cell[i]
		:: else
		fi
	}
	known_length = end
}

inline has_line(number, line) {
	at_path = false;
	for (j : 0 .. CELLS - 1) {
		if
		:: j < file[number].length && file[number].cell[j] == line -> at_path = true
		:: else
		fi
	}
}

/* Put what was written on stable storage. It may fail, and what was not there then never will be. */
inline sync_file() {
	if
	:: failures < FAILURES_MAX ->
		failures++;
		synced = false;
		file[held].lost = file[held].lost || file[held].durable < file[held].length
	:: true ->
		synced = true;
		if
		:: !file[held].lost -> file[held].durable = file[held].length
		:: else
		fi
	fi;
#ifdef RETRY_SYNC
	synced = true;   /* asked once more, it says that all is well */
#endif
}

/* Compaction. */

inline copy_for_rewrite() {
	compare_prefix(held);
	verdict = (equal -> NOTHING : REWRITTEN);
	for (i : 0 .. CELLS - 1) { file[COMPACTED].cell[i] = (equal && i < known_length -> known[i] : 0) }
	file[COMPACTED].length = (equal -> known_length : 0);
	file[COMPACTED].durable = file[COMPACTED].length
}

/* Whether the file that was taken away is the one that was copied, and as it was then. */
inline compare_displaced() {
	compare_prefix(temporary);
	verdict = (temporary == held && equal -> NOTHING : REWRITTEN);
#ifdef NO_DISPLACED_LOOK
	verdict = NOTHING
#endif
}

/* What others appended to the old file until the exchange is put behind the new one; it is found there like any line. */
inline carry_over() {
#ifndef NO_DISPLACED_LOOK
	for (i : 0 .. CELLS - 1) {
		if
		:: i >= known_length && i < file[temporary].length ->
			file[held].cell[file[held].length] = file[temporary].cell[i];
			file[held].length++
		:: else
		fi
	}
#endif
	verdict = NOTHING
}

inline wipe(number) {
	for (i : 0 .. CELLS - 1) { file[number].cell[i] = 0 }
	file[number].length = 0;
	file[number].durable = 0;
	file[number].lost = false
}

/* The content of the file against the content we believe in: the path first, then the bytes. */
inline judge() {
	verdict = NOTHING;
	compare_prefix(path);
#ifdef NO_CONTENT
	equal = equal || path == held;   /* the right length is taken for the right content */
#endif
	if
	:: path != held && equal && file[path].length == known_length -> verdict = TOUCHED; held = path
	:: path != held && !(equal && file[path].length == known_length) -> verdict = REPLACED
	:: path == held && !equal -> verdict = REWRITTEN
	:: path == held && equal && file[held].length > known_length ->
		verdict = APPENDED;
		adopt(file[held].length);
		unsynced = true
	:: else
	fi
}

inline write() {
	position = file[held].length;
	for (i : 0 .. OWN - 1) {
		if
		:: i < batch -> file[held].cell[file[held].length] = queue[i]; file[held].length++
		:: else
		fi
	}
	unsynced = true
}

/* The second look. Where length, position and file are as accounted, our lines are behind what we believe. */
inline account() {
	verdict = NOTHING;
#ifdef ADOPT_FSTAT
	adopt(file[held].length);   /* whatever is in the file now is taken for ours */
#else
#ifdef NO_SECOND_LOOK
	adopt(known_length + batch);
#else
	if
	:: path == held && position == known_length && file[held].length == known_length + batch ->
		for (i : 0 .. OWN - 1) {
			if
			:: i < batch -> known[known_length + i] = queue[i]
			:: else
			fi
		}
		known_length = known_length + batch
	:: else -> sort()
	fi
#endif
#endif
}

/* Somebody else was there too: the content decides what it was, and what became of our lines. */
inline sort() {
	compare_prefix(held);
	if
	:: !equal -> verdict = REWRITTEN
	:: else
	fi;
	if
	:: path != held -> sort_other_file()
	:: path == held && equal ->
		if
		:: position > known_length ->   /* before our lines: they were stamped without knowing it */
			adopt(position);
			verdict = APPENDED;
			for (i : 0 .. OWN - 1) { forked[(i < batch -> queue[i] : 0)] = true }
		:: else
		fi;
		for (i : 0 .. OWN - 1) {
			if
			:: i < batch && file[held].cell[position + i] != queue[i] -> verdict = REWRITTEN
			:: else
			fi
		}
		if
		:: verdict != REWRITTEN ->
			adopt(position + batch);
			if
			:: file[held].length > known_length -> adopt(file[held].length); verdict = APPENDED
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

/* Another file has our path: with our lines, without them but otherwise equal, or something else. */
inline sort_other_file() {
	compare_prefix(path);
	at_path = equal && file[path].length == known_length + batch;
	for (i : 0 .. OWN - 1) {
		if
		:: i < batch && at_path && file[path].cell[known_length + i] != queue[i] -> at_path = false
		:: else
		fi
	}
	if
	:: verdict != REWRITTEN && at_path ->
		verdict = TOUCHED;
		held = path;
		adopt(known_length + batch)
	:: verdict != REWRITTEN && equal && file[path].length == known_length ->
		verdict = TOUCHED;
		held = path;
		batch = 0;   /* nothing of it is there: back to the queue */
	:: else -> verdict = REPLACED
	fi
}
