from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support import asynchronous
from tests.web.demo.upstream.harness import PROJECTS, Upstream
from web.demo.upstream.dataset import SEED, figures
from web.demo.upstream.operations import operations

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


def revenue(names: list[str], start: date, end: date) -> float:
    """The sum over the data set, by itself."""
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    return sum(row.revenue for name in names for day in days for row in figures(SEED, name, day)) / 100


@MODES
def test_the_real_client_lists_exactly_the_tools_that_have_a_scope(upstream: Upstream, mode: str) -> None:
    async def names() -> set[str]:
        async with upstream.client(mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert all(tool.output_schema and tool.description for tool in tools)
            return {tool.name for tool in tools}

    assert asynchronous.run(names) == set(operations())


def test_every_project_argument_of_the_map_is_an_argument_of_its_tool(upstream: Upstream) -> None:
    async def arguments() -> dict[str, set[str]]:
        async with upstream.client() as client:
            return {tool.name: set(tool.input_schema["properties"]) for tool in (await client.list_tools()).tools}

    found = asynchronous.run(arguments)
    for name, operation in operations().items():
        assert (operation.project_argument in found[name]) if operation.project_argument else ("project" not in found[name])


@MODES
def test_total_revenue_of_the_last_30_days_is_the_sum_over_the_data_set(upstream: Upstream, mode: str) -> None:
    answer = upstream.call("query_metrics", {"metric": "revenue", "last_n_days": 30}, mode=mode).data
    start, end = date.fromisoformat(answer["start_date"]), date.fromisoformat(answer["end_date"])
    assert (end - start).days == 29
    assert datetime.now(UTC).date() - end <= timedelta(days=1)
    assert answer["total"] == revenue(list(PROJECTS.values()), start, end)


def test_the_answer_differs_by_the_projects_of_the_assertion(upstream: Upstream) -> None:
    start, end = date(2026, 1, 1), date(2026, 1, 31)
    asked = {"metric": "revenue", "start_date": str(start), "end_date": str(end)}
    sales = upstream.call("query_metrics", asked, signer=upstream.signer.reaching("prj_sales")).data
    everything = upstream.call("query_metrics", asked).data
    assert sales["total"] == revenue(["Sales"], start, end)
    assert [project["name"] for project in sales["projects"]] == ["Sales"]
    assert everything["total"] == revenue(list(PROJECTS.values()), start, end)
    assert everything["total"] > sales["total"]


def test_rows_by_project_and_month_add_up_to_the_total(upstream: Upstream) -> None:
    asked = {"metric": "revenue", "start_date": "2026-01-01", "end_date": "2026-02-28", "group_by": ["month", "project"]}
    answer = upstream.call("query_metrics", asked).data
    assert [row["dimensions"] for row in answer["rows"]][:2] == [
        {"month": "2026-01", "project": "Finance"},
        {"month": "2026-01", "project": "Marketing"},
    ]
    assert len(answer["rows"]) == 6
    assert round(sum(row["value"] for row in answer["rows"]), 2) == answer["total"]
    january = next(row["value"] for row in answer["rows"] if row["dimensions"] == {"month": "2026-01", "project": "Sales"})
    assert january == revenue(["Sales"], date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("query_metrics", {"metric": "revenue", "project": "Finance"}),
        ("query_metrics", {"metric": "revenue", "project": ["Sales", "prj_finance"]}),
        ("list_models", {"project": "prj_finance"}),
        ("get_model", {"name": "fct_revenue", "project": "finance"}),
        ("get_lineage", {"name": "fct_revenue", "project": "prj_finance"}),
        ("update_model", {"name": "fct_revenue", "project": "prj_finance", "description": "mine"}),
        ("create_model", {"name": "mine", "description": "", "sql": "select 1", "project": "Finance"}),
        ("list_jobs", {"project": "Finance"}),
        ("create_job", {"name": "Mine", "commands": ["build"], "project": "Finance"}),
    ],
)
def test_another_project_is_an_error_that_names_the_allowed_ones(upstream: Upstream, tool: str, arguments: dict[str, object]) -> None:
    answer = upstream.call(tool, arguments, signer=upstream.signer.reaching("prj_sales", "prj_marketing"))
    assert answer.is_error
    assert "Sales (prj_sales), Marketing (prj_marketing)" in answer.text


