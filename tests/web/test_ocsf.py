"""Every entry of the audit log as OCSF 1.8.0: the table of EVIDENCE.md 5, and what each class requires (events/*.json of ocsf-schema)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from projections.audit_log.event_types import EVENT_TYPES
from projections.audit_log.queries import AuditEntry
from web.ocsf import MAPPED, ocsf

BASE = {"activity_id", "category_uid", "class_uid", "type_uid", "severity_id", "time", "metadata"}
REQUIRED = {3001: {"user"}, 3002: {"user", "service"}, 3003: {"user", "privileges"}, 3004: {"entity"}, 3005: {"user", "privileges"},
            6003: {"actor", "api", "src_endpoint"}}  # fmt: skip
ACTIVITIES = {3001: {1, 2, 3, 5, 6, 99}, 3002: {1, 2}, 3003: {1, 99}, 3004: {1, 3, 4, 8, 9, 99}, 3005: {1, 2}, 6003: {1, 2, 3, 99}}
TABLE = {
    "login.password.succeeded": (3002, 1), "login.sso.failed": (3002, 1), "login.ended": (3002, 2), "oauth_client.authorization_approved": (3003, 1),
    "oauth_client.registered": (3004, 1), "oauth_client.updated": (3004, 3), "oauth_client.removed": (3004, 4), "oauth_client.approved": (3004, 8),
    "oauth_client.blocked": (3004, 9), "oauth_grant.revoked": (3005, 2), "user.added": (3001, 1), "user.removed": (3001, 5),
    "user.reactivated": (3001, 2), "user.erased": (3001, 6), "access_token.issued": (6003, 1), "refresh_token.issued": (6003, 3),
}  # fmt: skip
ENTRY = AuditEntry(
    position=12, ordinal=1, account_id="a-1", created_at=datetime(2026, 11, 24, 12, 0, 0, 5000, tzinfo=UTC), event_type="", actor_type="user",
    actor_id="m-1", actor_name="Maya", actor_ip="203.0.113.5", client_id="app_1", client_name="=Editor", client_stream="c-1", grant_id="g-1",
    subject_id="m-2", subject_name="Tom", source="oauth", service="token", event_context={"approved": ["projects:query"]},
)  # fmt: skip
NOBODY: dict[str, object] = {
    "actor_id": None,
    "actor_name": None,
    "actor_ip": None,
    "client_id": None,
    "subject_id": None,
    "grant_id": None,
    "event_context": {},
}


def test_every_event_type_has_its_class() -> None:
    assert set(MAPPED) == set(EVENT_TYPES)
    assert {name: (MAPPED[name].class_uid, MAPPED[name].activity_id) for name in TABLE} == TABLE


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@pytest.mark.parametrize("changes", [{}, NOBODY], ids=["somebody", "nobody"])
def test_an_event_has_what_its_class_requires(event_type: str, changes: dict[str, object]) -> None:
    entry = replace(ENTRY, event_type=event_type, **changes)  # type: ignore[arg-type]
    event = ocsf(entry, origin="auth.example/ledger", leaf_hash="ab" * 32)
    kind = event["class_uid"]
    assert set(event) >= BASE | REQUIRED[kind]
    assert event["type_uid"] == kind * 100 + event["activity_id"]
    assert event["activity_id"] in ACTIVITIES[kind]
    assert event["category_uid"] == kind // 1000
    assert event["severity_id"] in {1, 2, 3, 4, 5}
    assert event["status_id"] in {1, 2}
    assert event["time"] == 1_795_521_600_005
    assert event["metadata"] | {"event_code": ""} == {
        "version": "1.8.0", "product": {"name": "Grantbook", "vendor_name": "Grantbook"}, "uid": "12-1", "tenant_uid": "a-1", "sequence": 12,
        "event_code": "",
    }  # fmt: skip
    assert event["unmapped"] | {"source": ""} == {"origin": "auth.example/ledger", "position": 12, "leaf_hash": "ab" * 32, "source": ""}
    assert ("activity_name" in event) == (event["activity_id"] == 99)
    if kind == 3003:
        assert "group" not in event, "exactly one of privileges and group"
    for who in (event.get("user"), event["actor"].get("user")):
        assert who is None or who["uid"]
    assert event["actor"], "at least one of user and app"
    assert event["src_endpoint"], "at least one of address and service"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_names_and_addresses_are_told_only_where_they_are_asked_for(event_type: str) -> None:
    entry = replace(ENTRY, event_type=event_type)
    plain, personal = (str(ocsf(entry, origin="o", personal=wanted)) for wanted in (False, True))
    for word in ("Maya", "Tom", "203.0.113.5"):
        assert word not in plain
    assert "203.0.113.5" in personal


def test_what_failed_says_so() -> None:
    failed = {name for name in EVENT_TYPES if ocsf(replace(ENTRY, event_type=name), origin="o")["status_id"] == 2}
    assert failed == {
        "login.password.failed", "login.sso.failed", "refresh_token.reuse_detected", "authorization_code.replayed",
        "oauth_client.authorization_denied",
    }  # fmt: skip
    refused = replace(ENTRY, event_type="action.performed", event_context={"operation": "jobs.run", "outcome": "refused"})
    event = ocsf(refused, origin="o")
    assert (event["status_id"], event["api"]["operation"]) == (2, "jobs.run")


def test_that_nothing_is_signed_matters_more_than_a_deposit() -> None:
    facts: list[dict[str, object]] = [{"why": "It was set back."}, {"receipt": "commit 1", "size": 3}, {"months": 3}]
    assert [ocsf(replace(ENTRY, event_type="ledger.changed", event_context=each), origin="o")["severity_id"] for each in facts] == [4, 1, 3]
