"""Sample views of the page about the ledger, one for each of its states."""

from __future__ import annotations

from dataclasses import replace

from infrastructure.ledger.deposits.state import PlaceState
from infrastructure.ledger.whole_check import Progress, Verified
from infrastructure.views_check import Checked
from tests.web.pages import samples
from web.pages import models
from web.pages.ledger_models import CheckpointRow, LedgerView, NewestCheckpoint, PlaceRow

Entry = tuple[str, models.Page, dict[str, object]]

_ROOT = "a8a6787239050293d5c89af96c99339bf9ec573159994ad4eec42c5b53f2cadc"
_LOG = "app.jaffle.example/ledger"
_VKEY = f"{_LOG}+27b2a0c6+AZtEMR8nRmoQIZ/R6sFGcOFxyYc8XnAvJEJKcJPwaEGT"
_SIGNATURE = f"\u2014 {_LOG} 7Md1rVZhMTu2hBfTdsKbKKGQv3IzfAWxwNXQ4P0S1WYbNfC5yO0Xkq1b0bpd8Vd1eUoQ0Sg5SPxU3kCkKhJ7kYp4TwQ="
_NOTE = f"{_LOG}\n12480\nqKZ4cjkFAp3VyJr5bJkzm/nsVzFZmUrU7sQsW1Pyytw=\n\n{_SIGNATURE}\n"


def _row(size: int, minutes: int) -> CheckpointRow:
    return CheckpointRow(size=size, root=_ROOT, at=samples.ago(minutes=minutes), url=f"/settings/ledger/checkpoints/{size}")


def _place(word: str, kind: models.Kind, what: str, place: PlaceState) -> PlaceRow:
    return PlaceRow(place=place, what=what, word=word, kind=kind)


_KEPT = PlaceState(
    "git", "git.jaffle.example/audit/ledger.git", size=12_480, at=samples.ago(minutes=4), age_seconds=240.0, told="commit 5b9e7440",
    failing_since=None, failures=0, why=None, next_try=None, stops_signing=False, another_log=None,
)  # fmt: skip
_FAILING = replace(
    _KEPT, kind="witness", name="witness.example.org", told="witness.example.org Y29zaWduYXR1cmU=", failing_since=samples.ago(minutes=9), failures=3,
    why=f"It did not answer within 10 s. {samples.EVIL.name}", next_try=samples.ago(minutes=-2),
)  # fmt: skip
_AHEAD = replace(_FAILING, kind="folder", name="/mnt/worm/ledger", why="It holds a checkpoint of 12,990 entries.", stops_signing=True)
_EMPTY = replace(_KEPT, kind="timestamp", name="tsa.example.org", size=None, at=None, age_seconds=None, told=None)
_ANOTHER = replace(
    _KEPT, kind="folder", name="worm", told="app.jaffle.example%2Fledger/000000012480.checkpoint",
    another_log="Another log of this name stands there, too: 1,204 entries, signed by no key that this server knows. If this server took the place "
    "of another one, keep what that one left and move it away; if it did not, somebody else deposits under this log's name.",
)  # fmt: skip
VIEW = LedgerView(
    state="current", notice=None, origin=_LOG, vkeys=(_VKEY, _VKEY.replace("27b2a0c6", "91ffb5ac")), waiting=2,
    newest=NewestCheckpoint(row=_row(12_480, 1), note=_NOTE), rows=(_row(12_480, 1), replace(_row(12_455, 52), at=None), _row(9_214, 9_000)),
    pager=models.Pager(words="3 checkpoints, newest first", older="/settings/ledger?before=9214", newer="/settings/ledger", newer_words="Newest"),
    commands=f"grantbook ledger verifier -o verifier.py\ngrantbook ledger export -o all.zip\npython verifier.py bundle all.zip --vkey {_VKEY}",
    verified=Verified(samples.ago(days=2), 1.4, 12_400, 12_400), findings=(), running=None, share=0, silent=False,
    views=Checked(samples.ago(hours=7), 83.0, {"sessions": 0, "members": 0}), check_every=24,
    places=(_place("Kept", "ok", "Git repository", _KEPT), _place("Failing", "warn", "Witness", _FAILING),
            _place("Ahead of this database", "bad", "Folder", _AHEAD), _place("Another log, too", "warn", "Folder", _ANOTHER),
            _place("Nothing yet", "", "Timestamp", _EMPTY)),
    may_manage=True,
)  # fmt: skip
_REFUSED = models.Notice(
    strong="Nothing is signed.", kind="bad", image="warning",
    text="The checkpoint that is kept beside the database has 12,990 entries, this database was signed up to 12,480: it was set back. Nothing is "
    "signed until this is resolved. Either bring the missing events back (restore a newer copy of the database), or, if they are lost, begin a new "
    "log under another name (app.jaffle.example/ledger/2, say). \u201cgrantbook ledger adopt\u201d does either, and tells what was lost.",
)  # fmt: skip
_LATE = models.Notice(
    strong="1,204 events without a checkpoint, the oldest for 6 minutes 2 seconds.", kind="warn", image="warning",
    text="The leading projector signs: see that one runs (grantbook projector, or serve without --no-projector), and what its log says.",
)  # fmt: skip
_WRONG = Verified(samples.ago(minutes=2), 4.2, 12_400, 12_400, {"different": 1_201, "sum": 1}, [9_214, 9_300, 9_301])
_VIEWS_WRONG = Checked(samples.ago(hours=7), 83.0, {"sessions": 3, "members": 0}, {"usage": "It is being built."})
_VIEWS = {
    "ledger": VIEW,
    "ledger-viewer": replace(VIEW, may_manage=False, places=(), verified=None, views=None),
    "ledger-empty": replace(
        VIEW, state="empty", waiting=0, newest=None, rows=(), pager=models.Pager(words=""), verified=None, views=None, check_every=0, places=()
    ),
    "ledger-refused": replace(VIEW, state="refused", notice=_REFUSED, verified=_WRONG, findings=(("not hashed", 1_201),), views=_VIEWS_WRONG),
    "ledger-late": replace(
        VIEW, state="late", notice=_LATE, running=Progress(samples.ago(minutes=1), samples.ago(seconds=2), 11_200, 24_960), share=44
    ),
    "ledger-silent": replace(VIEW, running=Progress(samples.ago(hours=1), samples.ago(minutes=40), 11_200, 24_960), share=44, silent=True),
}  # fmt: skip
LEDGER: dict[str, Entry] = {
    name: ("settings/ledger.html", samples.page("Ledger", "settings.ledger.show"), {"view": view}) for name, view in _VIEWS.items()
}
