from __future__ import annotations

from datetime import UTC, datetime

import pytest

from web.demo.upstream import catalog
from web.demo.upstream.catalog import ChangeRefused, Edge, created, lineage, models_of, updated
from web.demo.upstream.state import Column, Model, State

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def model(name: str, *columns: Column) -> Model:
    return Model("p1", name, "", "select 1", columns)


def test_every_delivered_source_is_a_delivered_column() -> None:
    models = models_of(State(), "p1")
    known = {f"{each.name}.{column.name}" for each in models.values() for column in each.columns}
    assert {source for each in models.values() for column in each.columns for source in column.derived_from} <= known


def test_a_change_touches_one_project_and_gives_a_new_version() -> None:
    before = models_of(State(), "p1")["fct_revenue"]
    state, changed = updated(State(), before, description="Ours", sql=None, at=NOW, by="m")
    assert (changed.version, changed.description, changed.sql, changed.changed_at, changed.changed_by) == (2, "Ours", before.sql, NOW, "m")
    assert models_of(state, "p1")["fct_revenue"] == changed
    assert models_of(state, "p2")["fct_revenue"].version == 1
    _, again = updated(state, before, description=None, sql="select 2", at=NOW, by="m")
    assert (again.version, again.description, again.sql) == (3, "Ours", "select 2")


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(ChangeRefused, match="Give a description"):
        updated(State(), models_of(State(), "p1")["fct_revenue"], description=None, sql=None, at=NOW, by="m")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (model("fct_revenue"), "already"),
        (model("Revenue"), "small letters"),
        (model(""), "small letters"),
        (model("a" * 64), "63 characters"),
        (model("x\n"), "small letters"),
        (model("mine", Column("a", "text"), Column("a", "text")), "same name"),
        (model("mine", Column("A b", "text")), "column's name"),
        (model("mine", Column("a", "text", "", ("fct_revenue.nothing",))), "no column of this project"),
        (model("mine", Column("a", "text", "", ("mine.a",))), "no column of this project"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(new: Model, words: str) -> None:
    with pytest.raises(ChangeRefused, match=words):
        created(State(), new)


def test_a_project_holds_a_bounded_number_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_MODELS", 6)
    state = created(State(), model("sixth"))
    with pytest.raises(ChangeRefused, match="holds 6 models"):
        created(state, model("seventh"))


def test_lineage_follows_one_column_both_ways_through_every_step() -> None:
    models = models_of(State(), "p1")
    found = lineage(models.values(), models["stg_orders"], "amount")
    assert found.upstream == (Edge("raw_orders", "amount_cents", "stg_orders", "amount"),)
    assert set(found.downstream) == {
        Edge("stg_orders", "amount", "dim_customers", "lifetime_value"),
        Edge("stg_orders", "amount", "fct_revenue", "revenue"),
    }
    assert {edge.from_model for edge in lineage(models.values(), models["fct_revenue"], None).upstream} == {"stg_orders", "raw_orders", "raw_refunds"}
