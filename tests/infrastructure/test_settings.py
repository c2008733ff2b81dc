from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest

from infrastructure.settings import Settings, SettingsError, load_settings


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _external() -> dict[str, str]:
    return {
        "GRANTBOOK_DATABASE_URL": "postgresql://web:hunter2@a,b/grantbook?target_session_attrs=read-write",
        "GRANTBOOK_SECRET_KEYS": f"{_key()},{_key()}",
        "GRANTBOOK_WRAPPING_KEYS": secrets.token_bytes(32).hex(),
        "GRANTBOOK_LEDGER_KEY": _key(),
        "GRANTBOOK_BASE_URL": "https://auth.example.com/",
    }


def _problems(environ: dict[str, str], cwd: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, cwd)
    return caught.value.problems


def test_without_any_setting_it_runs_embedded_on_this_machine_with_keys_of_its_own(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings.embedded
    assert settings.data_dir == tmp_path / ".grantbook"
    assert (settings.base_url, settings.host, settings.port) == ("http://localhost:8000", "127.0.0.1", 8000)
    assert (settings.workers, settings.threads, settings.trusted_proxies, settings.log) == (2, 8, 0, "pretty")
    assert [len(keys) for keys in (settings.secret_keys, settings.wrapping_keys, settings.ledger_key)] == [1, 1, 1]
    assert len({*settings.secret_keys, *settings.wrapping_keys, *settings.ledger_key}) == 3
    assert load_settings({}, tmp_path) == settings


def test_with_a_database_the_keys_are_read_newest_first(tmp_path: Path) -> None:
    environ = _external()
    settings = load_settings(environ, tmp_path)
    assert [base64.b64encode(key).decode() for key in settings.secret_keys] == environ["GRANTBOOK_SECRET_KEYS"].split(",")
    assert settings.wrapping_keys[0].hex() == environ["GRANTBOOK_WRAPPING_KEYS"]
    assert settings.base_url == "https://auth.example.com"
    assert settings.ledger_origin == "auth.example.com/ledger"
    assert not settings.embedded
    assert list(tmp_path.iterdir()) == []


def test_each_account_may_have_a_host_of_its_own(tmp_path: Path) -> None:
    settings = load_settings({**_external(), "GRANTBOOK_BASE_URL": "https://{account}.Example.com:8443/"}, tmp_path)
    assert settings.by_host
    assert (settings.base_url, settings.ledger_origin) == ("https://{account}.example.com:8443", "example.com:8443/ledger")
    here = load_settings({"GRANTBOOK_BASE_URL": "http://{account}.localhost:8000", "GRANTBOOK_GATEWAY_PORT": "8001"}, tmp_path)
    assert (here.port, here.gateway_url) == (8000, "http://{account}.localhost:8001")
    assert not load_settings(_external(), tmp_path).by_host


def test_with_a_database_every_root_key_is_required_and_all_are_named_at_once(tmp_path: Path) -> None:
    problems = _problems({"GRANTBOOK_DATABASE_URL": "host=db", "GRANTBOOK_PORT": "0", "GRANTBOOK_LOG": "xml"}, tmp_path)
    for name in ("SECRET_KEYS is missing", "WRAPPING_KEYS is missing", "LEDGER_KEY is missing", "PORT must be", "LOG must be json or pretty"):
        assert any(f"GRANTBOOK_{name}" in problem for problem in problems), name
    assert len(problems) == 5


def test_whatever_is_wrong_is_told_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "grantbook.toml").write_text("thread = 3\n")
    numbers = (
        "PORT", "GATEWAY_PORT", "METRICS_PORT", "WORKERS", "THREADS", "TRUSTED_PROXIES", "DRAIN_SECONDS", "SIGN_IN_LIMIT_PER_LOGIN",
        "SIGN_IN_LIMIT_PER_ADDRESS", "REGISTRATION_LIMIT_PER_ADDRESS", "AUTHORIZATION_LIMIT_PER_ADDRESS", "API_CALLS_PER_MINUTE",
        "LOOPBACK_LIMIT_FACTOR",
    )  # fmt: skip
    wrong = dict.fromkeys(numbers, "x") | {
        "DATABASE_URL": "nonsense=1", "DATABASE_READ_URL": "nonsense=1", "BASE_URL": "x", "SECRET_KEYS": "abc", "LEDGER_ORIGIN": "a b",
        "HOST": "a b", "LOG": "xml", "PROT": "80", "DATA_DIR": "~no-such-user-here/x",
    }  # fmt: skip
    problems = _problems({f"GRANTBOOK_{name}": value for name, value in wrong.items()}, tmp_path)
    told = [problem.partition(" ")[0] for problem in problems]
    expected = [f"GRANTBOOK_{name}" for name in (*wrong, "WRAPPING_KEYS", "LEDGER_KEY")] + [str(tmp_path / "grantbook.toml")]
    assert sorted(told) == sorted(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["grantbook.toml"]


def test_a_misspelt_name_in_the_environment_is_pointed_out_and_nothing_is_made(tmp_path: Path) -> None:
    assert _problems({"GRANTBOOK_SECRET_KEY": "x"}, tmp_path) == ["GRANTBOOK_SECRET_KEY is no setting; did you mean GRANTBOOK_SECRET_KEYS?"]
    assert list(tmp_path.iterdir()) == []
    load_settings({"GRANTBOOK_TEST_REQUIRE": "browser", "GRANTBOOK_RUN_FOLDER": "/x", "GRANTBOOK_WEB_PASSWORD": "x"}, tmp_path)


def test_a_data_directory_that_can_not_be_is_told_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    problems = _problems({"GRANTBOOK_DATA_DIR": "file/data", "GRANTBOOK_PORT": "x"}, tmp_path)
    assert len(problems) == 2
    assert "can't be written (Not a directory)" in problems[1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BASE_URL", "http://auth.example.com", "must begin with https:// unless"),
        ("BASE_URL", "https://auth.example.com/path", "without a path"),
        ("BASE_URL", "https://user:swordfish@auth.example.com", "without a path, query or user"),
        ("BASE_URL", "ftp://localhost", "must be a URL like"),
        ("BASE_URL", "https://host:99999", "is no URL"),
        ("BASE_URL", "https://x{account}.example.com", "as a whole part"),
        ("BASE_URL", "https://{tenant}.example.com", "as a whole part"),
        ("BASE_URL", "https://{account}", "that has others"),
        ("BASE_URL", "https://example.{account}", "that has others"),
        ("BASE_URL", "https://{account}.{account}.example.com", "once"),
        ("BASE_URL", "https://{account}.10.0.0.1", "of a host name"),
        ("BASE_URL", "https://{account}..example.com", "of a host name"),
        ("BASE_URL", "https://{account}}.example.com", "as a whole part"),
        ("BASE_URL", "http://{account}.example.com", "must begin with https:// unless"),
        ("SECRET_KEYS", "swordfish", "neither base64 nor hex"),
        ("SECRET_KEYS", base64.b64encode(b"swordfish").decode(), "of 9 bytes instead of 32"),
        ("SECRET_KEYS", "0" * 64, "no random one"),
        ("SECRET_KEYS", "ab" * 32 + "," + "ab" * 32, "no random one"),
        ("DATABASE_URL", "postgresql://u:swordfish@h/db?nonsense=1", "no libpq connection string"),
        ("WORKERS", "-1", "whole number from 1 to 256"),
        ("WORKERS", "two", "whole number"),
        ("PORT", "65536", "from 1 to 65535"),
        ("TRUSTED_PROXIES", "99", "from 0 to 16"),
        ("LEDGER_ORIGIN", "https://x/ledger", "without scheme"),
        ("HOST", "a b", "blanks"),
        ("DATA_DIR", "~no-such-user-here/x", "home folder of nobody"),
    ],
)
def test_a_wrong_value_is_refused_without_repeating_it(tmp_path: Path, name: str, value: str, said: str) -> None:
    problems = _problems({**_external(), f"GRANTBOOK_{name}": value}, tmp_path)
    assert len(problems) == 1
    assert problems[0].startswith(f"GRANTBOOK_{name} ")
    assert said in problems[0]
    assert "swordfish" not in problems[0]


