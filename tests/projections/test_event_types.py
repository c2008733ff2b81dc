from __future__ import annotations

import re
from pathlib import Path

from infrastructure.store.registry import topics
from projections.audit_log.event_types import EVENT_TYPES, TYPES
from projections.registry import PROJECTIONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "events.md"

CONTRACT = """
oauth_client.registered oauth_client.updated oauth_client.approved oauth_client.blocked oauth_client.unblocked oauth_client.removed
oauth_client.authorized oauth_client.authorization_approved oauth_client.authorization_denied oauth_consent.withdrawn oauth_consent.narrowed
access_token.issued refresh_token.issued refresh_token.replayed refresh_token.reuse_detected oauth_grant.revoked oauth_grant.expired
login.password.succeeded login.password.failed login.sso.succeeded login.sso.failed auth_provider.changed password.changed
user.added user.removed user.reactivated user.erased permission.added permission.removed project.added project.removed policy.changed plan.changed
scopes.published resource.registered resource.rotated resource.removed authorization_code.replayed audit_log.exported signing_key.rotated
action.performed
"""


def test_every_topic_of_the_domain_is_in_the_audit_log() -> None:
    assert set(TYPES) == set(topics())


def test_the_document_lists_every_topic_with_its_audit_types_in_order() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [(topic, tuple(re.findall(r"`([^`]+)`", types))) for topic, types in rows] == list(TYPES.items())


def test_every_type_of_the_contract_has_an_event() -> None:
    assert set(CONTRACT.split()) <= set(EVENT_TYPES)


def test_projections_want_topics_that_exist() -> None:
    for projection in PROJECTIONS:
        assert projection.topics <= set(topics()), projection.name
