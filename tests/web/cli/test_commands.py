from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from infrastructure.past.answers import Answer, Line
from infrastructure.past.questions import QUESTIONS
from projections.registry import BY_NAME
from tests.web.cli.conftest import Grantbook
from web.cli import ask
from web.cli.output import Output
from web.cli.root import cli


def _commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        inner = {name: group.get_command(context, name) for name in group.list_commands(context)}
        return [found for name, command in inner.items() if command for found in _commands(command, (*path, name))]
    return [(path, group)]


ALL = _commands(cli)


def test_every_command_of_the_contract_is_there() -> None:
    wanted = """
        demo; serve; projector; init; migrate; account list; account plan set; member add; member list; member deactivate; member reactivate;
        member permit; member forbid; project add; project list; project rename; project remove; client add; client list; client show;
        client approve; client block; client unblock; client remove; resource add; resource list; resource update; resource rotate;
        resource remove; policy show; policy set; policy what-if; session list; session show; session revoke; keys list; keys rotate; audit list;
        audit export; access as-of; access difference; replay; ledger checkpoint; ledger prove; ledger export; ledger verify;
        projections status; projections rebuild; projections verify; events show; events tail"""
    assert {tuple(line.split()) for line in wanted.split(";")} <= {path for path, _ in ALL}


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_has_help_and_those_that_print_data_have_json(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help, path
    options = {o for parameter in command.params for o in parameter.opts}
    if path == ("ledger", "verifier"):  # writes a file that is the same everywhere
        return
    if path not in {("demo",), ("serve",), ("projector",)}:
        assert "--json" in options
    assert path in {("member", "check-export"), ("audit", "check")} or "--data-dir" in options  # which is done where there is no store


def test_help_is_printed_without_a_store(grantbook: Grantbook) -> None:
    done = grantbook.run("member", "add", "--help")
    assert done.returncode == 0
    assert "--password-stdin" in done.stdout


def test_an_unknown_command_or_option_is_a_usage_error(grantbook: Grantbook) -> None:
    assert "No such command" in grantbook.refused("fly", code=2)
    assert "No such option" in grantbook.refused("member", "list", "--fly", code=2)


def test_a_second_account_is_refused(grantbook: Grantbook) -> None:
    assert "has its account already" in grantbook.refused("init", "--account", "other", "--name", "O", "--admin-email", "a@b.example")
    assert [row["slug"] for row in grantbook("account", "list")] == ["acme"]


def test_the_account_can_be_named_and_a_wrong_name_lists_those_there_are(grantbook: Grantbook) -> None:
    assert grantbook("project", "list", "--account", "acme") == grantbook("project", "list")
    assert "Accounts: acme" in grantbook.refused("project", "list", "--account", "nope")


def test_the_plan_is_set(grantbook: Grantbook) -> None:
    assert grantbook("account", "plan", "set", "enterprise+")["changed"]
    assert not grantbook("account", "plan", "set", "enterprise+")["changed"]
    assert grantbook("account", "plan", "show") == {"plan": "enterprise+", "apps": True}
    assert "enterprise" in grantbook.refused("account", "plan", "set", "golden", code=2)
    try:
        assert "The plan is starter, which includes no apps; no session was active." in grantbook.run("account", "plan", "set", "starter").stdout
    finally:
        grantbook("account", "plan", "set", "enterprise+")


def test_members_come_and_go(grantbook: Grantbook) -> None:
    grantbook("project", "add", "Sales")
    added = grantbook(
        "member", "add", "--email", "Pat@acme.example", "--name", "Pat", "--role", "Job Operator", "--project", "Sales", "--password-stdin",
        stdin="correct horse battery\n",
    )  # fmt: skip
    assert "password" not in added
    made = grantbook("member", "add", "--email", "sam@acme.example", "--name", "Sam Groß", "--role", "Account Viewer")
    assert len(made["password"]) >= 20
    listed = {row["email"]: row for row in grantbook("member", "list")}
    assert set(listed) == {"admin@acme.example", "pat@acme.example", "sam@acme.example"}
    assert listed["pat@acme.example"]["permissions"]["jobs.run"] == ["Sales"]
    assert grantbook("member", "forbid", "pat@acme.example", "jobs.run")["changed"]
    assert grantbook("member", "permit", "pat@acme.example", "jobs.run", "--project", "Sales")["changed"]
    assert grantbook("member", "deactivate", "PAT@acme.example", "--reason", "left")["changed"]
    assert not {row["email"]: row for row in grantbook("member", "list")}["pat@acme.example"]["active"]
    assert grantbook("member", "reactivate", "pat@acme.example")["changed"]
    assert "already" in grantbook.refused("member", "add", "--email", "sam@acme.example", "--name", "S", "--role", "Member")
    assert "Account Viewer" in grantbook.refused("member", "add", "--email", "x@acme.example", "--name", "S", "--role", "Boss", code=2)
    for who in ("nobody@acme.example", "Nobody", "00000000-0000-0000-0000-000000000000"):
        told = grantbook.refused("member", "deactivate", who)
        assert "no member" in told
        assert "`grantbook member list`" in told
    assert "One member is called 'SAM GROß': sam@acme.example." in grantbook.refused("member", "deactivate", "SAM GROß")
    assert grantbook("member", "deactivate", listed["sam@acme.example"]["member_id"])["changed"]
    assert grantbook("member", "password", listed["pat@acme.example"]["member_id"])["password"]
    of_sam = grantbook("audit", "list", "--user", "sam groß")
    assert of_sam == grantbook("audit", "list", "--user", "sam@acme.example") != []


def test_an_empty_standard_input_is_no_password(grantbook: Grantbook) -> None:
    assert "holds no password" in grantbook.refused(
        "member", "add", "--email", "x@acme.example", "--name", "X", "--role", "Member", "--password-stdin", code=2
    )


def test_projects_are_named_by_id_or_name(grantbook: Grantbook) -> None:
    made = grantbook("project", "add", "Ops")
    assert grantbook("project", "rename", "Ops", "Operations")["changed"]
    assert {"id": made["id"], "name": "Operations"} in grantbook("project", "list")
    assert grantbook("project", "remove", made["id"])["changed"]
    assert "no project" in grantbook.refused("project", "remove", "Operations")


def test_an_app_is_added_decided_about_and_removed(grantbook: Grantbook) -> None:
    done = grantbook.run(
        "client", "add", "--name", "Tool", "--redirect-uri", "https://tool.example/cb", "--scope", "account:read", "--reason", "nightly"
    )
    client_id = done.stdout.strip()
    assert client_id.startswith("app_")
    shown = grantbook("client", "show", client_id)
    assert (shown["status"], shown["reason"]) == ("active", "nightly")
    assert grantbook("client", "block", client_id, "--reason", "test")["changed"]
    assert not grantbook("client", "block", client_id)["changed"]
    assert "blocked" in grantbook.refused("client", "approve", client_id)
    assert grantbook("client", "unblock", client_id)["changed"]
    assert [row["client_id"] for row in grantbook("client", "list")] == [client_id]
    assert grantbook("client", "remove", client_id)["changed"]
    assert grantbook("client", "list") == []
    assert "register again" in grantbook.refused("client", "remove", client_id)
    assert grantbook.refused("client", "add", "--name", "T", "--redirect-uri", "javascript:alert(1)", "--scope", "account:read", code=2)


def test_a_resource_prints_its_secret_once(grantbook: Grantbook) -> None:
    operations = grantbook.folder / "operations.json"
    operations.write_text('{"tools": {"query": {"scope": "projects:query", "project_argument": "project"}}}')
    try:
        made = grantbook(
            "resource", "add", "--identifier", "https://api.acme.example", "--scope", "projects:query", "--upstream", "http://127.0.0.1:9/mcp",
            "--operations", str(operations),
        )  # fmt: skip
    finally:
        operations.unlink()
    assert set(made) == {"id", "secret", "identifier", "scopes"}
    listed = grantbook("resource", "list")
    assert made["secret"] not in json.dumps(listed)
    assert grantbook("resource", "rotate", made["id"])["secret"] != made["secret"]
    assert grantbook("resource", "update", "https://api.acme.example", "--scope", "projects:query jobs:run", "--upstream", "")["changed"]
    assert not grantbook("resource", "update", made["id"], "--upstream", "")["changed"]
    changed = next(row for row in grantbook("resource", "list") if row["id"] == made["id"])
    assert (changed["scopes"], changed["upstream"]) == (["projects:query", "jobs:run"], None)
    assert "Name at least one" in grantbook.refused("resource", "update", made["id"], code=2)
    assert "Name at least one" in grantbook.refused("resource", "update", made["id"], "--scope", "", code=2)
    told = grantbook.refused("resource", "add", "--identifier", "https://api.acme.example", "--scope", "jobs:run")
    assert "`grantbook resource update https://api.acme.example" in told
    assert grantbook("resource", "remove", "https://api.acme.example")["sessions_ended"] == 0
    assert "can't be read" in grantbook.refused(
        "resource", "add", "--identifier", "https://x.example", "--scope", "account:read", "--operations", "/nowhere.json", code=2
    )


def test_policies_are_set_as_text_and_shown_as_the_same_keys(grantbook: Grantbook) -> None:
    done = grantbook("policy", "set", "registration=approval", "access_token_ttl=10m", "idle_window=7d", "refresh_grace=30s", "code_ttl=1s")
    assert done["changed"]
    shown = grantbook("policy", "show")
    assert (shown["registration"], shown["access_token_ttl"], shown["idle_window"], shown["code_ttl"]) == ("approval", 600, 604800, 1)
    tried = grantbook("policy", "what-if", "registration=off")
    assert (tried["apps"], tried["refused"]) == (0, [])
    assert grantbook("policy", "show")["registration"] == "approval"
    assert "no setting of the registration policy" in grantbook.refused("policy", "what-if", "idle_window=1d", code=2)
    unwise = grantbook.run("policy", "set", "access_token_ttl=5s")
    assert unwise.returncode == 0
    assert "Warning" in unwise.stderr
    for wrong in ("refresh_grace=soon", "colour=red", "nonsense"):
        assert grantbook.refused("policy", "set", wrong, code=2)


def test_keys_are_rotated_and_never_shown(grantbook: Grantbook) -> None:
    made = grantbook("keys", "rotate")
    listed = {row["kid"]: row for row in grantbook("keys", "list")}
    assert listed[made["kid"]]["status"] == "published"
    assert not any("private" in name for row in listed.values() for name in row)


def test_the_audit_log_is_listed_filtered_and_exported_and_the_export_recorded(grantbook: Grantbook, tmp_path: Path) -> None:
    entries = grantbook("audit", "list", "--event-type", "user.added", "--since", "1h")
    assert entries
    assert {e["event_type"] for e in entries} == {"user.added"}
    wanted = {"id", "account_id", "created_at", "actor_type", "actor_ip", "client_id", "grant_id", "service", "event_context", "position"}
    assert wanted <= set(entries[0])
    assert grantbook("audit", "list", "--until", "2020-01-01") == []
    assert [len(grantbook("audit", "list", "--limit", str(limit))) for limit in range(1, 9)] == list(range(1, 9))
    target = tmp_path / "audit.csv"
    done = grantbook("audit", "export", "--format", "csv", "-o", str(target))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert len(rows) == done["rows"] > 0
    assert target.stat().st_mode & 0o077 == 0
    streamed = grantbook.run("audit", "export", "--format", "jsonl", "--user", "admin@acme.example")
    assert all(json.loads(line)["id"] for line in streamed.stdout.splitlines())
    exported = grantbook("audit", "list", "--event-type", "audit_log.exported")
    assert len(exported) == 2
    assert "admin@acme.example" not in json.dumps(exported)
    assert grantbook.refused("audit", "export", "-o", "/nowhere/x.csv")
    assert grantbook.refused("audit", "list", "--since", "yesterday", code=2)
    assert "no event type 'user.adde'. Types: access_token.issued" in grantbook.refused("audit", "export", "--event-type", "user.adde", code=2)
    for option in ("--user", "--client"):
        assert f"'{option}': nothing stands behind it" in grantbook.refused("audit", "export", option, "", code=2)
    late, early = ("--since", "2026-11-24"), ("--until", "2026-11-23")
    for command in ("list", "export"):
        told = grantbook.refused("audit", command, *late, *early, code=2)
        assert "--until (2026-11-23 00:00 UTC) comes before --since (2026-11-24 00:00 UTC)" in told
    assert "comes before --from-position 5" in grantbook.refused("audit", "export", "--from-position", "5", "--to-position", "4", code=2)
    assert len(grantbook("audit", "list", "--event-type", "audit_log.exported")) == 2, "nothing more was exported"


def test_the_record_and_the_views_check_out(grantbook: Grantbook) -> None:
    assert grantbook("ledger", "verify")["findings"] == []
    assert grantbook("projections", "verify") == {"differences": []}
    assert {row["name"] for row in grantbook("projections", "rebuild")} == set(BY_NAME)
    assert {row["state"] for row in grantbook("projections", "status")} == {"live"}
    assert "Projections:" in grantbook.refused("projections", "rebuild", "nope", code=2)


def test_a_stream_is_shown_decoded_and_opened(grantbook: Grantbook) -> None:
    shown = grantbook("events", "show", "admin@acme.example")
    assert shown[0]["topic"] == "member.added"
    assert shown[0]["email"] == "admin@acme.example"
    assert grantbook("events", "show", "account")[0]["topic"] == "account.opened"
    tail = grantbook.run("events", "tail", "-n", "1000", "--json")
    assert (positions := [json.loads(line)["position"] for line in tail.stdout.splitlines()]) == list(range(1, len(positions) + 1))
    assert grantbook.refused("events", "show", "nonsense")


def test_sessions_are_listed_and_an_unknown_one_is_refused(grantbook: Grantbook) -> None:
    assert grantbook("session", "list", "--all") == []
    for command, which in (("show", "nonsense"), ("revoke", "00000000-0000-0000-0000-000000000000")):
        told = grantbook.refused("session", command, which)
        assert f"no session '{which}'" in told
        assert "`grantbook session list --all`" in told


def test_the_schema_is_up_to_date(grantbook: Grantbook) -> None:
    assert {row["state"] for row in grantbook("migrate", "--status")} == {"applied"}
    assert "GRANTBOOK_OWNER_DATABASE_URL" in grantbook.refused("migrate")


def test_who_could_do_what_is_asked_by_time_or_position(grantbook: Grantbook) -> None:
    found = grantbook("access", "as-of", "0s")
    assert found["access"] == []
    assert found["position"] >= 0
    assert "Give TIME" in grantbook.refused("access", "as-of", code=2)
    assert "Give TIME" in grantbook.refused("access", "as-of", "7d", "--position", "1", code=2)
    assert "no event 999999" in grantbook.refused("access", "as-of", "--position", "999999")
    by_number = "no time such as 2026-11-24, 2026-11-24T15:00Z or 7d. Right after event 5 is "
    for command in (("access", "as-of"), ("access", "difference"), ("replay",)):
        assert f"{by_number}--position 5" in grantbook.refused(*command, "5", code=2)
    assert f"{by_number}--until-position 5" in grantbook.refused("access", "difference", "7d", "--until", "5", code=2)
    assert "no project 'Moon'" in grantbook.refused("access", "as-of", "0s", "--project", "Moon", code=2)
    assert "no scope 'moon:fly'" in grantbook.refused("access", "as-of", "0s", "--scope", "moon:fly", code=2)
    assert "No app could do anything" in grantbook.run("access", "as-of", "0s").stdout
    assert "Nothing had been recorded by 2020-01-01 00:00:00 UTC: the record begins at" in grantbook.run("access", "as-of", "2020-01-01").stdout
    assert "the record begins at" in grantbook.run("access", "as-of", "2020-01-01", "--scope", "projects:query").stdout
    assert grantbook("access", "as-of", "2020-01-01")["begins"] > "2026"


def test_two_moments_are_compared(grantbook: Grantbook) -> None:
    found = grantbook("access", "difference", "--position", "1")
    assert (found["position"], found["differences"]) == (1, [])
    assert found["until_position"] >= 1
    assert "Nothing changed." in grantbook.run("access", "difference", "--position", "1", "--until-position", "2").stdout
    assert grantbook.run("access", "difference", "2020-01-01").stdout.startswith("From before the first event to event ")
    assert "'--scope': nothing stands behind it" in grantbook.refused("access", "difference", "--position", "1", "--scope", " ", code=2)
    assert "Give TIME" in grantbook.refused("access", "difference", code=2)
    assert "not both" in grantbook.refused("access", "difference", "7d", "--until", "1d", "--until-position", "2", code=2)
    assert "comes before" in grantbook.refused("access", "difference", "--position", "2", "--until-position", "1", code=2)
    assert "no event 999999" in grantbook.refused("access", "difference", "--position", "999999")
    unknown = grantbook.refused("access", "difference", "--position", "1", "--scope", "moon:fly", code=2)
    assert "There had been no scope 'moon:fly' by event" in unknown
    assert "Scopes then: account:manage, account:read, catalog:read" in unknown
    assert "no project 'prj_moon'" in grantbook.refused("access", "difference", "--position", "1", "--project", "prj_moon", code=2)
    assert "still to come" in grantbook.refused("access", "difference", "2999-01-01", code=2)
    assert "still to come" in grantbook.refused("ask", "who", "--at", "2999-01-01", code=2)
    assert "before the year 1" in grantbook.refused("access", "difference", "999999w", code=2)
    assert "comes before the beginning" in grantbook.refused("ask", "difference", "--since", "1d", "--until", "2d", code=2)


def test_a_question_is_asked_and_its_wrong_values_are_told(grantbook: Grantbook) -> None:
    found = grantbook("ask", "kept")
    assert found["lines"][0]["because"] == {"first": [1]}
    assert "kept and ready" in grantbook.run("ask", "kept").stdout
    member = next(m for m in grantbook("member", "list") if m["email"] == "admin@acme.example")
    deeds = grantbook("ask", "deeds", "--user", "admin@acme.example")
    assert deeds == grantbook("ask", "deeds", "--user", member["member_id"]) | {"at": deeds["at"], "position": deeds["position"]}
    assert "Give --session or --user or --client" in grantbook.refused("ask", "ending", code=2)
    assert "Give --client and --scope" in grantbook.refused("ask", "explain", "--user", "admin@acme.example", code=2)
    assert "no member nobody@acme.example" in grantbook.refused("ask", "deeds", "--user", "nobody@acme.example")
    assert "The record begins at" in grantbook.refused("ask", "who", "--at", "2020-01-01", code=2)
    assert "no project 'Moon'" in grantbook.refused("ask", "who", "--project", "Moon", code=2)
    assert "no scope 'moon:fly'" in grantbook.refused("ask", "who", "--scope", "moon:fly", code=2)
    assert "'--project': nothing stands behind it" in grantbook.refused("ask", "who", "--project", "", code=2)
    assert "No such command" in grantbook.refused("ask", "nothing", code=2)


def test_an_explanation_says_from_where_it_counts(grantbook: Grantbook, capsys: pytest.CaptureFixture[str]) -> None:
    words = "What stood before the session began counts from its first event."
    assert words in " ".join(grantbook.run("ask", "explain", "--help").stdout.split())
    line = Line({"condition": "the plan included apps", "holds": True}, {"changed by": (7,)})
    printed, question = SimpleNamespace(out=Output(as_json=False)), QUESTIONS["explain"]
    ask._print(printed, Answer("explain", 9, datetime.now(UTC), "Allowed.", (line,)), question.note)  # type: ignore[arg-type]  # all that it uses
    assert capsys.readouterr().out.splitlines()[-1] == words


def test_a_view_is_shown_as_it_stood(grantbook: Grantbook) -> None:
    for view in ("integrations", "sessions", "audit"):
        found = grantbook("replay", "0s", "--view", view)
        assert (found["view"], found["rows"] == []) == (view, view != "audit")
    assert grantbook("replay", "--position", "1", "--view", "audit")["rows"][0]["event_type"] == "account.opened"
    early = grantbook("replay", "2020-01-01", "--view", "audit")
    assert (early["position"], early["rows"], early["begins"] > "2026") == (0, [], True)
    for view in ("audit", "sessions"):
        told = grantbook.run("replay", "2020-01-01", "--view", view).stdout
        assert told.startswith("Nothing had been recorded by 2020-01-01 00:00:00 UTC: the record begins at 2026-"), told
        assert len(told.splitlines()) == 1
    assert "Give TIME" in grantbook.refused("replay", code=2)
    assert "no event 999999" in grantbook.refused("replay", "--position", "999999")