def test_one_key_may_not_serve_two_purposes(tmp_path: Path) -> None:
    environ = _external()
    environ["GRANTBOOK_LEDGER_KEY"] = environ["GRANTBOOK_WRAPPING_KEYS"]
    assert "each kind needs its own" in _problems(environ, tmp_path)[0]


def test_owner_and_web_role_may_not_be_the_same(tmp_path: Path) -> None:
    environ = {**_external(), "GRANTBOOK_OWNER_DATABASE_URL": "host=a user=web"}
    assert "name the same role" in _problems(environ, tmp_path)[0]
    assert "stands without GRANTBOOK_DATABASE_URL" in _problems({"GRANTBOOK_OWNER_DATABASE_URL": "host=a user=web"}, tmp_path)[0]


def test_secrets_and_passwords_do_not_show_in_the_representation(tmp_path: Path) -> None:
    shown = repr(load_settings(_external(), tmp_path))
    assert "hunter2" not in shown
    assert "key" not in shown


def test_the_file_gives_what_the_environment_does_not(tmp_path: Path) -> None:
    (tmp_path / "grantbook.toml").write_text('port = 9000\nworkers = 3\ntrusted_proxies = 1\nlog = "json"\nGRANTBOOK_THREADS = 5\n')
    settings = load_settings({"GRANTBOOK_WORKERS": "4", "GRANTBOOK_LOG": ""}, tmp_path)
    assert (settings.port, settings.workers, settings.threads, settings.log) == (9000, 4, 5, "json")
    assert settings.base_url == "http://localhost:9000"


