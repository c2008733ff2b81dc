"""Whom and what a command is about, as it was typed: by id; what only reads takes a name too, if just one has it. Else: which were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.client import Client
    from domain.grant import Grant
    from domain.member import Member
    from projections.integrations.queries import IntegrationRow
    from projections.members.queries import MemberRow
    from web.cli.store import Cli

_MOST, _TOLD = 10_000, 5
_THEIR_OWN = "an app chooses its name itself, so this takes an id"


def client_named(cli: Cli, ref: str, *, reads: bool = False) -> Client:
    """An app by client id or stream id. `reads`: nothing is decided about it, so a name that one app alone has will do."""
    from application.lookups import client_of
    from domain.errors import NotFound

    try:
        return client_of(cli.services, cli.account_id, ref)
    except NotFound:
        called = _apps_called(cli, ref)
    if reads and len(called) == 1:
        return client_of(cli.services, cli.account_id, called[0].client_id)
    if not called:
        raise NotFound(f"There is no app {ref!r} in this account: `grantbook client list --removed` shows them all with their ids.")
    raise NotFound(f"{_several(len(called), 'app', ref)}{'' if reads else f', and {_THEIR_OWN}'}: {_ids(called)}.")


def member_named(cli: Cli, who: str, *, reads: bool = False) -> UUID:
    """A member by e-mail address, or by id where the login is gone. `reads`: as for an app."""
    from application.lookups import as_uuid
    from application.manage_members import find_member
    from domain.errors import NotFound

    if as_uuid(who):
        return _member_with(cli, who).id
    if "@" in who:
        try:
            return find_member(cli.services, cli.account_id, who)
        except NotFound as error:
            raise NotFound(f"{error.message} {_LISTED} Somebody who was erased is named by id.") from error
    called = _people_called(cli, who)
    if reads and len(called) == 1:
        return UUID(called[0].member_id)
    if not called:
        raise NotFound(f"There is no member {who!r} in this account. {_LISTED}")
    addresses = ", ".join(row.email or row.member_id for row in called[:_TOLD])
    raise NotFound(f"{_several(len(called), 'member', who)}: {addresses}{_more(called)}.")


_LISTED = "`grantbook member list` shows everybody."


def grant_named(cli: Cli, ref: str) -> Grant:
    """A session by its id."""
    from application.lookups import as_uuid, stream_of
    from domain.grant import Grant

    missing = f"There is no session {ref!r} in this account: `grantbook session list --all` shows their ids."
    return stream_of(cli.services, Grant, as_uuid(ref), cli.account_id, missing=missing)


def _member_with(cli: Cli, member_id: str) -> Member:
    from application.lookups import as_uuid, stream_of
    from domain.member import Member

    missing = f"There is no member {member_id} in this account. {_LISTED}"
    return stream_of(cli.services, Member, as_uuid(member_id), cli.account_id, missing=missing)


def _apps_called(cli: Cli, name: str) -> list[IntegrationRow]:
    """The apps of this name; the removed ones only where no other has it."""
    from projections.integrations.queries import list_integrations

    with cli.views() as connection:
        for removed in (False, True):
            rows = list_integrations(connection, cli.account_id, removed=removed, limit=_MOST)
            if found := [row for row in rows if row.name.casefold() == name.strip().casefold()]:
                return found
    return []


def _people_called(cli: Cli, name: str) -> list[MemberRow]:
    from projections.members.queries import find_members

    wanted = name.strip()
    with cli.views() as connection:
        rows = find_members(connection, cli.account_id, text=wanted, limit=_MOST)
    return [row for row in rows if (row.name or "").casefold() == wanted.casefold()]


def _several(count: int, what: str, name: str) -> str:
    return f"{f'One {what} is' if count == 1 else f'{count:,} {what}s are'} called {name!r}"


def _ids(called: Sequence[IntegrationRow]) -> str:
    from web.cli.output import shown

    told = [f"{row.client_id} ({shown(row.redirect_uris[0])})" if row.redirect_uris else row.client_id for row in called[:_TOLD]]
    return ", ".join(told) + _more(called)


def _more(called: Sequence[object]) -> str:
    return f" and {len(called) - _TOLD:,} more" if len(called) > _TOLD else ""
