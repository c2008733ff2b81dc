from __future__ import annotations

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request

from web.demo.upstream.caller import Caller, Reach, caller_of, reach_of
from web.demo.upstream.projects import Project

SALES, FINANCE = Project("p1", "Sales"), Project("p2", "Finance")
BOTH = Reach((SALES, FINANCE))


def test_a_project_is_found_by_id_or_by_name_in_any_case() -> None:
    assert BOTH.select("p1") == BOTH.select("sales") == BOTH.select(" SALES ") == (SALES,)
    assert BOTH.select(["Finance", "p2", "p1"]) == (FINANCE, SALES)
    assert BOTH.select(None) == (SALES, FINANCE)


def test_an_id_goes_before_a_name_that_reads_like_it() -> None:
    assert Reach((SALES, Project("p3", "p1"))).select("p1") == (SALES,)


def test_a_name_that_two_projects_share_must_be_an_id() -> None:
    with pytest.raises(ToolError, match=r"Sales \(p1\), Sales \(p3\)"):
        Reach((SALES, Project("p3", "Sales"))).select("Sales")


def test_where_one_project_is_needed_the_only_one_is_taken() -> None:
    assert Reach((SALES,)).one(None) == SALES
    with pytest.raises(ToolError, match="Say which project"):
        BOTH.one(None)


def test_reach_is_what_the_assertion_names_and_the_account_has() -> None:
    caller = Caller("m", "c", "g", frozenset(), frozenset({"p2", "p9"}))
    assert reach_of(caller, (SALES, FINANCE)).projects == (FINANCE,)


def test_a_request_without_a_verified_caller_fails() -> None:
    for request in (None, Request({"type": "http"})):
        with pytest.raises(PermissionError):
            caller_of(request)
