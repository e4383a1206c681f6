"""A disk in memory that knows what has been synced, for losing power at any moment.

A file has what programs see (`seen`, the system's cache), what the disk itself has (`kept`), and the writes in between
(`dirty`). Names likewise: `names` are seen, `kept_names` are on the disk, `changes` are in between. `power_cut`
gives the disk as it may be found afterwards: any sectors of what was not synced, in any subset, the last one
perhaps torn, the rest zeros or old junk; any of the changes of names. `killed` gives the disk after the process
alone has died: all that was seen.

A sync can be made to fail as systems do it: some octets are dropped, yet seen, and the next sync says all is well.

`counts` says how often each of the things in HAPPENINGS did happen, not merely was tried.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

CUTS = ("nothing", "everything", "beginning", "sectors", "sectors and junk", "sectors and junk")

HAPPENINGS = (
    "power cuts with unsynced octets",
    "sectors lost",
    "sectors lost before one that was kept",
    "last sectors torn",
    "lengths kept without the octets",
    "sectors of old junk",
    "names lost or back",
    "writes failed for lack of space",
    "writes failed for another reason",
    "syncs failed and dropped octets",
    "changes of names failed",
    "files removed",
    "bits flipped",
)


class Node:
    """A file's content."""

    def __init__(self, kept: bytes = b"") -> None:
        self.kept = bytearray(kept)
        self.seen = bytearray(kept)
        self.dirty: list[tuple[int, bytes]] = []

    def copy(self) -> Node:
        twin = Node(self.kept)
        twin.seen[:] = self.seen
        twin.dirty = list(self.dirty)
        return twin

    def after_power_cut(self, random: Random, how: str, counts: Counter[str], freed: Sequence[bytes]) -> Node:
        kept = bytearray(self.kept)
        sector = random.choice((512, 512, 1024, 4096))
        pieces = written = list(_sectors(self.dirty, sector))
        counts["power cuts with unsynced octets"] += bool(pieces)
        if how == "nothing":
            pieces = []
        elif how == "beginning":
            pieces = pieces[: random.randrange(len(pieces) + 1)]
        elif how != "everything":
            share = random.random()
            pieces = [piece for piece in pieces if random.random() < share]
            random.shuffle(pieces)
        counts["sectors lost"] += len(written) - len(pieces)
        counts["sectors lost before one that was kept"] += sorted(pieces) != sorted(written)[: len(pieces)]
        for number, (offset, data) in enumerate(pieces):
            if number == len(pieces) - 1 and how != "everything" and random.random() < 0.5:
                counts["last sectors torn"] += 1
                data = data[: random.randrange(len(data) + 1)]
            _put(kept, offset, data)
        if how not in ("nothing", "everything") and random.random() < 0.3 and len(kept) < len(self.seen):
            kept.extend(bytes(random.randrange(1, len(self.seen) - len(kept) + 1)))
            counts["lengths kept without the octets"] += 1
        if how == "sectors and junk":
            for offset, data in sorted(set(written).difference(pieces)):
                # Beyond the end as well: the length may have come through before the octets.
                if offset + len(data) <= len(kept) or random.random() < 0.5:
                    counts["sectors of old junk"] += 1
                    _put(kept, offset, _junk(random, len(data), [*freed, self.seen]))
        return Node(kept)


class SimulatedFile:
    def __init__(self, disk: SimulatedDisk, node: Node) -> None:
        self._disk = disk
        self._node = node

    def write(self, chunks: Sequence[bytes]) -> None:
        data = b"".join(chunks)
        node = self._node
        error = self._disk.fault("write")
        if error:
            data = data[: self._disk.random.randrange(len(data) + 1)]
            full = error.errno == errno.ENOSPC
            self._disk.counts[f"writes failed for {'lack of space' if full else 'another reason'}"] += 1
        node.dirty.append((len(node.seen), data))
        node.seen += data
        self._disk.changed()
        if error:
            raise error

    def sync(self) -> None:
        node = self._node
        error = self._disk.fault("sync")
        if error:
            before = len(list(_sectors(node.dirty, 512)))
            node.dirty = [piece for piece in _sectors(node.dirty, 512) if self._disk.random.random() < 0.5]
            self._disk.counts["syncs failed and dropped octets"] += len(node.dirty) < before
        for offset, data in node.dirty:
            _put(node.kept, offset, data)
        node.dirty.clear()
        self._disk.changed()
        if error:
            raise error

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        error = self._disk.fault("read")
        if error:
            raise error
        return bytes(self._node.seen[offset : offset + size_bytes])

    def close(self) -> None:
        pass


