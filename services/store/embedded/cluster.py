"""The files of a cluster: making its data folder, reading its state, its log."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from services.store.embedded.account import EmbeddedPostgresError
from services.store.embedded.binaries import Binaries, find_binaries
from services.store.embedded.place import SOCKET_PORT, SYSTEM_FOLDER, USER, Home

INITDB_TIMEOUT_S = 120
LOG_LIMIT_BYTES = 8 * 1024 * 1024

SETTINGS = MappingProxyType(
    {
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # A failing statement's message can quote values of people: its caller gets it, the log only the server's own events.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
    }
)


def prepare(home: Home) -> Binaries:
    """The programs, and beside them a data folder that they can open. Raises `EmbeddedPostgresError`."""
    binaries = find_binaries(home.account, SYSTEM_FOLDER)
    if not home.data.exists():
        _initialise(home, binaries)
    found = (home.data / "PG_VERSION").read_text("ascii").strip()
    if found != binaries.major:
        raise EmbeddedPostgresError(
            f"{home.data} was written by PostgreSQL {found}; the programs here are of PostgreSQL {binaries.major}.",
            f"Use PostgreSQL {found}, or dump with it and restore into another DATA_DIR.",
        )
    if not home.password.exists():
        raise EmbeddedPostgresError(
            f"The file {home.password} is missing, and without it nobody can log in.",
            "Restore it, or set DATA_DIR to another folder.",
        )
    return binaries


def _initialise(home: Home, binaries: Binaries) -> None:
    """Makes the data folder beside its place and moves it there: whole or absent, also after a kill."""
    for left_over in home.folder.glob("initdb-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="initdb-", dir=home.folder))
    password = scratch / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24) + "\n", "ascii")
    for path in (scratch, password):
        home.account.give(path)
    command: list[str | Path] = [binaries.initdb, "--pgdata", scratch / "data", f"--username={USER}", f"--pwfile={password}"]
    try:
        home.account.run([*command, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"], timeout_s=INITDB_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        detail = str(getattr(error, "stderr", None) or error).strip()
        raise EmbeddedPostgresError(
            f"A database could not be made in {home.folder}: {detail}", "See to that, or set DATA_DIR or DATABASE_URL."
        ) from error
    # The password first: a data folder without it would be lost.
    password.rename(home.password)
    (scratch / "data").rename(home.data)
    scratch.rmdir()


def server_command(home: Home, binaries: Binaries, options: Mapping[str, str], port: int | None) -> list[str]:
    """`postgres` on the socket for `None`, else on a port of 127.0.0.1. `options` win over our own settings."""
    if port is None:
        where = {"listen_addresses": "", "unix_socket_directories": str(home.sockets), "port": str(SOCKET_PORT)}
    else:
        where = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    settings = {**SETTINGS, **options, **where}
    return [str(binaries.postgres), "-D", str(home.data), *(f"--{name}={value}" for name, value in settings.items())]


def postmaster(home: Home) -> int | None:
    """The process number in the data folder's `postmaster.pid`. It may be of a server that is gone."""
    lines = _postmaster_lines(home)
    return int(lines[0]) if lines and re.fullmatch(r"[1-9]\d*", lines[0].strip()) else None


def accepts_connections(home: Home) -> bool:
    lines = _postmaster_lines(home)
    return len(lines) >= 8 and lines[7].strip() == "ready"


def forget_postmaster(home: Home) -> None:
    """Removes the lock files of a server that is gone: PostgreSQL would not start if another process had its number by now."""
    for lock in (home.data / "postmaster.pid", home.sockets / f".s.PGSQL.{SOCKET_PORT}.lock"):
        lock.unlink(missing_ok=True)


def serves(pid: int, home: Home) -> bool:
    """Whether this process is a PostgreSQL server on this data folder, in which servers work."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == home.data
        except OSError:
            return False
    try:
        command = home.account.run(["ps", "-o", "command=", "-p", str(pid)], timeout_s=5)
    except (OSError, subprocess.SubprocessError):
        return False
    return "postgres" in command and str(home.data) in command


def open_log(home: Home) -> BinaryIO:
    """The server's log, at its end; begun anew past LOG_LIMIT_BYTES. The caller closes it."""
    descriptor = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    output = os.fdopen(descriptor, "ab", buffering=0)
    if output.seek(0, os.SEEK_END) > LOG_LIMIT_BYTES:
        output.truncate(0)
    return output


def log_since(home: Home, position: int) -> str:
    with home.log.open("rb") as written:
        written.seek(position)
        return written.read(LOG_LIMIT_BYTES).decode("utf-8", "replace")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _postmaster_lines(home: Home) -> list[str]:
    try:
        return (home.data / "postmaster.pid").read_text("utf-8").splitlines()
    except OSError:
        return []
