"""The twelve questions that auditors ask (EVIDENCE.md 7), each against a history by hand: rows, positions, and once the answer no."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from application import manage_members, manage_projects, manage_scopes, sign_in, tell_of_ledger
from application.export_audit import record_export
from domain.errors import InvalidInput
from domain.ids import ledger_stream
from infrastructure.past.questions.deeds import TROUBLE
from tests.infrastructure.past.questions_history import History, told
from tests.support.oauth_world import CLI, OAUTH
from tests.support.postgres import Database


@pytest.fixture(scope="module")
def history(module_database: Database) -> Iterator[History]:
    with told(module_database) as made:
        yield made


@pytest.fixture
def own_history(database: Database) -> Iterator[History]:
    """For what changes it."""
    with told(database) as made:
        yield made


def test_1_who_could_do_what_through_which_app_by_which_consent(history: History) -> None:
    answer = history.ask("who", at="used", project="Sales", scope="projects:query", client=history.clients["editor"], user=history.members["maya"])
    (line,) = answer.lines
    given = history.place("consent.given", nth=0)
    assert (line.facts["member_id"], line.facts["app"], line.facts["projects"]) == (history.members["maya"], "Editor", ["Sales"])
    assert line.because == {
        "registration": (history.place("client.registered", history.stream("editor")),), "approval": (history.place("account.app_approved"),),
        "consent": (given,), "permission": (history.place("member.added", history.members["maya"]),),
        "grant": (history.place("grant.code_issued", history.grants["maya"]),),
    }  # fmt: skip
    (consent,) = line.facts["consent"]
    assert (consent["event"], consent["address"], consent["approved"]) == (given, "203.0.113.9", ["projects:query"])
    assert consent["text_sha256"] == hashlib.sha256(consent["text"].encode()).hexdigest()
    assert line.facts["until"] > answer.at
    assert answer.position == history.at["used"].position


def test_1_nobody_could_before_anybody_consented(history: History) -> None:
    answer = history.ask("who", at="approved", project="Sales")
    assert (answer.says, answer.lines) == ("Nobody could.", ())


def test_1_a_project_or_scope_that_there_never_was_is_no_nobody(history: History) -> None:
    place = history.at["used"].position
    with pytest.raises(InvalidInput, match=f"no project 'Moon' by event {place}. Projects then: Marketing, Sales.") as refused:
        history.ask("who", at="used", project="Moon")
    assert refused.value.field == "project"
    with pytest.raises(InvalidInput, match="no project 'prj_moon' by event"):
        history.ask("who", project="prj_moon")
    with pytest.raises(InvalidInput, match=f"no scope 'projects:fly' by event {place}. Scopes then: account:manage, account:read, ") as refused:
        history.ask("who", at="used", scope="projects:fly")
    assert refused.value.field == "scope"
    with pytest.raises(InvalidInput, match="no scope 'projects:fly'"):
        history.ask("explain", user=history.members["maya"], client=history.clients["editor"], scope="projects:fly")


def test_1_projects_and_scopes_are_known_as_of_the_moment_by_the_names_they_had(own_history: History) -> None:
    history, world = own_history, own_history.world
    services, account_id, sales = world.services, world.account_id, world.projects["Sales"]
    then = {"at": "used", "user": history.members["maya"], "scope": "projects:query"}
    held = history.ask("who", **then).lines
    assert held
    manage_projects.rename(services, account_id, sales, "Selling", origin=CLI)
    history.mark("renamed")
    for name in ("Sales", "Selling", sales):
        assert history.ask("who", project=name, **then).lines == held, name
    new = manage_projects.add(services, account_id, "Sales", origin=CLI).project_id
    history.mark("another of that name")
    assert history.ask("who", project="Sales", **then).lines == held
    with pytest.raises(InvalidInput, match=f"no project '{new}' by event"):
        history.ask("who", project=new, **then)
    manage_projects.remove(services, account_id, sales, origin=CLI)
    manage_scopes.add(
        services, account_id, code="moon:fly", permission="metrics.query", title="Fly", description="Far", acts=False, dynamic=True, origin=CLI
    )
    history.mark("scope there")
    manage_scopes.remove(services, account_id, "moon:fly", origin=CLI)
    history.mark("removed")
    assert history.ask("who", project="Sales", **then).lines == held
    assert history.ask("who", project=sales, scope="projects:query").says == "Nobody could.", "it is gone, and was there"
    for moment in ("scope there", "removed"):
        assert history.ask("who", at=moment, scope="moon:fly").says == "Nobody could."
    with pytest.raises(InvalidInput, match="no scope 'moon:fly' by event"):
        history.ask("who", at="used", scope="moon:fly")
    with pytest.raises(InvalidInput, match=r"no project 'Moon' by event \d+\. Projects then: Marketing, Sales\."):
        history.ask("who", project="Moon")
    with pytest.raises(InvalidInput, match=r"Scopes then: account:manage, account:read, catalog:read, jobs:run, projects:develop, projects:query\."):
        history.ask("who", scope="moon:fly too")


def test_2_an_app_was_approved_before_it_was_used(history: History) -> None:
    answer = history.ask("approval", client=history.clients["editor"])
    assert answer.says == "The app was approved before it was first used."
    assert [(line.facts["what"], line.because) for line in answer.lines] == [
        ("registered", {"registered": (history.place("client.registered", history.stream("editor")),)}),
        ("approved", {"approved": (history.place("account.app_approved"),)}),
        ("first used", {"first used": (history.place("grant.code_exchanged", history.grants["maya"]),)}),
    ]
    assert answer.lines[1].facts["by"] == "Ada"


def test_2_nobody_approved_the_other_one(history: History) -> None:
    answer = history.ask("approval", client=history.clients["helper"])
    assert answer.says == "No approval was needed, and none was given; the app was used."
    assert history.ask("approval", client=history.clients["editor"], at="approved").says == "The app was approved and never used."


def test_3_when_a_session_ended_and_when_its_last_token_died(history: History) -> None:
    answer = history.ask("ending", grant=history.grants["tom"])
    (line,) = answer.lines
    revoked, refreshed = (history.place(topic, history.grants["tom"]) for topic in ("grant.revoked", "grant.tokens_refreshed"))
    assert answer.says == "1 of 1 session ended; no token was given after an end."
    assert (line.facts["reason"], line.facts["by"], line.facts["why"]) == ("revoked", history.world.admin_id, "lost laptop")
    assert line.because == {
        "began": (history.place("grant.code_exchanged", history.grants["tom"]),), "last token": (refreshed,), "end": (revoked,),
    }  # fmt: skip
    died = line.facts["last_access_token_died"]
    assert line.facts["gap_seconds"] == pytest.approx((died - line.facts["at"]).total_seconds(), abs=0.01)
    assert 0 < line.facts["gap_seconds"] <= 600
    assert line.facts["issued_after"] == []


def test_3_no_it_has_not_ended_yet(history: History) -> None:
    assert history.ask("ending", grant=history.grants["tom"], at="refreshed").says == "No: the session has not ended."
    assert history.ask("ending", grant=str(uuid4())).says == "There was no such session."


def test_4_what_of_a_persons_survived_their_leaving(history: History) -> None:
    answer = history.ask("leaving", user=history.members["maya"], at="revoked")
    left = history.place("member.deactivated", history.members["maya"])
    assert {line.facts["grant_id"] for line in answer.lines} == {history.grants["maya"], history.grants["maya helper"]}
    for line in answer.lines:
        assert line.because == {"grant": (history.place("grant.code_issued", line.facts["grant_id"]),), "end": (left,)}
        assert line.facts["reason"] == "member_deactivated"
        assert 55 < line.facts["seconds"] < 65
    assert answer.says.startswith("2 sessions then; the last ended 6")


def test_4_nothing_of_hers_lived_after(history: History) -> None:
    assert history.ask("leaving", user=history.members["maya"], at="left").says == "No: nothing of theirs was live at that moment."
    assert history.ask("leaving", user=history.members["idle"], at="used").lines == ()


def test_5_the_population_between_two_moments(history: History) -> None:
    answer = history.ask("population", since=history.at["approved"].at, until=history.at["left"].at)
    began = {(g, history.place("grant.code_issued", g)) for g in history.grants.values()}
    left = history.place("member.deactivated")
    ended = {
        (history.grants["tom"], history.place("grant.revoked")), (history.grants["maya"], left), (history.grants["maya helper"], left),
    }  # fmt: skip
    found = {(line.facts["what"], line.facts["grant_id"], *line.because[line.facts["what"]]) for line in answer.lines}
    assert found == {("began", *one) for one in began} | {("ended", *one) for one in ended}
    assert answer.says.startswith("3 sessions began and 3 ended between events")


def test_5_a_sample_is_drawn_again_by_its_seed(history: History) -> None:
    drawn = [history.ask("population", sample=1, seed=seed).lines for seed in "aabcdefghijklmno"]
    assert drawn[0] == drawn[1]
    assert len({lines[0].facts["grant_id"] for lines in drawn}) > 1
    grants = sorted(history.grants.values(), key=lambda grant: hashlib.sha256(f"a:{grant}".encode()).hexdigest())
    assert {line.facts["grant_id"] for line in drawn[0]} == {grants[0]}


def test_5_none_began_before_the_apps(history: History) -> None:
    assert history.ask("population", until=history.at["approved"].at).lines == ()


def test_6_sessions_by_owner_and_last_use(history: History) -> None:
    answer = history.ask("review", at="refreshed", user=history.members["tom"])
    (line,) = answer.lines
    refreshed = history.place("grant.tokens_refreshed", history.grants["tom"])
    assert (line.facts["app"], line.facts["unused"], line.because["last use"]) == ("Editor", False, (refreshed,))
    assert answer.says == "1 live session; 0 not used for 90 days."
    assert history.ask("review", at="empty").says == "No session was live."


def test_7_everything_that_a_person_did_and_from_where(history: History) -> None:
    answer = history.ask("deeds", user=history.members["tom"])
    assert [line.facts["what"] for line in answer.lines] == [
        "refresh_token.issued", "access_token.issued", "refresh_token.issued", "access_token.issued", "authorization_code.issued",
        "oauth_client.authorization_approved", "oauth_client.authorized",
    ]  # fmt: skip
    assert {line.facts["address"] for line in answer.lines} == {"203.0.113.5", "203.0.113.9"}
    assert answer.lines[-1].because == {"event": (history.place("consent.given", nth=-1),)}
    assert history.ask("deeds", user=history.members["idle"]).lines == ()


def test_8_failures_reuse_and_changes(own_history: History) -> None:
    history = own_history
    assert {line.facts["what"] for line in history.ask("trouble", since=history.at["used"].at).lines} == set()
    sign_in.sign_in_with_password(history.world.services, history.world.account_id, "admin@jaffle.example", "wrong", OAUTH)
    services, account_id = history.world.services, history.world.account_id
    idle = UUID(history.members["idle"])
    manage_members.set_password(services, account_id, idle, email="m3@jaffle.example", password="another long one", origin=CLI)
    history.mark("trouble")
    answer = history.ask("trouble", since=history.at["left"].at)
    assert [(line.facts["what"], line.because["event"]) for line in answer.lines] == [
        ("password.changed", (history.place("member.password_changed"),)), ("login.password.failed", (history.place("sign_in.failed"),)),
    ]  # fmt: skip
    assert set(TROUBLE) >= {line.facts["what"] for line in answer.lines}


def test_9_who_exported_the_record(own_history: History) -> None:
    history = own_history
    assert history.ask("reading").says == "Nobody exported anything. No checkpoint came late."
    record_export(
        history.world.services, history.world.account_id, format="csv", filter={}, rows=3, position=9, origin=CLI, actor_id=history.world.admin_id
    )
    history.mark("exported")
    (line,) = history.ask("reading").lines
    assert (line.facts["what"], line.facts["by"], line.because) == (
        "audit_log.exported", "Ada", {"event": (history.place("ledger.audit_exported"),)},
    )  # fmt: skip


def test_9_when_nothing_was_signed_and_since_when_again_without_the_deposits(own_history: History) -> None:
    history, services = own_history, own_history.world.services
    account_id, log = history.world.account_id, "auth.example.com/ledger"
    tell_of_ledger.sealer_stopped(services, log=log, why="It was set back.")
    tell_of_ledger.sealer_started(services, log=log, size=5, waited=70)
    deposited = {"kind": "git", "place": "auditor.git", "size": 5, "root": "00" * 32, "receipt": "commit 1"}
    for _ in range(2):
        tell_of_ledger.checkpoint_deposited(services, [account_id], log=log, **deposited)
    history.mark("signed again")
    asked = history.ask("reading").lines
    assert [(line.facts["what"], line.facts["facts"].get("why")) for line in asked] == [
        ("signing began again", None), ("signing stopped", "It was set back."),
    ]  # fmt: skip
    assert history.place("ledger.sealer_stopped") in [line.because["event"][0] for line in history.ask("trouble").lines]
    assert history.world.topics(ledger_stream(account_id)).count("ledger.checkpoint_deposited") == 1, "told twice, it happened once"


def test_9_a_late_checkpoint_is_told(own_history: History) -> None:
    history, size = own_history, own_history.at["left"].position
    sql = (
        "INSERT INTO ledger_checkpoints (origin, size, root, note, at) SELECT 'x', %s, %s, '', at + interval '9 s' FROM positions WHERE position = 1"
    )
    history.connection.execute(sql, (size, bytes(32)))
    (line,) = history.ask("reading").lines
    assert (line.facts["seconds"], line.facts["checkpoint_size"], line.because) == (9.0, size, {})


def test_10_an_entry_has_all_that_it_must_and_is_unaltered(history: History) -> None:
    revoked = history.place("grant.revoked")
    answer = history.ask("entry", event=revoked)
    (line,) = answer.lines
    facts = {name: line.facts[name] for name in ("user", "type", "outcome", "origin", "object", "unaltered")}
    assert facts == {
        "user": "Ada", "type": "oauth_grant.revoked", "outcome": "done", "origin": "cli", "object": history.grants["tom"], "unaltered": True,
    }  # fmt: skip
    assert answer.says == f"Event {revoked} is as it was recorded; no checkpoint holds it yet."


def test_10_no_it_was_altered(own_history: History) -> None:
    history, revoked = own_history, own_history.place("grant.revoked")
    with psycopg.connect(history.world.database.superuser_dsn, autocommit=True) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        owner.execute("UPDATE events SET state = replace(state::text, '6d', '6e')::bytea WHERE topic = 'grant.revoked'")
    assert history.ask("entry", event=revoked).says.startswith(f"No: event {revoked} is not what the ledger has the hash of.")


def test_11_since_when_everything_is_kept_and_who_was_erased(history: History) -> None:
    answer = history.ask("kept")
    assert answer.lines[0].because == {"first": (1,)}
    assert answer.says == f"{history.at['left'].position} events kept and ready, for less than 12 months; 0 people were erased."


def test_12_todays_code_answers_as_the_server_did(history: History) -> None:
    answer = history.ask("replayed", grant=history.grants["maya"])
    assert answer.says == "The same today: 2 answers."
    assert [line.because["answer"] for line in answer.lines] == [
        (history.place("grant.code_exchanged", history.grants["maya"]),), (history.place("grant.tokens_refreshed", history.grants["maya"]),),
    ]  # fmt: skip
    assert history.ask("replayed", grant=str(uuid4())).says == "The session got no tokens."


def test_12_no_an_answer_that_was_made_up_differs(own_history: History) -> None:
    history, grant = own_history, own_history.grants["maya"]
    with psycopg.connect(history.world.database.superuser_dsn, autocommit=True) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        sql = """UPDATE events SET state = convert_to(replace(convert_from(state, 'UTF8'), 'projects:query', 'jobs:run'), 'UTF8')
                 WHERE topic = 'grant.tokens_refreshed' AND originator_id = %s"""
        owner.execute(sql, (grant,))
    answer = history.ask("replayed", grant=grant)
    assert answer.says == "No: 1 of 2 answers would be others today."
    assert answer.lines[1].facts["same"] is False


def test_explain_tells_each_condition_and_the_event_that_changed_it(history: History) -> None:
    asked = {"user": history.members["maya"], "client": history.clients["editor"], "scope": "projects:query", "project": "Sales"}
    allowed = history.ask("explain", at="used", **asked)
    assert allowed.says == f"Allowed: every condition held, the last since event {history.place('grant.code_exchanged', history.grants['maya'])}."
    assert all(line.facts["holds"] for line in allowed.lines)
    left = history.place("member.deactivated")
    refused = history.ask("explain", **asked)
    assert refused.says == f"Refused. the person was active: no, since event {left}."
    (why,) = [line for line in refused.lines if not line.facts["holds"]]
    assert why.because == {"changed by": (left,)}
    other = history.ask("explain", **(asked | {"scope": "jobs:run"}))
    assert "the session had the scope: no" in other.says
    assert history.ask("explain", at="approved", **asked).says == "Refused: the person had no session with this app."


def test_explain_tells_time_by_the_last_rotation_before_each_event(own_history: History) -> None:
    history, client = own_history, own_history.clients["helper"]
    tokens = history.session("idle", "helper", "idle", scopes="account:read", keep_alive=True)
    asked = {"user": history.members["idle"], "client": client, "scope": "account:read"}
    for days in (3, 3, 3):
        history.world.later(days=days)
        tokens = history.world.refresh(client, tokens["refresh_token"]).get_json()
    history.world.later(days=3)
    history.world.policy(code_ttl="2m")
    history.mark("in time")
    assert history.ask("explain", **asked).says.startswith("Allowed")
    history.world.later(days=5)
    history.world.policy(code_ttl="3m")
    history.mark("too late")
    late = history.place("account.session_policy_changed")
    assert history.ask("explain", **asked).says == f"Refused. its time was not over: no, since event {late}."
    assert history.ask("explain", at="in time", **asked).says.startswith("Allowed")


def test_the_difference_of_two_moments(history: History) -> None:
    answer = history.ask("difference", since=history.at["used"].at, until=history.at["left"].at)
    changes = {(line.facts["member_id"], line.facts["app"], line.facts["change"]) for line in answer.lines}
    assert changes == {
        (history.members["maya"], "Editor", "lost"), (history.members["maya"], "Helper", "lost"), (history.members["tom"], "Editor", "lost"),
    }  # fmt: skip
    assert all(
        history.place("grant.code_issued", history.grants["tom"]) in line.because["stands on"]
        for line in answer.lines
        if line.facts["member_id"] == history.members["tom"]
    )
    assert history.ask("difference", since=history.at["used"].at, until=history.at["refreshed"].at).says.startswith("No: nothing changed")


def test_a_question_says_what_it_needs_and_when_the_record_begins(history: History) -> None:
    for name in ("approval", "ending", "leaving", "deeds", "entry", "replayed", "explain"):
        with pytest.raises(InvalidInput, match="needs"):
            history.ask(name)
    with pytest.raises(InvalidInput, match="begins at"):
        history.ask("who", at=history.at["empty"].at - timedelta(days=30))
    with pytest.raises(InvalidInput, match="no event"):
        history.ask("entry", event=10**6)
