"""What a person holds and where, in words; and how that differs from what the role stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from domain.account import Account
from domain.extent import Extent
from domain.roles import PERMISSIONS, ROLES
from domain.scopes import per_project
from projections.members.queries import Held
from web.pages.formatting import counted, listed, number, sentence
from web.pages.members_models import PermissionLine

NOWHERE: Final = Held(everywhere=False, projects=(), excluded=())
EVERYWHERE: Final = Held(everywhere=True, projects=(), excluded=())
_WITHOUT_SCOPE: Final = {"audit.read": "Read the audit log and these settings"}
_NAMED: Final = 3
_NONE: Final = Extent()

Holdings = Mapping[str, Held]
Names = Mapping[str, str]


def held_of(extent: Extent) -> Held:
    """The same as the views tell it."""
    return Held(extent.all_since is not None, tuple(sorted(extent.named)), tuple(sorted(extent.excluded)))


def where(held: Held, projects: Names) -> str:
    """`all projects`, `all projects but Finance`, `Sales and Marketing`, `4 of 6 projects`, `no project`"""
    if held.everywhere:
        excluded = [name for id_, name in projects.items() if id_ in held.excluded]
        return f"all projects but {_some(excluded, projects)}" if excluded else "all projects"
    return _some([name for id_, name in projects.items() if id_ in held.projects], projects)


def _some(names: list[str], projects: Names) -> str:
    if not names:
        return "no project"
    return listed(names) if len(names) <= _NAMED else f"{number(len(names))} of {counted(len(projects), 'project')}"


def _usual(role: str, permissions: Holdings) -> Held | None:
    """Where most of what the role stands for is held; None where it holds nothing that is held per project."""
    held = Counter(permissions[name] for name in ROLES.get(role, ()) if per_project(name) and permissions.get(name))
    return held.most_common(1)[0][0] if held else None


def role_where(role: str, permissions: Holdings, projects: Names) -> str:
    """Where the role holds; empty where that is everywhere, or nowhere in particular."""
    usual = _usual(role, permissions)
    words = where(usual, projects) if usual else ""
    return "" if words == "all projects" else words


def beyond(role: str, permissions: Holdings, projects: Names) -> tuple[str, ...]:
    """What is held beside the role, or in more projects than the rest of it: `jobs.run in Sales`."""
    return _differing(role, permissions, projects, lambda held, usual: (held, usual))


def less(role: str, permissions: Holdings, projects: Names) -> tuple[str, ...]:
    """What the role stands for and was taken away, everywhere or in some projects."""
    return _differing(role, permissions, projects, lambda held, usual: (usual, held))


def _differing(role: str, permissions: Holdings, projects: Names, order: Callable[[Held, Held], tuple[Held, Held]]) -> tuple[str, ...]:
    usual, found = _usual(role, permissions) or EVERYWHERE, []
    for name in PERMISSIONS:
        expected = (usual if per_project(name) else EVERYWHERE) if name in ROLES.get(role, ()) else NOWHERE
        one, other = order(permissions.get(name, NOWHERE), expected)
        if per_project(name) and one and not other:
            found.append(f"{name} in {where(one, projects)}" if name not in ROLES.get(role, ()) else name)
        elif words := _more(name, one, other, projects):
            found.append(words)
    return tuple(found)


def lines(role: str, permissions: Holdings, account: Account) -> tuple[PermissionLine, ...]:
    """Every permission there is, those held first."""
    found = [line(name, role, permissions.get(name, NOWHERE), account) for name in PERMISSIONS]
    return tuple(sorted(found, key=lambda one: not one.held))


def line(name: str, role: str, held: Held, account: Account) -> PermissionLine:
    scopes = [scope for scope in account.scopes.values() if scope.permission == name]
    usual = name in ROLES.get(role, ())
    places = sentence(where(held, account.projects)) if per_project(name) else "The whole account"
    source = ("From the role" if usual else "Beside the role") if held else ("Taken away" if usual else "")
    title = scopes[0].title if scopes else _WITHOUT_SCOPE.get(name, name)
    return PermissionLine(
        name=name, title=title, scopes=tuple(scope.code for scope in scopes), where=places if held else "", source=source, held=bool(held)
    )


def changes(before: Mapping[str, Extent], after: Mapping[str, Extent], projects: Names) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is lost and what is gained between the two: `jobs.run in Sales`."""
    pairs = [(name, held_of(before.get(name, _NONE)), held_of(after.get(name, _NONE))) for name in PERMISSIONS]
    lost = [words for name, old, new in pairs if (words := _more(name, old, new, projects))]
    gained = [words for name, old, new in pairs if (words := _more(name, new, old, projects))]
    return tuple(lost), tuple(gained)


def _more(name: str, one: Held, other: Held, projects: Names) -> str:
    """What `one` has and `other` has not."""
    if not per_project(name):
        return name if one and not other else ""
    only = [words for id_, words in projects.items() if one.holds(id_) and not other.holds(id_)]
    if one and not other and one.everywhere and not one.excluded:
        return f"{name} everywhere"
    if only:
        return f"{name} in {_some(only, projects)}"
    return f"{name} in later projects" if one.everywhere and not other.everywhere else ""
