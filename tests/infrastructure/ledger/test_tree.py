from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.ledger.tree import WIDTH, Edge, Tree, check_consistency, index_of, path_of, width_of
from infrastructure.ledger.verifier import EMPTY_ROOT, NotProven, check_inclusion, leaf_hash, node_hash, root_of

LEAVES = [hashlib.sha256(str(n).encode()).digest() for n in range(70_000)]
SIZES = [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 70_000]


def grown(size: int) -> Edge:
    edge = Edge()
    for leaf in LEAVES[:size]:
        edge.push(leaf)
    return edge


WHOLE = grown(70_000)


def reference(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1 as it is written."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(reference(leaves[:split]), reference(leaves[split:]))


def tile(level: int, index: int, width: int) -> list[bytes]:
    if level == 0:
        return LEAVES[index * WIDTH : index * WIDTH + width]
    return [found for at, number, found in WHOLE.full if at == level and index * WIDTH <= number < index * WIDTH + width]


def test_the_hashes_are_those_of_the_rfc() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of([leaf_hash(b""), leaf_hash(b"\x00")]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"


@given(st.integers(0, 1500))
def test_the_edge_has_the_root_of_all_leaves(size: int) -> None:
    assert grown(size).root() == reference(LEAVES[:size]) == root_of(LEAVES[:size])


def test_seventy_thousand_entries_have_the_tiles_of_the_specification() -> None:
    assert [len(row) for row in WHOLE.levels] == [112, 17, 1]
    assert sum(level == 1 for level, _, _ in WHOLE.full) == 273
    assert [width_of(70_000, level, index) for level, index in ((0, 272), (0, 273), (0, 274), (1, 0), (1, 1), (2, 0))] == [256, 112, 0, 256, 17, 1]
    assert WHOLE.root() == root_of(LEAVES)


@pytest.mark.parametrize("size", SIZES)
def test_proofs_from_tiles_prove_and_nothing_else_does(size: int) -> None:
    tree, root = Tree(size, tile), root_of(LEAVES[:size])
    assert tree.root() == root
    for index in {0, size // 3, size // 2, size - 1}:
        proof = tree.inclusion(index)
        check_inclusion(LEAVES[index], index, size, proof, root)
        for wrong in (proof[:-1], [*proof, root], [bytes(32), *proof[1:]]):
            if wrong != proof:
                with pytest.raises(NotProven):
                    check_inclusion(LEAVES[index], index, size, wrong, root)
        with pytest.raises(NotProven):
            check_inclusion(bytes(32), index, size, proof, root)
    for index in (-1, size):
        with pytest.raises(NotProven, match="There is no entry"):
            check_inclusion(LEAVES[0], index, size, [], root)


@pytest.mark.parametrize("size", SIZES)
def test_a_log_that_grew_is_consistent_and_a_rewritten_one_is_not(size: int) -> None:
    tree, root = Tree(size, tile), root_of(LEAVES[:size])
    for old in {0, 1, size // 2, size - 1, size, 256, 65_536} & set(range(size + 1)):
        old_root, proof = root_of(LEAVES[:old]), tree.consistency(old)
        check_consistency(old, old_root, size, root, proof)
        if old in {0, size}:
            continue
        for wrong_root, wrong in ((bytes(32), proof), (old_root, proof[:-1]), (old_root, [*proof, root]), (old_root, [])):
            with pytest.raises(NotProven):
                check_consistency(old, wrong_root, size, root, wrong)
    with pytest.raises(NotProven, match="different roots"):
        check_consistency(size, bytes(32), size, root, [])
    with pytest.raises(NotProven, match="cut or set back"):
        check_consistency(size + 1, root, size, root, [])


@pytest.mark.parametrize(("index", "path"), [(0, "000"), (5, "005"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")])
def test_a_tile_has_one_path(index: int, path: str) -> None:
    assert path_of(index) == path
    assert index_of(path) == index


@pytest.mark.parametrize("path", ["", "5", "0005", "x000/005", "001/234", "x001/x234", "../000", "x001//067", "00a", "000/", "x" * 50])
def test_other_ways_to_write_it_are_none(path: str) -> None:
    assert index_of(path) is None