def test_an_unknown_project_and_a_forbidden_one_get_the_same_words(upstream: Upstream) -> None:
    signer = upstream.signer.reaching("prj_sales")
    forbidden, unknown = (upstream.call("list_models", {"project": name}, signer=signer).text for name in ("Finance", "Nowhere"))
    assert forbidden.replace("Finance", "Nowhere") == unknown


def test_without_any_project_the_tools_say_so(upstream: Upstream) -> None:
    for tool, arguments in (("query_metrics", {"metric": "revenue"}), ("list_models", {}), ("list_jobs", {}), ("get_job_run", {"run_id": "run_1"})):
        answer = upstream.call(tool, arguments, signer=upstream.signer.reaching())
        assert answer.is_error
        assert "no project" in answer.text


def test_a_job_of_another_project_is_out_of_reach(upstream: Upstream) -> None:
    job = upstream.call("list_jobs", {"project": "Finance"}).data["jobs"][0]
    signer = upstream.signer.reaching("prj_sales")
    assert upstream.call("run_job", {"job_id": job["job_id"]}, signer=signer).is_error
    assert upstream.call("get_job_run", {"run_id": job["last_run"]["run_id"]}, signer=signer).is_error
    assert upstream.call("get_job_run", {"run_id": job["last_run"]["run_id"]}).data["status"] in {"success", "error", "running"}


@MODES
@pytest.mark.parametrize("tool", sorted(operations()))
def test_a_tool_without_its_scope_in_the_assertion_is_refused(upstream: Upstream, tool: str, mode: str) -> None:
    others = " ".join({operation.scope for operation in operations().values()} - {operations()[tool].scope})
    answer = upstream.call(tool, {}, scope=others, mode=mode)
    assert answer.is_error
    assert f"needs the scope {operations()[tool].scope}" in answer.text


def test_account_tools_tell_who_is_acting_and_which_projects_are_seen(upstream: Upstream) -> None:
    account = upstream.call("get_account", signer=upstream.signer.reaching("prj_sales", "prj_unknown_here")).data
    assert (account["name"], account["member_id"], account["client_id"]) == ("Jaffle Analytics", "member-1", "app_1")
    assert account["projects"] == [{"id": "prj_sales", "name": "Sales"}]
    assert upstream.call("list_projects").data["projects"] == [{"id": id_, "name": name} for id_, name in PROJECTS.items()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "metric: Field required"),
        ({"metric": "profit"}, 'There is no metric "profit"'),
        ({"metric": "revenue", "start_date": "yesterday"}, "start_date:"),
        ({"metric": "revenue", "last_n_days": 0}, "last_n_days:"),
        ({"metric": "revenue", "last_n_days": 7, "start_date": "2026-01-01"}, "either last_n_days or dates"),
        ({"metric": "revenue", "start_date": "2026-02-01", "end_date": "2026-01-01"}, "ends before it begins"),
        ({"metric": "revenue", "start_date": "9999-01-01"}, "ends before it begins"),
        ({"metric": "revenue", "end_date": "0001-01-01"}, "There is data from 2024-01-01"),
        ({"metric": "revenue", "group_by": ["planet"]}, "group_by"),
        ({"metric": "revenue", "project": []}, "at least one project"),
        ({"metric": "revenue", "last_n_days": 1000, "group_by": ["day", "region", "channel"]}, "2000 are the most"),
    ],
)
def test_a_wrong_question_gets_a_clear_error(upstream: Upstream, arguments: dict[str, object], words: str) -> None:
    answer = upstream.call("query_metrics", arguments)
    assert answer.is_error
    assert words in answer.text
    assert "pydantic" not in answer.text
