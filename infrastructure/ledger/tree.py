"""The log's tree as tiles of 256 (c2sp.org/tlog-tiles): growing it, and proofs read from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from infrastructure.ledger.verifier import EMPTY_ROOT, NotProven, node_hash, root_of

WIDTH = 256
_HEIGHT = 8
_TILES = 1_024
"""Tiles that a tree keeps in memory, 8 kB each."""
MOST_LEVELS = 64
_GROUPS = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}\Z")


@dataclass
class Edge:
    """What is open of a growing tree: per level the hashes of its last tile, fewer than 256. `full` are the tiles' roots, as they fill up."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)
    full: list[tuple[int, int, bytes]] = field(default_factory=list)

    def push(self, leaf: bytes) -> None:
        """One more leaf hash. A tile that it fills becomes a hash of the level above: (level, index there, hash) in `full`."""
        self.size += 1
        level, found = 0, leaf
        while True:
            if level == len(self.levels):
                self.levels.append([])
            row = self.levels[level]
            row.append(found)
            if len(row) < WIDTH:
                return
            found, level = root_of(row), level + 1
            row.clear()
            self.full.append((level, (self.size >> (_HEIGHT * level)) - 1, found))

    def root(self) -> bytes:
        """The root over all leaves: the open parts, low levels to the right."""
        found: bytes | None = None
        for row in self.levels:
            for each in reversed(_peaks(row)):
                found = each if found is None else node_hash(each, found)
        return EMPTY_ROOT if found is None else found


def _peaks(row: Sequence[bytes]) -> list[bytes]:
    """The roots of the largest full subtrees of a row, left to right."""
    peaks, at = [], 0
    while at < len(row):
        width = 1 << ((len(row) - at).bit_length() - 1)
        peaks.append(root_of(row[at : at + width]))
        at += width
    return peaks


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 2.1.4.2: that the tree of `size` begins with the whole tree of `old_size`: nothing in it was changed, taken out or moved."""
    if old_size > size:
        raise NotProven(f"The older checkpoint has {old_size} entries, this one only {size}: the log was cut or set back.")
    if old_size in {0, size}:
        if proof or (old_size == size and old_root != root):
            raise NotProven(f"Two checkpoints of size {size} have different roots: the log was rewritten. Keep both, they prove it.")
        return
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise NotProven("The consistency proof is empty.")
    number, last = old_size - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first, second = _climbed(number, last, path)
    if first != old_root or second != root:
        raise NotProven(f"The log of {size} entries does not begin with the one of {old_size}: its past was changed.")


def _climbed(number: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof leads to."""
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            raise NotProven("The consistency proof is too long.")
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise NotProven("The consistency proof is too short.")
    return first, second


TileReader = Callable[[int, int, int], Sequence[bytes]]
"""Gives the first so many hashes of the tile (level, index)."""


class Tree:
    """A tree of a certain size, read by tiles."""

    def __init__(self, size: int, tile: TileReader) -> None:
        self.size = size
        self._tile = tile
        self._read: dict[tuple[int, int], Sequence[bytes]] = {}

    def inclusion(self, index: int) -> list[bytes]:
        """The proof that a leaf is in the tree (RFC 6962 2.1.1), lowest first."""
        return self._path(index, 0, self.size)

    def consistency(self, old_size: int) -> list[bytes]:
        """The proof that the tree begins with the older one (RFC 6962 2.1.2)."""
        if old_size in {0, self.size}:
            return []
        return self._subproof(old_size, 0, self.size, whole=True)

    def root(self) -> bytes:
        return self._hash(0, self.size) if self.size else EMPTY_ROOT

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + _split(high - low)
        if index < middle:
            return [*self._path(index, low, middle), self._hash(middle, high)]
        return [*self._path(index, middle, high), self._hash(low, middle)]

    def _subproof(self, old: int, low: int, high: int, *, whole: bool) -> list[bytes]:
        if old == high:
            return [] if whole else [self._hash(low, high)]
        middle = low + _split(high - low)
        if old <= middle:
            return [*self._subproof(old, low, middle, whole=whole), self._hash(middle, high)]
        return [*self._subproof(old, middle, high, whole=False), self._hash(low, middle)]

    def _hash(self, low: int, high: int) -> bytes:
        """The root of the leaves from `low` to `high`; `low` is a multiple of the largest power of two in their number."""
        width = high - low
        if width & (width - 1):
            middle = low + _split(width)
            return node_hash(self._hash(low, middle), self._hash(middle, high))
        level, inner = divmod(width.bit_length() - 1, _HEIGHT)
        at = low >> (_HEIGHT * level)
        row = self._row(level, at // WIDTH)
        return root_of(row[at % WIDTH : at % WIDTH + (1 << inner)])

    def _row(self, level: int, index: int) -> Sequence[bytes]:
        key = (level, index)
        if key not in self._read:
            if len(self._read) >= _TILES:
                del self._read[next(iter(self._read))]
            self._read[key] = self._tile(level, index, min(WIDTH, (self.size >> (_HEIGHT * level)) - index * WIDTH))
        return self._read[key]


def _split(width: int) -> int:
    """The largest power of two smaller than a width of two and more."""
    return 1 << ((width - 1).bit_length() - 1)


def width_of(size: int, level: int, index: int) -> int:
    """How many hashes the tile has in a log of this size."""
    return max(0, min(WIDTH, (size >> (_HEIGHT * level)) - index * WIDTH))


def path_of(index: int) -> str:
    """`1234067` as `x001/x234/067`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def index_of(path: str) -> int | None:
    """The index of such a path, or None if it is not the one way to write it."""
    if not _GROUPS.match(path) or len(path) > 40:
        return None
    index = int("".join(group[-3:] for group in path.split("/")))
    return index if path_of(index) == path else None


def grown(edge: Edge, leaves: Iterable[bytes]) -> Edge:
    """The edge with more leaves."""
    for leaf in leaves:
        edge.push(leaf)
    return edge
