"""Hypothesis strategies for what may stand in a session file, and a few records to start from."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT


def json_values(leaves: st.SearchStrategy[Any] = LEAVES, keys: st.SearchStrategy[Any] = TEXT) -> st.SearchStrategy[Any]:
    """Return values that are nested a little, with `leaves` at their ends."""
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


def plain_records() -> st.SearchStrategy[dict[str, Any]]:
    """Return any JSON objects."""
    return st.dictionaries(TEXT, json_values(), max_size=5)


def pi_records() -> st.SearchStrategy[dict[str, Any]]:
    """Return records as a caller gives them to a `PI` session: with a type, with or without what is stamped."""
    names = TEXT.filter(lambda key: key not in {"type", "id", "parentId", "timestamp"})
    own = st.fixed_dictionaries(
        {"type": TEXT.filter(lambda kind: kind != "session")},
        optional={"id": TEXT.filter(bool), "parentId": st.none() | TEXT, "timestamp": TEXT},
    )
    return st.builds(lambda rest, own: {**rest, **own}, st.dictionaries(names, json_values(), max_size=4), own)


def message(text: str, **rest: object) -> dict[str, Any]:
    """Return a user message without what is stamped."""
    return {"type": "message", "message": {"role": "user", "content": [{"type": "text", "text": text}]}, **rest}


def without_stamps(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as it was before it was stamped."""
    return {key: value for key, value in record.items() if key not in {"id", "parentId", "timestamp"}}
