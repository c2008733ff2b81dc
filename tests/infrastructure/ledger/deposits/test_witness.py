from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infrastructure.clock import now
from infrastructure.ledger.deposits.cosignatures import read_witness_key
from infrastructure.ledger.deposits.places import Deposit, PlaceAhead, PlaceFailed
from infrastructure.ledger.deposits.witness import Witness
from infrastructure.ledger.notes import LogSigner
from tests.infrastructure.ledger.deposits.given import Log, Relay, Request, answering, listening, reply
from tests.support import witness as real
from tests.support.witness import foreign, running_witness

CUTS = ("request", "amid request", "answer", "amid answer")
LOGS = {name: Log(f"auth.example.com/{name.replace(' ', '-')}") for name in ("grows", "again", "set back", "rewritten", "forged", *CUTS)}
NAME = "witness.example/w2"


class Cosigner:
    """A witness's key, in the hands of a test."""

    def __init__(self, name: str = NAME) -> None:
        self.name, self._private = name, Ed25519PrivateKey.generate()
        typed = b"\x04" + self._private.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        self.vkey = f"{name}+{self._id.hex()}+{base64.b64encode(typed).decode()}"

    def line(self, note: str, late: timedelta = timedelta()) -> str:
        """Its cosignature, made so much later than now."""
        at = int((now() + late).timestamp())
        signature = self._private.sign(f"cosignature/v1\ntime {at}\n{note.partition(chr(10) * 2)[0]}\n".encode())
        return f"\u2014 {self.name} {base64.b64encode(self._id + at.to_bytes(8, 'big') + signature).decode()}\n"


OURS = Cosigner()


def of_size(size: int | str) -> bytes:
    return reply(f"{size}\n".encode(), "409 Conflict", "text/x.tlog.size")


def deposit(answer: bytes | list[bytes], given: Deposit, last: int = 0) -> str:
    """At a witness that answers so, and again so."""
    answers = iter([answer] if isinstance(answer, bytes) else answer)
    with answering(lambda _: next(answers)) as url:
        return Witness(url, read_witness_key(OURS.vkey), seconds=30).deposit(given, last).kept


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Witness]:
    """Each test has a log of its own."""
    (origin, vkey), *more = [(log.signer.origin, log.signer.vkeys[0]) for log in LOGS.values()]
    with running_witness(tmp_path_factory.mktemp("deposits") / "witness", origin, vkey, *more) as witness:
        yield witness


@pytest.fixture
def place(running: real.Witness) -> Witness:
    return Witness(running.url, read_witness_key(running.vkey))


@pytest.mark.foreign
def test_a_log_that_grows_is_cosigned_and_another_maker_s_verifier_counts_the_cosignature(place: Witness, running: real.Witness) -> None:
    log = LOGS["grows"]
    receipts = [place.deposit(log.at(size), last) for size, last in ((9, 0), (10, 9), (200, 10))]
    assert [receipt.kept for receipt in receipts] == [f"\u2014 {receipt.told}\n" for receipt in receipts]
    (running.folder / "note").write_text(log.at(200).note + receipts[-1].kept, encoding="utf-8")
    trusted = ("--log-key", log.signer.vkeys[0], "--witness-key", running.vkey, "--quorum", "1")
    done = foreign("aics_tlog", "verify-checkpoint", "--note", "note", *trusted, folder=running.folder)
    assert done.returncode == 0, done.stderr
    assert (place.name, place.holds(log.signer)) == ("witness.example/w1", None)


@pytest.mark.foreign
def test_the_same_checkpoint_again_is_cosigned_again_whatever_we_knew(place: Witness) -> None:
    log = LOGS["again"]
    place.deposit(log.at(9), 0)
    for last in (9, 0, 4, 200):
        assert place.deposit(log.at(9), last).told.startswith("witness.example/w1 ")
    place.deposit(log.at(10), 9)


@pytest.mark.foreign
@pytest.mark.parametrize("last", [0, 12, 20])
def test_a_witness_that_knows_more_of_the_log_is_ahead(place: Witness, last: int) -> None:
    log = LOGS["set back"]
    place.deposit(log.at(20), 0)
    with pytest.raises(PlaceAhead, match=r"^It has signed for 20 entries, this database was signed up to 12: it was set back\.$") as ahead:
        place.deposit(log.at(12), last)
    assert ahead.value.size == 20


