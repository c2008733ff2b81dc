"""People as a directory provisions them (RFC 7644): found, listed, added, changed, deactivated; members are the truth, a table keeps the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from application import emails
from application.identity_ports import DirectoryUser, IdentityTools
from application.lookups import account_of, as_uuid
from application.manage_members import PASSWORD, new_member
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.scim_profiles import Profile, profile_from
from application.services import Origin, Services
from domain.auth_provider import provider_of, require_included
from domain.base import Personal, Sealed
from domain.errors import AlreadyExists, NotAllowed, NotFound
from domain.member import Member

REASON = "by the directory"
_NOBODY = "There is no such user."
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class User:
    """One person. `created_at` and `changed_at` are the directory's row's, or the member's where it has never named them."""

    member_id: str
    profile: Profile
    active: bool
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Directory:
    """An account's directory at work: what all of its requests share."""

    services: Services
    tools: IdentityTools
    account_id: str
    origin: Origin

    # ---- reading

    def user(self, member_id: str) -> User:
        """One person; `NotFound` for whom the directory has deleted, too."""
        tables = self.services.store.tables()
        stream_id = as_uuid(member_id)
        member = self.services.store.load(Member, stream_id) if stream_id else None
        row = tables.directory_user(self.account_id, str(stream_id)) if member is not None else None
        if member is None or member.account_id != self.account_id or member.erased or (row is not None and row.deleted):
            raise NotFound(_NOBODY)
        return self._user(member, row)

    def named(self, user_name: str) -> list[User]:
        """Whoever has this userName: as the directory gave it, or the e-mail address of someone whom it has never named."""
        tables = self.services.store.tables()
        row = tables.directory_user_named(self.account_id, self._key("name", user_name.casefold()))
        if row is not None:
            return self._present([row.member_id])
        login = tables.login(self.account_id, PASSWORD, "", self.services.login_key(self.account_id, emails.looked_up(user_name)))
        if login is None or tables.directory_user(self.account_id, login[0]) is not None:
            return []
        return self._present([login[0]])

    def with_external_id(self, external_id: str) -> list[User]:
        rows = self.services.store.tables().directory_users_with(self.account_id, self._key("external", external_id))
        return self._present([row.member_id for row in rows])

    def with_email(self, email: str) -> list[User]:
        login = self.services.store.tables().login(self.account_id, PASSWORD, "", self.services.login_key(self.account_id, emails.looked_up(email)))
        return self._present([login[0]]) if login else []

    def page(self, offset: int, limit: int) -> tuple[int, list[User]]:
        """How many there are, and those from `offset` on."""
        tables = self.services.store.tables()
        total = tables.count_directory(self.account_id)
        rows = tables.directory_page(self.account_id, offset, limit) if limit else []
        members = self.services.store.load_many([(Member, UUID(member_id)) for member_id, _ in rows])
        return total, [self._user(member, row) for (_, row), member in zip(rows, members, strict=True) if member is not None]

    # ---- writing

    def add(self, profile: Profile, *, active: bool) -> User:
        """A new member with the account's default role; someone whom the directory had deleted comes back. `AlreadyExists` otherwise."""
        self._require_plan()
        gone = self._deleted(profile)
        if gone is not None:
            return self.replace(gone, profile, active=active, revive=True)
        member_id = self.services.new_id()

        def attempt() -> None:
            account = account_of(self.services, self.account_id)
            require_included(account)
            context = self.services.context(self.account_id, self.origin)
            role, name = provider_of(account).default_role, profile.shown_name[:_LONGEST_NAME]
            member = new_member(member_id, context, role=role, projects="*", name=name, email=profile.email, by="scim")
            if not active:
                member.deactivate(context, REASON)
            self.services.store.append([member], [account], also=with_login)

        def with_login(tables: Tables) -> None:
            key = self.services.login_key(self.account_id, profile.email)
            tables.add_login(self.account_id, PASSWORD, "", key, str(member_id), None)
            self._put(tables, str(member_id), profile, None)

        until_settled(attempt)
        self._put(self.services.store.tables(), str(member_id), profile, self._sealed(str(member_id), profile))
        return self.user(str(member_id))

    def replace(self, member_id: str, profile: Profile, *, active: bool | None, revive: bool = False) -> User:
        """The person as the directory wants them; what changed is one event each. Deactivating ends everything of theirs at once."""
        self._require_plan()
        found = as_uuid(member_id)

        def attempt() -> Recorded | None:
            before = None if revive else self.user(member_id)
            member = self.services.store.load(Member, found) if found else None
            if member is None or member.erased or member.account_id != self.account_id:
                raise NotFound(_NOBODY)
            return self._change(member.copy(), before, profile, active=active)

        until_settled(attempt)
        return self.user(member_id)

    def delete(self, member_id: str) -> None:
        """Deactivated at once, and gone for the directory (RFC 7644 3.6); the member stays in the account's history."""
        self._require_plan()
        user = self.user(member_id)
        key, now = self._key("name", user.profile.user_name.casefold()), self.services.clock()

        def forget(tables: Tables) -> None:
            tables.delete_directory_user(self.account_id, user.member_id, key, now)
            tables.remove_browser_sessions_of(self.account_id, user.member_id)

        def attempt() -> None:
            member = self._present_member(user.member_id)
            self._deactivate(member)
            if member.pending_events:
                self.services.store.append_ending([member], also=forget)
            else:
                forget(self.services.store.tables())

        until_settled(attempt)

    # ---- parts

    def _change(self, member: Member, before: User | None, profile: Profile, *, active: bool | None) -> Recorded | None:
        context, member_id = self.services.context(self.account_id, self.origin), str(member.id)
        name, email = profile.shown_name[:_LONGEST_NAME], profile.email
        if self._opened(member) != (name, email):
            member.change_profile(Personal(member_id, name), Personal(member_id, email), context)
        if active is True:
            member.reactivate(context, REASON)
        elif active is False:
            self._deactivate(member)
        unchanged = before is not None and before.profile == profile
        sealed, key = self._sealed(member_id, profile), self.services.login_key(self.account_id, email)

        def write(tables: Tables) -> None:
            tables.move_login(self.account_id, member_id, key)
            self._put(tables, member_id, profile, sealed)
            if not member.active:
                tables.remove_browser_sessions_of(self.account_id, member_id)

        if not member.pending_events:
            if not unchanged:
                write(self.services.store.tables())
            return None
        append: Callable[..., Recorded] = self.services.store.append_ending if not member.active else self.services.store.append
        return append([member], also=write)

    def _deactivate(self, member: Member) -> None:
        """A break-glass admin is there for when the directory fails: only another admin deactivates them."""
        if member.active and str(member.id) in provider_of(account_of(self.services, self.account_id)).break_glass:
            raise NotAllowed("This person is a break-glass admin of the account; only an account admin may deactivate them.")
        member.deactivate(self.services.context(self.account_id, self.origin), REASON)

    def _put(self, tables: Tables, member_id: str, profile: Profile, sealed: Sealed | None) -> None:
        """The directory's own attributes. They are sealed beforehand: a key must be durable before anything uses it."""
        tables.put_directory_user(
            self.account_id,
            member_id,
            user_name_key=self._key("name", profile.user_name.casefold()),
            external_id_key=self._key("external", profile.external_id) if profile.external_id else None,
            profile=asdict(sealed) if sealed else {},
            now=self.services.clock(),
        )

    def _sealed(self, member_id: str, profile: Profile) -> Sealed:
        return self.tools.seal(Personal(member_id, json.dumps(profile.as_attributes())), _event_id(member_id), self.services.clock())

    def _deleted(self, profile: Profile) -> str | None:
        """Whom the directory has deleted, by the address that still is theirs; `AlreadyExists` if someone present has the name or address."""
        tables = self.services.store.tables()
        if self.named(profile.user_name):
            raise AlreadyExists("There is a user with this userName already.", field="userName")
        login = tables.login(self.account_id, PASSWORD, "", self.services.login_key(self.account_id, profile.email))
        if login is None:
            return None
        row = tables.directory_user(self.account_id, login[0])
        if row is None or not row.deleted:
            raise AlreadyExists("There is a user with this e-mail address already.", field="emails")
        return login[0]

    def _present(self, member_ids: list[str]) -> list[User]:
        found = []
        for member_id in member_ids:
            try:
                found.append(self.user(member_id))
            except NotFound:
                continue
        return found

    def _present_member(self, member_id: str) -> Member:
        member = self.services.store.load(Member, UUID(member_id))
        if member is None or member.erased:
            raise NotFound(_NOBODY)
        return member.copy()

    def _user(self, member: Member, row: DirectoryUser | None) -> User:
        profile = self._kept(row)
        if profile is None:
            name, email = self._opened(member)
            entry = ({"value": email, "primary": True},) if email else ()
            profile = Profile(user_name=email or str(member.id), display_name=name, name={"formatted": name} if name else {}, emails=entry)
        created, changed = (row.created_at, row.changed_at) if row else (member.created_on, member.modified_on)
        return User(str(member.id), profile, member.active, min(created, member.created_on), max(changed, member.modified_on))

    def _kept(self, row: DirectoryUser | None) -> Profile | None:
        if row is None or not row.profile:
            return None
        text = self.tools.open(Sealed(**row.profile), _event_id(row.member_id))
        return profile_from(json.loads(text)) if text else None

    def _opened(self, member: Member) -> tuple[str | None, str | None]:
        event_id = f"{member.id}:{member.profile_version}"
        return self.tools.open(member.name, event_id), self.tools.open(member.email, event_id)

    def _key(self, what: str, text: str) -> bytes:
        return self.services.login_key(self.account_id, f"scim-{what}:{text}")

    def _require_plan(self) -> None:
        require_included(account_of(self.services, self.account_id))


def _event_id(member_id: str) -> str:
    return f"scim:{member_id}"
