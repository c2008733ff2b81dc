"""Where something holds and since when: all projects, or named ones, each with the stream version that began it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Projects = Literal["*"] | tuple[str, ...]
"""`"*"` means all projects, later ones too; otherwise project ids."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The projects in which a permission or consent holds, with the version since which it has held without a break.

    A grant that pinned version v may use what has held since v or earlier, so something lost and given back never revives it.
    """

    all_since: int | None = None
    named: Mapping[str, int] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return self.all_since is None and not self.named

    def since(self, project: str) -> int | None:
        """The version since which it holds in this project, or None."""
        begun = self.named.get(project)
        if begun is not None:
            return begun
        return None if self.all_since is None or project in self.excluded else self.all_since

    def holds(self, project: str, pinned: int | None = None) -> bool:
        """Whether it holds there now, and (where a version is pinned) has held since then."""
        begun = self.since(project)
        return begun is not None and (pinned is None or begun <= pinned)

    def holds_all(self, pinned: int | None = None) -> bool:
        """Whether it holds regardless of project."""
        return self.all_since is not None and (pinned is None or self.all_since <= pinned)

    def adding(self, projects: Projects, version: int) -> Extent:
        """This extent and the given projects, which hold from `version` on where they did not before."""
        if projects == "*":
            named = {**self.named, **{p: version for p in self.excluded if p not in self.named}}
            return Extent(self.all_since if self.all_since is not None else version, named)
        named = dict(self.named)
        for project in projects:
            if self.since(project) is None:
                named[project] = version
        return Extent(self.all_since, named, self.excluded - frozenset(projects))

    def removing(self, projects: Projects) -> Extent:
        """This extent without the given projects."""
        if projects == "*":
            return Extent()
        gone = frozenset(projects)
        named = {p: v for p, v in self.named.items() if p not in gone}
        return Extent(self.all_since, named, self.excluded | gone if self.all_since is not None else frozenset())

    def replaced_by(self, projects: Projects, version: int) -> Extent:
        """Exactly the given projects; what held before keeps its beginning."""
        if projects == "*":
            return self.adding("*", version)
        return Extent(None, {p: _or(self.since(p), version) for p in projects})

    def within(self, candidates: Iterable[str]) -> frozenset[str]:
        """Those of the candidates in which it holds now."""
        return frozenset(p for p in candidates if self.since(p) is not None)

    def describe(self) -> Projects:
        """The projects as an event states them; exclusions are not told here."""
        return "*" if self.all_since is not None else tuple(self.named)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def as_projects(projects: Projects) -> Projects:
    """The same projects, whatever sequence a decoder made of them."""
    return "*" if projects == "*" else tuple(projects)
