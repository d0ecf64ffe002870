"""Who runs PostgreSQL's programs: we ourselves, or, because PostgreSQL refuses root, an account without rights."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHILD_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
"""All that PostgreSQL's programs see: no PG*, no LD_LIBRARY_PATH, no locale of the caller."""

UNPRIVILEGED = "nobody"
FALLBACK_ID = 65534
"""The number that Linux uses where an account has no name."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used. The text says why and what to do, names files and holds no secret."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Account:
    """`switch` is true where we are root and programs must run as `uid` and `gid`, without further groups."""

    uid: int
    gid: int
    switch: bool

    def give(self, path: Path) -> None:
        """Makes a file or folder of ours this account's. A symbolic link is not followed."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_enter(self, folder: Path) -> bool:
        """Whether the kernel lets this account into a folder through all folders above it."""
        try:
            self.run(["test", "-x", folder], timeout_s=5)
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def run(self, command: Sequence[str | Path], *, timeout_s: float) -> str:
        """The standard output of a finished program, run apart from our terminal.

        Raises `OSError` (not found, not allowed) and `subprocess.SubprocessError` (it failed, or ran past `timeout_s`).
        """
        switch: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own programs, no shell
            command,
            check=True,
            capture_output=True,
            cwd="/",
            encoding="utf-8",
            env=CHILD_ENVIRONMENT,
            errors="replace",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            **switch,
        )
        return done.stdout


def running_as_root() -> bool:
    return os.geteuid() == 0


def own_account() -> Account:
    return Account(os.geteuid(), os.getegid(), switch=False)


def unprivileged_account() -> Account:
    """`nobody`, for root."""
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        return Account(FALLBACK_ID, FALLBACK_ID, switch=True)
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def owner_of(path: Path) -> Account:
    """The owner of an existing file or folder, for root."""
    status = path.lstat()
    return Account(status.st_uid, status.st_gid, switch=True)
