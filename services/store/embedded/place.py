"""Where the cluster of a DATA_DIR lives: in DATA_DIR, or, where the account that runs it cannot get there, below /var/lib."""

import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.store.embedded.account import (
    Account,
    EmbeddedPostgresError,
    own_account,
    owner_of,
    running_as_root,
    unprivileged_account,
)

SYSTEM_FOLDER = Path("/var/lib/firstlight")
"""Root's only: clusters whose DATA_DIR lies below a folder that is closed to others, and copies of the programs."""

POINTER = "postgres.location"
"""In DATA_DIR: the path of a cluster that lives below SYSTEM_FOLDER."""

SOCKET_PORT = 5432
"""Part of a socket's file name. The default, so that a client which reads no port from a URL finds the socket all the same."""

LONGEST_SOCKET_PATH = 103
"""Bytes: macOS allows 103, Linux 107."""

USER = "firstlight"
DATABASE = "firstlight"


@dataclass(frozen=True, slots=True)
class Home:
    """One cluster with what belongs to it. `folder` is the account's, mode 0700."""

    folder: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        return self.folder / "socket"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def password(self) -> Path:
        return self.folder / "password"

    def socket_usable(self) -> bool:
        """Whether the socket's path is short enough, and free of characters that PostgreSQL or a URL would take apart."""
        path = str(self.sockets / f".s.PGSQL.{SOCKET_PORT}")
        return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and re.fullmatch(r"[\w/.+-]+", path, re.ASCII) is not None

    def url(self, port: int | None, *, database: str = DATABASE) -> str:
        """By the socket for `None`, else by the port on 127.0.0.1. Holds the password."""
        login = f"{USER}:{self.password.read_text('ascii').strip()}"
        if port is None:
            return f"postgresql://{login}@/{database}?host={quote(str(self.sockets))}&port={SOCKET_PORT}"
        return f"postgresql://{login}@127.0.0.1:{port}/{database}"


def open_home(data_dir: Path) -> Home:
    """The home of an absolute DATA_DIR, made if absent. The caller holds the lock of DATA_DIR. Raises `EmbeddedPostgresError`."""
    inside, pointer = data_dir / "postgres", data_dir / POINTER
    try:
        if running_as_root():
            return _home_for_root(data_dir, inside, pointer)
        if pointer.exists():
            raise _not_ours(data_dir, "was filled by root, in a folder outside it")
        if inside.exists() and inside.stat().st_uid != os.geteuid():
            raise _not_ours(data_dir, "holds a database of another account")
        return _make(inside, own_account())
    except OSError as error:
        raise EmbeddedPostgresError(
            f"DATA_DIR {data_dir} cannot be used: {error.strerror} ({error.filename}).",
            "Set DATA_DIR to a folder that you can write to.",
        ) from error


def _home_for_root(data_dir: Path, inside: Path, pointer: Path) -> Home:
    nobody = unprivileged_account()
    if pointer.exists():
        folder = _pointed_at(pointer)
        return _make(folder, owner_of(folder))
    if inside.exists():
        return _make(inside, _owner_for_root(inside, nobody))
    if nobody.can_enter(data_dir):
        return _make(inside, nobody)
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    home = _make(SYSTEM_FOLDER / f"postgres-{secrets.token_hex(6)}", nobody)
    _write_whole(pointer, f"{home.folder}\n")
    return home


def _owner_for_root(folder: Path, nobody: Account) -> Account:
    """Who runs a cluster that is there already: an ordinary user who made it keeps it."""
    owner = owner_of(folder)
    if folder.is_symlink() or owner.uid == 0:
        raise EmbeddedPostgresError(
            f"The database in {folder} belongs to root or is a symbolic link, and PostgreSQL does not run as root.",
            f"Make it a folder of the account that is to run it: chown -R {nobody.uid}:{nobody.gid} {folder}",
        )
    if not owner.can_enter(folder):
        raise EmbeddedPostgresError(
            f"The database in {folder} cannot be reached by account {owner.uid}, its owner: a folder above is closed to others.",
            "Open those folders to others (chmod o+x), or set DATA_DIR to another folder.",
        )
    return owner


def _pointed_at(pointer: Path) -> Path:
    """Root acts on what the pointer names, and others may be able to write DATA_DIR: only our own folders are followed."""
    name = Path(pointer.read_text("utf-8").strip())
    if name.parent != SYSTEM_FOLDER or not name.is_dir() or name.is_symlink():
        raise EmbeddedPostgresError(
            f"{pointer} names a folder that does not exist or is not in {SYSTEM_FOLDER}.",
            f"Restore that folder, or remove {pointer} to start with an empty database.",
        )
    return name


def _not_ours(data_dir: Path, what: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"DATA_DIR {data_dir} {what}.", "Start as the account that made it, or set DATA_DIR to another folder."
    )


def _make(folder: Path, account: Account) -> Home:
    home = Home(folder, account)
    for path in (home.folder, home.sockets):
        if not path.is_dir():
            path.mkdir(mode=0o700)
            account.give(path)
    return home


def make_data_dir(data_dir: Path) -> Path:
    """The absolute path of DATA_DIR, made if absent: closed to others, except that root's lets others pass through."""
    resolved = data_dir.expanduser().resolve()
    if not resolved.is_dir():
        resolved.mkdir(parents=True)
        resolved.chmod(0o711 if running_as_root() else 0o700)
    return resolved


def _write_whole(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as scratch:
        scratch.write(text)
        scratch.flush()
        os.fsync(scratch.fileno())
    Path(scratch.name).rename(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a file's lock; the kernel lets it go when this process ends, however it does. Raises `BlockingIOError` at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def lock_holder(path: Path) -> str:
    """The process number that the holder of a lock wrote, or a question mark."""
    try:
        return path.read_text("ascii").strip() or "?"
    except OSError:
        return "?"
