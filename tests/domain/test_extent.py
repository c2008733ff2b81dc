"""What was lost and given back begins anew; what was kept keeps its beginning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.extent import Extent

PROJECTS = ("a", "b", "c")


def test_all_projects_include_later_ones() -> None:
    assert Extent().adding("*", 3).holds("born later", pinned=3)


def test_a_project_taken_from_all_and_given_back_does_not_serve_an_older_pin() -> None:
    extent = Extent().adding("*", 1).removing(("a",))
    assert not extent.holds("a")
    assert extent.holds("b", pinned=1)
    again = extent.adding(("a",), 5)
    assert again.holds("a", pinned=5)
    assert not again.holds("a", pinned=4)


def test_all_given_back_over_an_exclusion_begins_anew_only_there() -> None:
    extent = Extent().adding("*", 1).removing(("a",)).adding("*", 6)
    assert extent.since("a") == 6
    assert extent.since("b") == 1


def test_replacing_all_by_named_projects_keeps_their_beginning() -> None:
    extent = Extent().adding("*", 1).replaced_by(("a",), 4)
    assert extent.since("a") == 1
    assert extent.since("b") is None


def test_widening_named_projects_to_all_begins_anew_for_the_others() -> None:
    extent = Extent().adding(("a",), 1).replaced_by("*", 4)
    assert extent.since("a") == 1
    assert extent.since("b") == 4


moves = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "replace"]), st.one_of(st.just("*"), st.lists(st.sampled_from(PROJECTS), max_size=3).map(tuple))),
    max_size=12,
)


@given(moves)
def test_any_history_agrees_with_a_model_that_keeps_a_beginning_for_every_project(history: list[tuple[str, object]]) -> None:
    extent, model = Extent(), dict.fromkeys((*PROJECTS, "later"), None)
    for version, (move, projects) in enumerate(history, 1):
        named = set(model) if projects == "*" else set(projects)  # type: ignore[call-overload]
        if move == "add":
            extent = extent.adding(projects, version)  # type: ignore[arg-type]
            model = {p: version if p in named and v is None else v for p, v in model.items()}
        elif move == "remove":
            extent = extent.removing(projects)  # type: ignore[arg-type]
            model = {p: None if p in named else v for p, v in model.items()}
        else:
            extent = extent.replaced_by(projects, version)  # type: ignore[arg-type]
            model = {p: (version if v is None else v) if p in named else None for p, v in model.items()}
        assert {p: extent.since(p) for p in model} == model
