"""The only code that touches the file system; `FileStore` implements the core's `Store`."""

from ._paths import session_path as session_path
from ._store import FileStore as FileStore
from ._system import System as System
