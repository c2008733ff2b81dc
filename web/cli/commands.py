"""What all commands share: the options `--data-dir`, `--account` and `--json`, passwords from standard input, and exit codes."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from web.cli.output import Output
from web.cli.store import open_cli

REFUSED, USAGE, INTERRUPTED = 1, 2, 130
_LONGEST_LINE = 4096

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), metavar="D", help="The data directory.  [default: GRANTBOOK_DATA_DIR or .grantbook]"
)
account_option = click.option("--account", metavar="SLUG", help="The account, where the store holds several.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input; else one is made and printed once.")


class Named(click.ParamType[str]):
    """What narrows a list or an answer: an empty value, as of a variable that isn't set, would widen it to everything."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        return text or self.fail("nothing stands behind it; leave it out for all.", param, ctx)


PERSON: dict[str, Any] = {"type": Named(), "metavar": "EMAIL", "help": "A person, by e-mail address, id or name."}
APP: dict[str, Any] = {"type": Named(), "metavar": "CLIENT_ID", "help": "An app, by client id, stream id or name."}
PROJECT: dict[str, Any] = {"type": Named(), "metavar": "NAME", "help": "By name or id."}
SCOPE: dict[str, Any] = {"type": Named(), "metavar": "SCOPE"}
user_option = click.option("--user", **PERSON)
client_option = click.option("--client", "client_ref", **APP)
project_filter = click.option("--project", **PROJECT)
scope_filter = click.option("--scope", **SCOPE)
yes_option = click.option("--yes", is_flag=True, help="Don't ask.")


def store_command(group: click.Group, name: str, **attributes: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command whose function takes the opened store first (`web.cli.store.Cli`)."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(*, data_dir: Path | None, account: str | None, as_json: bool, **options: Any) -> None:
            with open_cli(Output(as_json), data_dir, account) as cli:
                function(cli, **options)

        return group.command(name, **attributes)(data_dir_option(account_option(json_option(run))))

    return decorate


def given_password(from_stdin: bool) -> tuple[str, bool]:
    """The password from standard input, or a new one; and whether it was made here and must be shown."""
    if not from_stdin:
        from application.password_rules import made

        return made(), True
    line = sys.stdin.readline(_LONGEST_LINE)
    password = line.rstrip("\r\n")
    if not password:
        raise click.UsageError("--password-stdin: standard input holds no password.")
    return password, False


def run(cli: click.Group) -> None:
    """Run the command line: exit 0 done, 1 refused, 2 usage; each error one sentence on standard error."""
    try:
        cli.main(prog_name="grantbook")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has closed it: nothing more to say, not even at exit.
        sys.stdout = None  # keeps the interpreter from flushing it
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  # told apart below, and raised again if it is a mistake of ours
        code, sentence = _explained(error)
        if isinstance(error, OSError) and error.filename is None:
            sys.stdout = None  # it is what can't be written
        sys.stderr.write(f"{sentence}\n")
        sys.exit(code)


def _explained(error: Exception) -> tuple[int, str]:
    """Exit code and words of every error that a person can do something about; anything else is a mistake of ours."""
    from application.ports import Busy
    from domain.errors import DomainError, InvalidInput
    from infrastructure.data_dir import EmbeddedError
    from infrastructure.database import DatabaseUnavailable
    from infrastructure.login_keys import LoginKeyLost
    from infrastructure.migrations import MigrationError
    from infrastructure.ports_in_use import PortInUse
    from infrastructure.run_lock import AlreadyRunning
    from infrastructure.settings import SettingsError
    from web.cli.store import NoStore

    if isinstance(error, InvalidInput):
        return USAGE, f"Error: {error.message}"
    if isinstance(error, DomainError):
        return REFUSED, f"Refused: {error.message}"
    if isinstance(error, OSError) and error.filename is not None:
        return REFUSED, f"Error: {error.filename} can't be read or written ({error.strerror})."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return REFUSED, "Error: there is no space left where the output goes."
    if isinstance(error, SettingsError):
        return USAGE, "\n".join(f"Error: {problem}" for problem in error.problems)
    if isinstance(error, (AlreadyRunning, EmbeddedError, DatabaseUnavailable, LoginKeyLost, MigrationError, PortInUse, NoStore, Busy)):
        return REFUSED, f"Error: {error}"
    raise error
