from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from infrastructure.ledger.deposits.configured import configured
from infrastructure.settings import Settings, SettingsError, load_settings
from infrastructure.settings_deposits import Deposits

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def vkey(name: str, kind: int = 4) -> str:
    raw = bytes([kind]) + KEY.public_key().public_bytes_raw()
    return f"{name}+{hashlib.sha256(name.encode() + bytes([10]) + raw).digest()[:4].hex()}+{base64.b64encode(raw).decode()}"


def certificate() -> bytes:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(1)
    return builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(KEY, None).public_bytes(Encoding.PEM)


def read(cwd: Path, **settings: str) -> Settings:
    return load_settings({f"GRANTBOOK_LEDGER_DEPOSIT_{name}": value for name, value in settings.items()}, cwd)


def test_without_any_of_them_there_is_no_place(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path).deposits == Deposits()
    assert configured(Deposits()) == ()


def test_each_place_is_read_and_named_without_a_path_or_password(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate())
    settings = read(
        tmp_path,
        FOLDER="disk/deposits",
        GIT="https://writer:hunter2@git.example/audit/ledger.git",
        WITNESS=f"{vkey('witness.example/w1')}@https://one.example/log {vkey('w2.example')}@http://localhost:8080",
        TIMESTAMP="http://tsa.example/stamp",
        TIMESTAMP_CA="ca.pem",
        SECONDS="60",
    )
    assert settings.deposits.folder == tmp_path / "disk" / "deposits"
    assert settings.deposits.seconds == 60
    assert settings.deposits.witnesses == ((vkey("witness.example/w1"), "https://one.example/log"), (vkey("w2.example"), "http://localhost:8080"))
    assert [(place.kind, place.name) for place in configured(settings.deposits)] == [
        ("folder", "deposits"), ("git", "git.example/audit/ledger.git"), ("witness", "witness.example/w1"), ("witness", "w2.example"),
        ("timestamp", "tsa.example/stamp"),
    ]  # fmt: skip
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "given",
    ["audit.git", "~/audit.git", "/srv/audit.git", "git@git.example:audit/ledger.git", "ssh://git.example/a", "file:///a", "https://[::1]:8443/a"],
)
def test_a_repository_is_a_path_or_an_address(tmp_path: Path, given: str) -> None:
    git = read(tmp_path, GIT=given).deposits.git
    assert git is not None
    assert git == given if "@" in given or "://" in given else Path(git).is_absolute()


def test_all_wrong_ones_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(SettingsError) as caught:
        read(
            tmp_path,
            GIT="ext::sh -c id",
            WITNESS=vkey("witness.example/w1"),
            TIMESTAMP="ftp://user:hunter2@tsa.example",
            TIMESTAMP_CA="no.pem",
            SECONDS="0",
        )
    said = "\n".join(caught.value.problems)
    for name in ("GIT", "WITNESS", "TIMESTAMP", "TIMESTAMP_CA", "SECONDS"):
        assert f"GRANTBOOK_LEDGER_DEPOSIT_{name} " in said
    assert len(caught.value.problems) == 5
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"WITNESS": f"{vkey('w', kind=1)}@https://one.example"}, "a witness key that can't be read"),
        ({"WITNESS": f"{vkey('w')}@https://one.example,{vkey('w')}@https://two.example"}, "names the witness w twice"),
        ({"WITNESS": f"{vkey('w')}@https://one.example/?x=1"}, "without blanks, query and fragment"),
        ({"TIMESTAMP": "https://tsa.example"}, "go together"),
        ({"TIMESTAMP_CA": "away.pem"}, "can't be read"),
        ({"GIT": "--upload-pack=id"}, "must be a path, or an address"),
        ({"GIT": "git://git.example/a"}, "must be a path, or an address"),
        ({"GIT": "https://[::1/x"}, "is no address that can be read: it must name a server"),
        ({"GIT": "ssh://git@[git.example]/x"}, "is no address that can be read: it must name a server"),
        ({"GIT": "https://git.example:port/x"}, "is no address that can be read: it must name a server"),
        ({"GIT": "https:///x"}, "is no address that can be read: it must name a server"),
        ({"GIT": "https://me:pass%00word@git.example/x"}, "is no address that can be read: it must name a server"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(tmp_path, **settings)
