from __future__ import annotations

import base64
import secrets
import stat
import threading
from pathlib import Path

import pytest

from infrastructure.data_dir import DataDirError
from infrastructure.root_keys import RootKeys, kept_root_keys, parse_keys


def test_keys_are_made_once_and_kept_for_us_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    keys = kept_root_keys(data_dir)
    assert kept_root_keys(data_dir) == keys
    for kind in ("secret", "wrapping", "ledger"):
        assert stat.S_IMODE((data_dir / f"{kind}.keys").stat().st_mode) == 0o600


def test_starts_that_race_agree_on_the_keys(tmp_path: Path) -> None:
    made: list[RootKeys] = []
    threads = [threading.Thread(target=lambda: made.append(kept_root_keys(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_a_key_put_first_in_the_file_is_the_newest(tmp_path: Path) -> None:
    (old,) = kept_root_keys(tmp_path).secret
    new = secrets.token_bytes(32)
    (tmp_path / "secret.keys").write_text(f"{base64.b64encode(new).decode()}\n{old.hex()}\n")
    assert kept_root_keys(tmp_path).secret == (new, old)


@pytest.mark.parametrize("lost", [["wrapping.keys"], ["secret.keys", "ledger.keys"]])
def test_a_lost_key_is_never_replaced_by_a_new_one(tmp_path: Path, lost: list[str]) -> None:
    kept_root_keys(tmp_path)
    for name in lost:
        (tmp_path / name).unlink()
    with pytest.raises(DataDirError, match=f"{lost[0]} is missing beside the data that needs it: restore it"):
        kept_root_keys(tmp_path)


@pytest.mark.parametrize("database", ["postgres", "postgres.path"])
def test_a_database_without_any_key_gets_no_new_ones(tmp_path: Path, database: str) -> None:
    (tmp_path / database).mkdir()
    with pytest.raises(DataDirError, match="missing beside the data"):
        kept_root_keys(tmp_path)


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    kept_root_keys(tmp_path)
    (tmp_path / "ledger.keys").chmod(0o644)
    with pytest.raises(DataDirError, match="chmod 600"):
        kept_root_keys(tmp_path)


def test_a_damaged_file_is_named_and_its_content_is_not(tmp_path: Path) -> None:
    kept_root_keys(tmp_path)
    (tmp_path / "ledger.keys").write_text("swordfish")
    with pytest.raises(DataDirError, match=r"ledger.keys is damaged \(it holds a key \(number 1\) that is neither base64 nor hex\)") as caught:
        kept_root_keys(tmp_path)
    assert "swordfish" not in str(caught.value)


def test_base64_is_read_in_both_alphabets_with_and_without_padding() -> None:
    key = bytes(range(224, 256))
    for text in (base64.b64encode(key), base64.urlsafe_b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
        assert parse_keys(text.decode()) == (key,)
    assert parse_keys(f" {key.hex()} ,, ") == (key,)


def test_an_empty_list_and_a_repeated_key_are_refused() -> None:
    key = secrets.token_bytes(32)
    with pytest.raises(ValueError, match="holds no key"):
        parse_keys(" , ")
    with pytest.raises(ValueError, match="same key twice"):
        parse_keys(f"{key.hex()},{base64.b64encode(key).decode()}")