@pytest.mark.foreign
def test_a_witness_that_knows_another_past_of_the_log_is_ahead(place: Witness, running: real.Witness) -> None:
    log = LOGS["rewritten"]
    place.deposit(log.at(20), 0)
    for size, last in ((20, 20), (20, 0), (30, 20), (30, 0)):
        with pytest.raises(PlaceAhead, match=r"^It has signed for 20 entries of this log which are not the first 20 of this database") as ahead:
            place.deposit(log.another("changed", after=15).at(size), last)
        assert ahead.value.size == 20
    assert log.signer.origin in running.evidence()


@pytest.mark.foreign
@pytest.mark.parametrize("cut", CUTS)
def test_what_was_cut_off_anywhere_is_deposited_by_the_next_attempt(running: real.Witness, cut: str) -> None:
    """What the witness signed before its answer was lost is told by its 409."""
    relay, last = Relay(urlsplit(running.url).port or 0), 0
    with listening(relay) as port:
        place = Witness(f"http://127.0.0.1:{port}/", read_witness_key(running.vkey))
        for size in (9, 10):
            relay.cut = cut
            with pytest.raises(PlaceFailed, match=r"^It can't be reached, or its answer broke off: "):
                place.deposit(LOGS[cut].at(size), last)
            place.deposit(LOGS[cut].at(size), last)
            last = size
    asked = [int(request.body.split(b"\n")[0].removeprefix(b"old ")) for request in relay.passed]
    assert asked == ([0, 9] if "request" in cut else [0, 0, 9, 9, 9, 10])


@pytest.mark.foreign
def test_a_log_that_the_witness_does_not_know_or_knows_by_another_key_is_told_so(place: Witness) -> None:
    with pytest.raises(PlaceFailed, match=r"^It doesn't know the log nowhere\.example/ledger: have it added there, with its public key\.$"):
        place.deposit(Log("nowhere.example/ledger").at(9), 0)
    forged = Log("auth.example.com/forged")
    forged.signer = LogSigner(forged.signer.origin, (bytes(32),))
    with pytest.raises(PlaceFailed, match=r"^It knows the log auth\.example\.com/forged under another key: have its public key added there\.$"):
        place.deposit(forged.at(9), 0)


def test_the_witness_s_own_line_is_found_among_those_of_others() -> None:
    given = Log().at(9)
    old, others = Cosigner(), Cosigner("witness.example/w3")
    lines = [old.line(given.note), others.line(given.note), "\u2014 broken\n", f"\u2014 {NAME} \u00fc\n", "\n", OURS.line(given.note)]
    assert deposit(reply("".join(lines).encode()), given) == lines[-1]


@pytest.mark.parametrize("what", ["another key", "another note", "another name", "changed time", "no base64", "nothing", "no text"])
def test_a_cosignature_that_is_not_the_configured_witness_s_over_this_checkpoint_is_none(what: str) -> None:
    log = Log()
    line = OURS.line(log.at(9).note)
    changed = bytearray(base64.b64decode(line.split()[2]))
    changed[11] ^= 1
    answers = {
        "another key": Cosigner().line(log.at(9).note), "another note": OURS.line(log.at(10).note), "another name": line.replace("/w2", "/w1"),
        "changed time": f"\u2014 {NAME} {base64.b64encode(changed).decode()}\n", "no base64": f"{line[:-1]}!\n", "nothing": "", "no text": "\ud800",
    }  # fmt: skip
    with pytest.raises(PlaceFailed, match=r"^It answered without a cosignature that its configured key made over this checkpoint\.$"):
        deposit(reply(answers[what].encode("utf-8", "surrogatepass")), log.at(9))


@pytest.mark.parametrize("tail", ["\x0bgarbage \x00", "\r", "\u2028\u2014 somebody AAAA", "\x0b" + "A" * 100_000, " ", "AAAA"])
def test_what_follows_a_good_cosignature_in_its_line_is_not_taken_with_it(tail: str) -> None:
    """Lines end with a line feed only, whatever else Python takes for an end; the same witness's next line counts."""
    given = Log().at(9)
    good = OURS.line(given.note)
    spoiled = good.removesuffix("\n") + tail + "\n"
    with pytest.raises(PlaceFailed, match=r"^It answered without a cosignature"):
        deposit(reply(spoiled.encode()), given)
    assert deposit(reply((spoiled + good).encode()), given) == good


