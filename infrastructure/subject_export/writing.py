"""Writes the bundle: what stands about one member, in words and as the very events, with their proofs and the keys that open them."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from application.browser_sessions import sessions_of
from application.export_audit import record_export
from application.lookups import account_of, member_of
from application.services import Origin, Services
from domain.base import Sealed
from domain.errors import Refused
from infrastructure.bootstrap import App
from infrastructure.database import cli_dsn, connect
from infrastructure.ledger.bundle import proofs_of
from infrastructure.ledger.sealing import name_of, newest
from infrastructure.ledger.store import Connection, Signed
from infrastructure.store.reader import PositionedEvent
from infrastructure.store.sealing import EventKey
from infrastructure.subject_export.reading import MOST, events_about
from infrastructure.subject_export.signing import FORMAT, signature_note
from projections.consents.queries import list_consents
from projections.sessions.queries import list_sessions

_IDLE = timedelta(days=3650)
_HIDDEN = ("salt", "originator_id", "originator_version")
_READ_ME = """All that is kept about one person in a Grantbook account.

person.json     who they are, what they may do, how they sign in, open sign-ins with address and device
consents.json   what they allowed which app, with the text that was shown
sessions.json   each session of an app
events.json     every event about them: what they said and did, from where, and what was done about them. Values about somebody else are left out.
                `event_key` opens the sealed values of that one event and no other
proofs/         for each event up to the checkpoint its bytes (.leaf) and its proof (.tlog-proof):
                python verifier.py proof proofs/N.leaf proofs/N.tlog-proof --vkey VKEY
checkpoint      what the log signed
manifest.json   the SHA-256 of every file above; manifest.sig: the signature under it
Check everything:  grantbook member check-export FILE --vkey VKEY

It holds personal data: keep it safe, and delete it when it has been read.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How many events, in how many files."""

    events: int
    files: int


@dataclass
class _Bundle:
    """A zip whose files are remembered for the manifest."""

    zip: zipfile.ZipFile
    sums: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, content: bytes | str) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self.sums[name] = hashlib.sha256(raw).hexdigest()
        self.zip.writestr(name, raw)

    def add_json(self, name: str, value: Any) -> None:
        self.add(name, json.dumps(value, default=_plain, ensure_ascii=False, indent=1, sort_keys=True))


def export_to(app: App, services: Services, account_id: str, member_id: UUID, path: Path, *, origin: Origin, actor_id: str | None = None) -> Written:
    """Write the bundle and record that it was taken; `Refused` for somebody erased, of whom nothing is left to export."""
    member = member_of(services, account_id, member_id)
    if member.erased:
        raise Refused("This person was erased: nothing personal is left. Their past is in the audit log, under their id.")
    with connect(cli_dsn(app.dsn)) as connection, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if path.is_file():  # no pipe, no device
            path.chmod(0o600)
        bundle, signed = _Bundle(archive), newest(app.settings, connection)
        bundle.add("README.txt", _READ_ME)
        bundle.add_json("person.json", _person(services, account_id, member_id))
        bundle.add_json("consents.json", _consents(services, connection, account_id, str(member_id)))
        sessions = list_sessions(connection, account_id, member_id=str(member_id), live_only=False, limit=MOST)
        bundle.add_json("sessions.json", sessions)
        events = [_told(app, event, str(member_id)) for event in events_about(app, connection, account_id, str(member_id))]
        bundle.add_json("events.json", events)
        proven = [event["position"] for event in events if signed is not None and event["position"] <= signed.size]
        if signed is not None:
            _prove(bundle, connection, signed, account_id, proven)
        facts = {"format": FORMAT, "account": account_id, "member": str(member_id), "made_at": services.clock(), "events": len(events)}
        manifest = json.dumps(
            {**facts, "proven": len(proven), "size": signed.size if signed else 0, "files": bundle.sums}, default=_plain, indent=1, sort_keys=True
        ).encode()
        archive.writestr("manifest.json", manifest)
        archive.writestr("manifest.sig", signature_note(name_of(app.settings, connection), app.settings.ledger_key[0], manifest))
    last = max((event["position"] for event in events), default=0)
    record_export(
        services, account_id, format="subject", filter={"member": str(member_id)}, rows=len(events), position=last, origin=origin, actor_id=actor_id
    )  # fmt: skip
    return Written(len(events), len(bundle.sums))


def _person(services: Services, account_id: str, member_id: UUID) -> dict[str, Any]:
    member, tables = member_of(services, account_id, member_id), services.store.tables()
    event_id, projects = f"{member.id}:{member.profile_version}", account_of(services, account_id).projects
    kept = tables.directory_user(account_id, str(member_id))
    return {
        "member_id": str(member.id),
        "name": services.store.opened(member.name, event_id),
        "email": services.store.opened(member.email, event_id),
        "role": member.role,
        "active": member.active,
        "added_at": member.created_on,
        "permissions": {p: {"everywhere": e.holds_all(), "projects": sorted(projects.get(i, i) for i in e.named)} for p, e in member.held.items()},
        "signs_in_with": tables.signing_in(account_id, [str(member_id)]).get(str(member_id)),
        "directory": services.store.opened(Sealed(**kept.profile), f"scim:{member_id}") if kept and kept.profile else None,
        "open_sign_ins": sessions_of(services, account_id, str(member_id), idle=_IDLE, opened=services.store.opened),
    }


def _consents(services: Services, connection: Connection, account_id: str, member_id: str) -> list[dict[str, Any]]:
    tables = services.store.tables()
    rows = list_consents(connection, account_id, member_id=member_id, limit=MOST)
    return [{**asdict(row), "text_shown": tables.consent_text(bytes.fromhex(row.text)) if row.text else None} for row in rows]


def _told(app: App, found: PositionedEvent, member_id: str) -> dict[str, Any]:
    """An event with what is sealed for this person opened; of others' values only that there is one."""
    event, event_id = found.event, f"{found.stream_id}:{found.version}"
    key: EventKey | None = None
    facts: dict[str, Any] = {}
    for name, value in vars(event).items():
        if name in _HIDDEN:
            continue
        if not isinstance(value, Sealed):
            facts[name] = value
        elif value.sub == member_id:
            facts[name] = app.keyring.open(value, event_id)
            key = key or app.keyring.key_of(value, event_id)
        else:
            facts[name] = "(about somebody else)"
    head = {"position": found.position, "at": found.at, "stream": str(found.stream_id), "version": found.version, "topic": found.topic}
    return {**head, "facts": facts, "event_key": base64.b64encode(key.key).decode() if key else None}


def _prove(bundle: _Bundle, connection: Connection, signed: Signed, account_id: str, positions: list[int]) -> None:
    bundle.add("checkpoint", signed.note)
    for position, leaf, proof in proofs_of(connection, signed, positions, account_id):
        bundle.add(f"proofs/{position}.leaf", leaf)
        bundle.add(f"proofs/{position}.tlog-proof", proof)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
