"""The three ways to look for terms, from the most exact to the most patient."""

from __future__ import annotations

from collections.abc import Sequence

TRIGRAM = 3

Question = tuple[str, list[str | int | None]]

_COLUMNS = 'texts.id, sessions.path, texts."offset", texts.role, texts.time'
_JOIN = "JOIN sessions ON sessions.id = texts.session"


def by_words(terms: Sequence[str], session: str | None, limit: int) -> Question:
    """Ask for texts that have every term as a word."""
    return _matching("words", terms, session, limit, snippet_tokens=16)


def by_trigrams(terms: Sequence[str], session: str | None, limit: int) -> Question | None:
    """Ask for texts that have every term somewhere; None if one is too short for a trigram."""
    if any(len(term) < TRIGRAM for term in terms):
        return None
    return _matching("trigrams", terms, session, limit, snippet_tokens=64)


def by_likeness(terms: Sequence[str], session: str | None, limit: int) -> Question | None:
    """Ask for texts that have every term somewhere, by reading all of them; only where trigrams cannot help."""
    if all(len(term) >= TRIGRAM for term in terms):
        return None
    like = " AND ".join(["texts.body LIKE ? ESCAPE '\\'"] * len(terms))
    # The part around the first term; a likeness has no rank, so the newest comes first.
    snippet = "substr(texts.body, max(1, instr(lower(texts.body), lower(?)) - 32), 96)"
    query = (
        f"SELECT {_COLUMNS}, {snippet}, 0.0 FROM texts {_JOIN} "
        f"WHERE {like} AND (? IS NULL OR sessions.path = ?) ORDER BY texts.id DESC LIMIT ?"
    )
    return query, [terms[0], *map(_pattern, terms), session, session, limit]


def _matching(index: str, terms: Sequence[str], session: str | None, limit: int, *, snippet_tokens: int) -> Question:
    query = (
        f"SELECT {_COLUMNS}, snippet({index}, 0, '[', ']', '…', {snippet_tokens}), bm25({index}) "
        f"FROM {index} JOIN texts ON texts.id = {index}.rowid {_JOIN} "
        f"WHERE {index} MATCH ? AND (? IS NULL OR sessions.path = ?) ORDER BY bm25({index}), texts.id DESC LIMIT ?"
    )
    return query, [" ".join(map(_phrase, terms)), session, session, limit]


def _phrase(term: str) -> str:
    """Quote a term, so that nothing in it is an operator."""
    return '"' + term.replace('"', '""') + '"'


def _pattern(term: str) -> str:
    for special in "\\%_":
        term = term.replace(special, f"\\{special}")
    return f"%{term}%"
