"""Sample views of the pages about the past: replay and explain."""

from __future__ import annotations

from dataclasses import replace

from tests.web.pages import samples
from web.pages import explain_models as explain
from web.pages import models
from web.pages import replay_models as replay

HERE = "settings.replay.show"
Entry = tuple[str, models.Page, dict[str, object]]
_EVIL = samples.EVIL.name


def _row(change: str, **more: object) -> replay.Row:
    facts: dict[str, object] = {
        "member_id": "m1", "person": _EVIL, "app": _EVIL, "client_id": "b3f1", "then": (replay.Reach(("projects:query", "jobs:run"), "Sales"),),
        "change": change, "words": "", "gone": (), "new": (), "by": (), "because": (7310, 8977), "why_then": "/settings/explain?x=1",
        "why_later": "", **more,
    }  # fmt: skip
    return replay.Row(**facts)  # type: ignore[arg-type]  # sample values by name


_ROWS = (
    _row("lost", words="Reuse detected, 24 Nov 2026", by=(12471,), why_later="/settings/explain?x=2"),
    _row("narrowed", words="Lost", gone=("jobs:run",), by=(12388, 12389), why_later="/settings/explain?x=3"),
    _row("gained", then=(), words="1 scope by then", new=("catalog:read",), by=(12455,), why_later="/settings/explain?x=4"),
    _row("same"),
)
_LATER = replay.Later(
    12400, samples.ago(hours=3), now=False, kept=True, cut=950.0, topic="member.permission_revoked", with_now="/settings/replay?position=9214"
)
_REPLAY = replay.Replay(
    position=9214, later=_LATER, head=12482, at=samples.ago(days=43), first_at=samples.ago(days=300), last_at=samples.NOW,
    topic="grant.tokens_refreshed", events=12400, seconds=0.31, bars=(replay.Bar(1.0, 51.4, 8.0, 4.6, past=True),), cut=708.7, run=131,
    figures=(replay.Figure("Apps", 9, 11),), counts={"lost": 1, "narrowed": 1, "gained": 1, "same": 1}, rows=_ROWS, hidden=12,
    before="/settings/replay?position=9210", after=None, only_changes=False, toggle="/settings/replay?changes=only", given={"user": "Maya"},
    projects={"prj_1": "Sales"},
)  # fmt: skip
_NOW = replace(
    _REPLAY, later=replace(_LATER, position=12482, now=True, kept=False), rows=(), counts={}, hidden=0, first_at=None, topic=None, given={}
)


def _choices(*values: str) -> tuple[models.Choice, ...]:
    return tuple(models.Choice(value=value, words=value, chosen=number == 0) for number, value in enumerate(values))


_FORM = explain.ExplainForm(
    user="maya.castillo@jaffle.example", clients=_choices("app_1", "app_2"), scopes=_choices("jobs:run"), projects=_choices("prj_1"), position="9,214"
)
_CONDITIONS = (
    explain.Condition(words="The app was not blocked", holds=False, position=9331, topic="account.app_blocked", at=samples.ago(days=40)),
    explain.Condition(words="Its time was not over", holds=False, position=None, topic="", at=samples.ago(days=2)),
    explain.Condition(words="The session had begun", holds=True, position=8978, topic="grant.code_exchanged", at=samples.ago(days=50)),
)
_ANSWER = explain.Explained(
    allowed=False, says="2 conditions did not hold.", person=_EVIL, member_id="m1", app=_EVIL, client_id="app_1", client_stream="b3f1",
    scope="jobs:run", where="Sales", position=9400, at=samples.ago(days=39), topic=None, made_by=(), proof_url="/settings/explain/proof?x=1",
    replay_url="/settings/replay?position=9400",
    sessions=(
        explain.Judged(grant_id="0193aaaa-1", failing=2, conditions=_CONDITIONS),
        explain.Judged(grant_id="0193bbbb-2", failing=1, conditions=_CONDITIONS),
    ),
)  # fmt: skip
_ALLOWED = replace(
    _ANSWER,
    made_by=(("registration", (7310,)), ("consent", (8977, 8978))),
    allowed=True,
    where="",
    sessions=(explain.Judged(grant_id="0193aaaa-1", failing=0, conditions=_CONDITIONS[2:]),),
)
_WRONG = {"user": "“a” finds 3 people: type the whole email address.", "date": "This is still to come: ask about a time that has passed."}


def _replay(view: replay.Replay, *problems: str) -> Entry:
    return "settings/replay.html", samples.page("Replay", HERE), {"view": view, "problems": problems}


def _explain(**view: object) -> Entry:
    return "settings/explain.html", samples.page("Explain", HERE), {"view": explain.ExplainView(**view)}  # type: ignore[arg-type]


EVIDENCE: dict[str, Entry] = {
    "replay": _replay(_REPLAY, "The later moment came first, so the two changed places."),
    "replay-nothing": _replay(_NOW),
    "explain": _explain(form=explain.ExplainForm()),
    "explain-wrong": _explain(form=_FORM, errors=_WRONG),
    "explain-refused": _explain(form=_FORM, answer=_ANSWER),
    "explain-allowed": _explain(form=_FORM, answer=_ALLOWED),
    "explain-no-session": _explain(form=_FORM, answer=replace(_ANSWER, sessions=())),
}
