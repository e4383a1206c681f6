"""What goes wrong with files, as sentences for the person who runs the broker: what, where, and what to do."""

from __future__ import annotations

import errno
from os import PathLike

_NO_PERMISSION = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_NO_FOLDER = frozenset((errno.ENOTDIR, errno.EEXIST))


class StoreError(Exception):
    """The data cannot be used as it is. The text is complete; no file has been changed to find this out."""


def explained(error: OSError, path: str | PathLike[str]) -> StoreError:
    """The sentence for what the system said about `path`."""
    if error.errno in _NO_PERMISSION:
        return StoreError(
            f"No permission to read and write {path} ({error.strerror}). "
            "Give the broker's user the right to do so, or choose another data directory."
        )
    if error.errno in _FULL:
        return StoreError(f"The disk is full: cannot write {path} ({error.strerror}). Make room and start again.")
    if error.errno in _NO_FOLDER:
        return StoreError(f"{path} is not a directory. Choose a directory, or a path that does not exist yet.")
    return StoreError(f"Cannot use {path}: {error.strerror}. Look at the system's log and the state of the disk.")
