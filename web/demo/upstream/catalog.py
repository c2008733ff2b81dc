"""A project's models as they stand, changes to them, and which column comes from which."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from web.demo.upstream.delivered import delivered_models
from web.demo.upstream.state import Column, Model, State

MAX_MODELS = 200
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ChangeRefused(Exception):
    """A change can't be made; the message is for the caller."""


def models_of(state: State, project_id: str) -> dict[str, Model]:
    """The models of one project by name, as delivered, changed or created."""
    found = {model.name: model for model in delivered_models(project_id)}
    found.update({model.name: model for model in state.models.values() if model.project_id == project_id})
    return found


def created(state: State, model: Model) -> State:
    """The state with a new model, if its name is free and its columns come from columns that exist."""
    models = models_of(state, model.project_id)
    if not _NAME.fullmatch(model.name):
        raise ChangeRefused("A model's name has small letters, digits and _, begins with a letter and has at most 63 characters.")
    if model.name in models:
        raise ChangeRefused(f'The project has a model "{model.name}" already: change it with update_model.')
    if len(models) >= MAX_MODELS:
        raise ChangeRefused(f"A project of the demo holds {MAX_MODELS} models.")
    _check_columns(model, models)
    return _keep(state, model)


def updated(state: State, model: Model, *, description: str | None, sql: str | None, at: datetime, by: str) -> tuple[State, Model]:
    """The state with a model's next version."""
    if description is None and sql is None:
        raise ChangeRefused("Give a description, sql or both to change.")
    current = models_of(state, model.project_id)[model.name]
    changed = msgspec.structs.replace(
        current,
        description=current.description if description is None else description,
        sql=current.sql if sql is None else sql,
        version=current.version + 1,
        changed_at=at,
        changed_by=by,
    )
    return _keep(state, changed), changed


@dataclass(frozen=True, slots=True)
class Edge:
    """One column that is computed from another."""

    from_model: str
    from_column: str
    to_model: str
    to_column: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where columns come from, and what is computed from them, through any number of steps."""

    upstream: tuple[Edge, ...]
    downstream: tuple[Edge, ...]


def lineage(models: Iterable[Model], model: Model, column: str | None) -> Lineage:
    """The lineage of one column, or of all columns of a model."""
    edges = [edge for each in models for edge in _edges(each)]
    start = {(model.name, each.name) for each in model.columns if column in (None, each.name)}
    upstream = _walk(edges, start, lambda edge: (edge.to_model, edge.to_column), lambda edge: (edge.from_model, edge.from_column))
    downstream = _walk(edges, start, lambda edge: (edge.from_model, edge.from_column), lambda edge: (edge.to_model, edge.to_column))
    return Lineage(upstream, downstream)


Point = tuple[str, str]


def _walk(edges: list[Edge], start: set[Point], near: Callable[[Edge], Point], far: Callable[[Edge], Point]) -> tuple[Edge, ...]:
    found: dict[Edge, None] = {}
    seen, front = set(start), set(start)
    while front:
        step = [edge for edge in edges if near(edge) in front]
        found.update(dict.fromkeys(step))
        front = {far(edge) for edge in step} - seen
        seen |= front
    return tuple(found)


def _edges(model: Model) -> Iterable[Edge]:
    for column in model.columns:
        for source in column.derived_from:
            from_model, _, from_column = source.partition(".")
            yield Edge(from_model, from_column, model.name, column.name)


def _check_columns(model: Model, models: dict[str, Model]) -> None:
    names = [column.name for column in model.columns]
    if len(set(names)) != len(names):
        raise ChangeRefused("Two columns have the same name.")
    known = {f"{each.name}.{column.name}" for each in models.values() for column in each.columns}
    for column in model.columns:
        _check_column(column, known)


def _check_column(column: Column, known: set[str]) -> None:
    if not _NAME.fullmatch(column.name):
        raise ChangeRefused("A column's name has small letters, digits and _, begins with a letter and has at most 63 characters.")
    for source in column.derived_from:
        if source not in known:
            raise ChangeRefused(f'"{source[:130]}" is no column of this project: name sources as model.column.')


def _keep(state: State, model: Model) -> State:
    return msgspec.structs.replace(state, models={**state.models, f"{model.project_id}/{model.name}": model})