class SimulatedDisk:
    """One folder is enough for the journal, so names are whole paths and folders are not kept.

    `on_change` is called after everything that changes the disk. `fail(what, after, error)` makes the operation
    fail once after so many of its kind: "write", "sync", "read" or "name".
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: dict[str, Node] = {}
        self.kept_names: dict[str, Node] = {}
        self.changes: list[tuple[str, Node | None]] = []
        self.on_change: Callable[[], None] = lambda: None
        self.counts: Counter[str] = Counter()
        self.freed: list[bytes] = []  # what removed files had: the disk may show it again
        self._faults: dict[str, tuple[int, int]] = {}

    def fail(self, what: str, after: int, number: int = errno.EIO) -> None:
        self._faults[what] = after, number

    def mend(self) -> None:
        """Nothing fails any more."""
        self._faults.clear()

    def fault(self, what: str) -> OSError | None:
        if what not in self._faults:
            return None
        after, number = self._faults.pop(what)
        if after:
            self._faults[what] = after - 1, number
            return None
        return OSError(number, os.strerror(number))

    def changed(self) -> None:
        self.on_change()

    # -- the port --------------------------------------------------------------------------------------------

    def make_folder(self, path: str) -> None:
        pass

    def list(self, folder: str) -> list[str]:
        return sorted(name.removeprefix(f"{folder}/") for name in self.names if name.startswith(f"{folder}/"))

    def create(self, path: str) -> SimulatedFile:
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        node = Node()
        self._name(path, node)
        return SimulatedFile(self, node)

    def open(self, path: str) -> SimulatedFile:
        return SimulatedFile(self, self._node(path))

    def size(self, path: str) -> int:
        return len(self._node(path).seen)

    def rename(self, path: str, new_path: str) -> None:
        self._may_fail()
        node = self._node(path)
        # One change on the disk: never both names, never neither.
        self.names.pop(path)
        self.names[new_path] = node
        self.changes.append((f"{path}\0{new_path}", node))
        self.changed()

    def remove(self, path: str) -> None:
        self.freed = [*self.freed[-30:], bytes(self._node(path).seen)]
        self._name(path, None)
        self.counts["files removed"] += 1

    def sync_folder(self, path: str) -> None:
        self._may_fail()
        self.kept_names = dict(self.names)
        self.changes.clear()
        self.changed()

    def free_bytes(self, path: str) -> int:
        return 1 << 40

    def _may_fail(self) -> None:
        error = self.fault("name")
        if error:
            self.counts["changes of names failed"] += 1
            raise error

    def _name(self, path: str, node: Node | None) -> None:
        self._may_fail()
        _rename(self.names, path, node)
        self.changes.append((path, node))
        self.changed()

    def _node(self, path: str) -> Node:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.names[path]

    # -- what is found afterwards ----------------------------------------------------------------------------

    def power_cut(self, random: Random) -> SimulatedDisk:
        """The disk when the power is back."""
        how = random.choice(CUTS)
        names = dict(self.kept_names)
        changes = self.changes
        if how == "nothing":
            changes = []
        elif how == "beginning":
            changes = changes[: random.randrange(len(changes) + 1)]
        elif how != "everything":
            changes = [change for change in changes if random.random() < 0.5]
        for path, node in changes:
            _rename(names, path, node)
        found = self._after(random)
        found.counts["names lost or back"] += len(names.keys() ^ self.names.keys())
        found.names = {path: node.after_power_cut(random, how, self.counts, self.freed) for path, node in names.items()}
        found.kept_names = dict(found.names)
        return found

    def killed(self, random: Random) -> SimulatedDisk:
        """The disk when only the process is gone."""
        found = self._after(random)
        twins = {id(node): node.copy() for node in [*self.names.values(), *self.kept_names.values()]}
        twins |= {id(node): node.copy() for _, node in self.changes if node is not None and id(node) not in twins}
        found.names = {path: twins[id(node)] for path, node in self.names.items()}
        found.kept_names = {path: twins[id(node)] for path, node in self.kept_names.items()}
        found.changes = [(path, None if node is None else twins[id(node)]) for path, node in self.changes]
        return found

    def _after(self, random: Random) -> SimulatedDisk:
        found = SimulatedDisk(random)
        found.counts = self.counts
        found.freed = self.freed
        return found

    def flip_bit(self, path: str, random: Random) -> int:
        """Damage one bit of a file; the offset of its octet, -1 if it is empty."""
        node = self.names[path]
        if not node.seen:
            return -1
        self.counts["bits flipped"] += 1
        offset = random.randrange(len(node.seen))
        node.seen[offset] ^= 1 << random.randrange(8)
        node.kept[:] = node.seen
        node.dirty.clear()
        return offset


def _rename(names: dict[str, Node], path: str, node: Node | None) -> None:
    old, _, new = path.partition("\0")
    if node is None:
        names.pop(old, None)
    elif new:
        if names.get(old) is node:
            del names[old]
        names[new] = node
    else:
        names[old] = node


def _junk(random: Random, size: int, files: Sequence[bytes | bytearray]) -> bytes:
    """What a sector had before it became this file's: noise, or some part of another such file."""
    file = random.choice(files)
    if random.random() < 0.3 or len(file) <= size:
        return random.randbytes(size)
    start = random.randrange(len(file) - size)
    return bytes(file[start : start + size])


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    if offset > len(data):
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


def _sectors(writes: list[tuple[int, bytes]], sector: int) -> list[tuple[int, bytes]]:
    """The writes cut where sectors begin."""
    pieces = []
    for offset, data in writes:
        start = 0
        while start < len(data):
            stop = min(len(data), (offset + start) // sector * sector + sector - offset)
            pieces.append((offset + start, data[start:stop]))
            start = stop
    return pieces