def test_a_misspelt_name_in_the_file_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "grantbook.toml").write_text("thread = 3\n")
    assert "did you mean 'threads'?" in _problems({}, tmp_path)[0]


def test_a_file_that_is_named_must_exist_and_be_readable(tmp_path: Path) -> None:
    assert "doesn't exist" in _problems({"GRANTBOOK_CONFIG": "other.toml"}, tmp_path)[0]
    (tmp_path / "other.toml").write_text("port = \n")
    assert "can't be read" in _problems({"GRANTBOOK_CONFIG": "other.toml"}, tmp_path)[0]


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    environ = _external()
    (tmp_path / "secret").write_text(environ.pop("GRANTBOOK_LEDGER_KEY") + "\n")
    assert len(load_settings({**environ, "GRANTBOOK_LEDGER_KEY_FILE": str(tmp_path / "secret")}, tmp_path).ledger_key) == 1
    assert "can't be read from" in _problems({**environ, "GRANTBOOK_LEDGER_KEY_FILE": str(tmp_path / "none")}, tmp_path)[0]
    both = {**environ, "GRANTBOOK_LEDGER_KEY": _key(), "GRANTBOOK_LEDGER_KEY_FILE": str(tmp_path / "secret")}
    assert "stands beside" in _problems(both, tmp_path)[0]


def _with(tmp_path: Path, **more: str) -> Settings:
    return load_settings({**_external(), **{f"GRANTBOOK_{name}": value for name, value in more.items()}}, tmp_path)


def test_the_gateway_has_its_own_port_here_and_is_joined_by_the_proxy_elsewhere(tmp_path: Path) -> None:
    assert _with(tmp_path, BASE_URL="http://localhost:8000", GATEWAY_PORT="8001").gateway_url == "http://localhost:8001"
    assert _with(tmp_path, BASE_URL="http://[::1]:8000", GATEWAY_PORT="8001").gateway_url == "http://[::1]:8001"
    assert _with(tmp_path, BASE_URL="http://localhost:8000").gateway_url == "http://localhost:8000"
    assert _with(tmp_path, BASE_URL="https://{account}.example.com", GATEWAY_PORT="8001").gateway_url == "https://{account}.example.com"


def test_the_port_is_the_one_of_the_url_unless_a_proxy_has_that(tmp_path: Path) -> None:
    assert _with(tmp_path, BASE_URL="http://localhost:9123").port == 9123
    assert _with(tmp_path, BASE_URL="https://auth.example.com:8443").port == 8000
    assert _with(tmp_path, BASE_URL="http://localhost:9123", PORT="7000").port == 7000


def test_limits_are_settings(tmp_path: Path) -> None:
    limits = _with(tmp_path, SIGN_IN_LIMIT_PER_LOGIN="3", LOOPBACK_LIMIT_FACTOR="7").limits
    assert (limits.sign_in_per_login, limits.loopback_factor) == (3, 7)
    assert "SIGN_IN_LIMIT_PER_LOGIN must be" in _problems({**_external(), "GRANTBOOK_SIGN_IN_LIMIT_PER_LOGIN": "0"}, tmp_path)[0]


def test_a_data_directory_that_can_not_be_made_is_one_of_the_problems(tmp_path: Path) -> None:
    (tmp_path / ".grantbook").write_text("")
    assert "can't be written" in _problems({}, tmp_path)[0]
