"""Makes the embedded PostgreSQL's cluster: initdb without trust, and who may connect as which role."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from pathlib import Path

from infrastructure.data_dir import EmbeddedError
from infrastructure.database import OWNER_ROLE, WEB_ROLE
from infrastructure.embedded_places import MAJOR, Places
from infrastructure.embedded_user import ServerUser

SUPERUSER = "postgres"


def prepare_cluster(places: Places, programs: Path, user: ServerUser) -> None:
    """Make the cluster where there is none; refuse one that this PostgreSQL can't open."""
    cluster = places.cluster
    for left_over in places.home.glob("postgres.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    if cluster.exists():
        _refuse_other_version(cluster)
    else:
        _make(cluster, programs, user)
    _write_access_rules(cluster, user)


def _make(cluster: Path, programs: Path, user: ServerUser) -> None:
    """Under another name first, so that an interrupted initdb never passes for a cluster."""
    fresh = cluster.with_name(f"{cluster.name}.new-{secrets.token_hex(4)}")
    try:
        fresh.mkdir(mode=0o700)
        user.own(fresh)
        result = user.run(
            [
                *(programs / "initdb", "-D", fresh, "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                *("-c", "timezone=UTC", "-c", "log_timezone=UTC"),
            ]
        )
        if result.returncode != 0:
            said = (result.stderr.strip() or result.stdout.strip()).splitlines() or [""]
            raise EmbeddedError(f"PostgreSQL can't make its files in {fresh.parent}: {said[-1]}")
        fresh.rename(cluster)
    except OSError as error:
        raise EmbeddedError(f"PostgreSQL can't make its files in {fresh.parent}: {error.strerror}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _refuse_other_version(cluster: Path) -> None:
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedError(f"{cluster} is no PostgreSQL data directory: move it away, or name another data directory.") from None
    except OSError as error:
        raise EmbeddedError(f"The database in {cluster} belongs to another user ({error.strerror}): run Grantbook as that user.") from error
    if found != str(MAJOR):
        raise EmbeddedError(
            f"The database in {cluster} was made by PostgreSQL {found}, and this Grantbook runs PostgreSQL {MAJOR}: move it away to "
            f"begin anew, or dump it with PostgreSQL {found} and load it into an external one (GRANTBOOK_DATABASE_URL)."
        )


def _write_access_rules(cluster: Path, user: ServerUser) -> None:
    """Peer only: the kernel says who connects, and only the user we run as (and the server's own) may be our roles."""
    names = {user.name, pwd.getpwuid(os.geteuid()).pw_name}
    lines = [f'grantbook "{name}" {role}\n' for name in sorted(names) for role in (SUPERUSER, OWNER_ROLE, WEB_ROLE)]
    _replace(cluster / "pg_ident.conf", "".join(lines), user)
    _replace(cluster / "pg_hba.conf", "local all all peer map=grantbook\n", user)


def _replace(path: Path, text: str, user: ServerUser) -> None:
    """The folder is the server's: as root, never write through a link that stands in it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if user.changes:
            os.fchown(descriptor, user.uid, user.gid)
    fresh.replace(path)
