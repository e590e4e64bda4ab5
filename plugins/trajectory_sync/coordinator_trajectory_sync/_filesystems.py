"""The one door to fsspec, which has no types."""

from typing import Any

import fsspec  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

_fsspec: Any = fsspec


def open_filesystem(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """Return the file system that a URL means, and the path in it."""
    files, path = _fsspec.url_to_fs(url, **options)
    return files, str(path)


def protocol_of(url: str) -> str:
    """Return which kind of place a URL means."""
    return str(_fsspec.utils.get_protocol(url))


def is_known(protocol: str) -> bool:
    """Say whether fsspec knows this kind of place (its package may still have to be installed)."""
    return protocol in _fsspec.available_protocols()
