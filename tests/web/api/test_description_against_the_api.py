"""Schemathesis tries the API's own description on the API: whatever it makes up gets a described answer, and never a 500."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup

from tests.support.oauth_world import MCP
from tests.web.api.conftest import Server
from web.api import positions

EXAMPLES = 10
GROUPS = (
    "Account", "Integrations", "Sessions", "Consents", "Members", "Erasure", "Policies", "Scopes", "Resources", "Access", "Questions",
    "Usage", "Audit", "Ledger",
)  # fmt: skip
# Well-formed values may still name what isn't there, or what the state of things forbids.
ACCEPTED = ["2xx", "304", "401", "403", "404", "409", "412", "422", "429", "503"]
# 503 says that the views don't show a position yet.
CONFIG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}, "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503]}}
}


@pytest.fixture(scope="module")
def operations(server: Server) -> list[Any]:
    """All that the description holds, read once."""
    config = SchemathesisConfig.from_dict(CONFIG)
    schema: Any = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", server.world.http.application, config=config)
    return [result.ok() for result in schema.get_all_operations()]


def _authorization(server: Server, path: str) -> str:
    """A resource's credentials, or the token of an admin: a new one where the tries before have removed, blocked or forbidden the last one."""
    if path.endswith("/audit/actions"):
        return f"Basic {base64.b64encode(':'.join(server.world.credentials[MCP]).encode()).decode()}"
    if not server.caller().may_manage:
        server.revive()
    return f"Bearer {server.caller().token}"


def _trial(server: Server, operation: Any, mode: GenerationMode) -> Callable[[], None]:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def trial(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": _authorization(server, operation.path)})

    return trial


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions that will never come are not waited for."""
    monkeypatch.setattr(positions, "PATIENCE", 0.02)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("group", GROUPS)
def test_every_call_gets_a_described_answer(server: Server, operations: list[Any], group: str, mode: GenerationMode) -> None:
    wrong = {}
    for operation in (operation for operation in operations if group in operation.tags):
        try:
            _trial(server, operation, mode)()
        except (Failure, FailureGroup) as failure:
            wrong[operation.label] = _said(failure)
    assert not wrong, "\n".join(f"{label}: {said}" for label, said in wrong.items())


def _said(failure: Any) -> str:
    return " | ".join(str(one) for one in getattr(failure, "exceptions", [failure]))


def test_every_operation_belongs_to_a_group_that_is_tried(operations: list[Any]) -> None:
    tried = sum(group in operation.tags for operation in operations for group in GROUPS)
    assert tried == len(operations) > 40
