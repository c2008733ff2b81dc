"""The settings that say where checkpoints of the ledger are deposited outside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infrastructure.settings_source import Source, a_folder, a_number, an_http_url

_REMOTE = re.compile(r"(?:https?|ssh|file)://\S+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:\S+")
_ADDRESS = re.compile(r"@(?=https?://)")


@dataclass(frozen=True, slots=True)
class Deposits:
    """Each place that is set; `seconds` is the least time between two deposits at one of them."""

    folder: Path | None = None
    witnesses: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Verifier key and submission prefix of each."""
    timestamp: str | None = field(default=None, repr=False)
    timestamp_ca: str = field(default="", repr=False)
    """The certificates that its tokens must come from, as PEM."""
    git: str | None = field(default=None, repr=False)
    seconds: int = 900


def read_deposits(source: Source, folder: Path) -> Deposits:
    """All of them; what is wrong stands in `source.errors`."""
    default = Deposits()
    timestamp = source.read("LEDGER_DEPOSIT_TIMESTAMP", _a_service, None)
    ca = source.read("LEDGER_DEPOSIT_TIMESTAMP_CA", lambda text: _certificates(folder / a_folder(text)), "")
    if source.holds("LEDGER_DEPOSIT_TIMESTAMP") != source.holds("LEDGER_DEPOSIT_TIMESTAMP_CA"):
        source.errors.append(
            "GRANTBOOK_LEDGER_DEPOSIT_TIMESTAMP and GRANTBOOK_LEDGER_DEPOSIT_TIMESTAMP_CA go together: an authority, and whom its "
            "certificate comes from."
        )
    given = source.read("LEDGER_DEPOSIT_FOLDER", a_folder, None)
    return Deposits(
        folder=None if given is None else folder / given,
        witnesses=source.read("LEDGER_DEPOSIT_WITNESS", _witnesses, default.witnesses),
        timestamp=timestamp,
        timestamp_ca=ca,
        git=source.read("LEDGER_DEPOSIT_GIT", lambda text: _a_repository(text, folder), None),
        seconds=source.read("LEDGER_DEPOSIT_SECONDS", a_number(1, 604_800), default.seconds),
    )


def _a_service(text: str) -> str:
    """A URL without blanks, query or fragment."""
    parts = urlsplit(an_http_url(text))
    if len(text.split()) != 1 or parts.query or parts.fragment:
        raise ValueError("must be a URL like https://tsa.example/stamp, without blanks, query and fragment")
    return text


def _witnesses(text: str) -> tuple[tuple[str, str], ...]:
    from infrastructure.ledger.deposits.cosignatures import read_witness_key

    found: dict[str, tuple[str, str]] = {}
    for each in text.replace(",", " ").split():
        vkey, address = [*_ADDRESS.split(each, maxsplit=1), ""][:2]
        if not address:
            raise ValueError("holds a witness without its address: each is VKEY@URL, several are separated by blanks")
        name = read_witness_key(vkey).name
        if name in found:
            raise ValueError(f"names the witness {name} twice")
        found[name] = vkey, _a_service(address)
    return tuple(found.values())


def _certificates(path: Path) -> str:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        text = path.read_text(encoding="utf-8")
        load_pem_x509_certificates(text.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"names a file that can't be read ({type(error).__name__})") from None
    except ValueError:
        raise ValueError("names a file without certificates in PEM form") from None
    return text


def _a_repository(text: str, folder: Path) -> str:
    """An address, or the path of a repository on this machine: as git takes them, but none that runs a program."""
    if _REMOTE.fullmatch(text):
        if not _readable(text):
            raise ValueError("is no address that can be read: it must name a server, as https://git.example/audit.git does")
        return text
    if "://" in text or "::" in text or text.startswith("-") or "\n" in text:
        raise ValueError("must be a path, or an address that begins with https://, ssh://, file:// or user@host:")
    return str(folder / a_folder(text))


def _readable(address: str) -> bool:
    """Whether it names a server (of a file none is needed), and nothing in it can't be told to a program."""
    if "://" not in address:
        return True
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return (bool(host) or parts.scheme == "file") and unquote(parts.netloc).isprintable()