@pytest.mark.parametrize("late", [timedelta(minutes=30), timedelta(days=-1), timedelta(days=9_000)])
def test_a_cosignature_of_another_time_is_none(late: timedelta) -> None:
    given = Log().at(9)
    with pytest.raises(
        PlaceFailed, match=r"^It signed with the time 20..-..-..T..:..:..Z, which is not now: its clock is wrong, or this machine's\.$"
    ):
        deposit(reply(OURS.line(given.note, late).encode()), given)


def test_the_empty_log_and_the_first_checkpoint_are_handed_over_without_a_proof() -> None:
    asked: list[Request] = []
    given = Log().at(9)

    def answer(request: Request) -> bytes:
        asked.append(request)
        return reply(OURS.line(given.note).encode())

    with answering(answer) as url:
        Witness(f"{url}/log/", read_witness_key(OURS.vkey)).deposit(given, 0)
        Witness(f"{url}/log", read_witness_key(OURS.vkey)).deposit(given, 4)
    proof = "".join(f"{base64.b64encode(step).decode()}\n" for step in given.consistency(4))
    assert [request.body.decode() for request in asked] == [f"old 0\n\n{given.note}", f"old 4\n{proof}\n{given.note}"]
    assert {request.head.split(b"\r\n")[0] for request in asked} == {b"POST /log/add-checkpoint HTTP/1.1"}


def test_another_past_of_the_same_size_is_understood_in_the_protocol_s_first_version_too() -> None:
    """There it is a 409 (c2sp.org/tlog-witness before 1.1), not a 422."""
    with pytest.raises(PlaceAhead, match=r"^It has signed for 9 entries of this log which are not the first 9"):
        deposit([of_size(9), of_size(9)], Log().at(9))


def test_a_first_checkpoint_that_is_refused_is_no_other_past() -> None:
    refused = reply(b"no proof", "422 Unprocessable Entity")
    with pytest.raises(PlaceFailed, match=r"^It answered 422: no proof\.$"):
        deposit(refused, Log().at(9))
    with pytest.raises(PlaceAhead, match=r"^It has signed for 4 entries of this log which are not the first 4"):
        deposit(refused, Log().at(9), last=4)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([of_size(4)], r"It answered 409 with the very size that it was told\."),
        ([of_size(5), of_size(6), of_size(5)], r"It answered 409 with another size each time: somebody else deposits there at the same moment\."),
        ([reply(b"5\n", "409 Conflict")], r"It answered 409 without the size that it knows\."),
        ([of_size("-1")], r"It answered 409 without the size that it knows\."),
        ([of_size("9" * 30)], r"It answered 409 without the size that it knows\."),
        ([of_size("05")], r"It answered 409 without the size that it knows\."),
        ([of_size("")], r"It answered 409 without the size that it knows\."),
        ([reply(b"<h1>Busy</h1>\x1b[31m\n try later.", "503 Service Unavailable")], r"It answered 503: <h1>Busy</h1> \[31m try later\."),
        ([reply(b"", "500 Internal Server Error")], r"It answered 500: it said nothing\."),
        (
            [reply(b"", "307 Temporary Redirect", "text/plain", "Location: /other")],
            r"It answered 307, a redirect, .+",
        ),
    ],
)
def test_an_answer_that_is_none_is_told_and_asked_for_again_later(answers: list[bytes], said: str) -> None:
    with pytest.raises(PlaceFailed, match=f"^{said}$"):
        deposit(answers, Log().at(9), last=4)


UNREADABLE = {
    "nothing": "",
    "a name only": "name",
    "no name": "+00000000+BA==",
    "a log's key": Log().signer.vkeys[0],
    "another key id": OURS.vkey.replace("+", "+0", 1),
    "cut off": OURS.vkey[:-4],
    "a blank": Cosigner("witness.example/w 2").vkey,
    "no base64": f"{OURS.vkey}\u00fc",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_witness_key_is_refused_with_the_form_that_it_has(what: str) -> None:
    with pytest.raises(ValueError, match=r"name\+8 hex digits\+base64, for Ed25519 cosignatures \(type 0x04\)"):
        read_witness_key(UNREADABLE[what])
