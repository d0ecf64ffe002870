"""The launcher against real processes: restarts, killed owners, folders that are closed to others."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import databases
import pytest

from services.store.embedded import EmbeddedPostgresError, Lifeline, binaries, cluster, embedded_postgres, place, server
from services.store.embedded.account import running_as_root, unprivileged_account
from services.store.embedded.place import Home, make_data_dir, open_home

LIFELINES = [Lifeline.PIPE, *([Lifeline.KERNEL] if sys.platform == "linux" else [])]
root_only = pytest.mark.skipif(not running_as_root(), reason="needs root")


async def ask(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close(timeout=10)


def alive(pid: int) -> bool:
    """Whether a process runs. One that ended counts as gone also while its parent has not taken note."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=5)  # noqa: S603, S607
    return state.stdout.strip()[:1] not in {"", "Z"}


async def gone(pid: int) -> None:
    async with asyncio.timeout(15):
        while alive(pid):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def owner(data_dir: Path, lifeline: Lifeline) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Another process that owns the server of this DATA_DIR, and the server's number; the owner is killed on exit."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.owner", data_dir, lifeline.value, stdout=asyncio.subprocess.PIPE
    )
    pid = 0
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while not (found := re.match(rb"pid (\d+)", await process.stdout.readline())):
                assert process.returncode is None
        pid = int(found.group(1))
        yield process, pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        if pid:
            await gone(pid)


@pytest.mark.parametrize("lifeline", LIFELINES)
async def test_data_outlives_a_stop_and_nothing_else_does(open_folder: Path, lifeline: Lifeline) -> None:
    data_dir = open_folder / "data"
    async with embedded_postgres(data_dir, lifeline=lifeline) as first:
        await ask(first.url, "create table kept as select 42 as answer")
        assert await ask(first.url, "show fsync") == "on"
        assert not first.adopted
        assert first.url not in repr(first)
    assert not alive(first.pid)
    async with embedded_postgres(data_dir, lifeline=lifeline, options={"work_mem": "5MB"}) as second:
        assert await ask(second.url, "select answer from kept") == 42
        assert await ask(second.url, "show work_mem") == "5MB"
        assert (second.url, second.adopted) == (first.url, False)


async def test_both_clients_accept_the_url(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "absent.invalid")
    monkeypatch.setenv("PGDATA", "/absent")
    async with embedded_postgres(open_folder / "data") as running:
        assert await ask(running.url, "select current_database()") == "firstlight"
        async with databases.Database(running.url, min_size=1, max_size=1) as database:
            assert await database.fetch_val("select current_database()") == "firstlight"


@pytest.mark.parametrize("lifeline", LIFELINES)
async def test_a_killed_owner_takes_its_server_along(open_folder: Path, lifeline: Lifeline) -> None:
    data_dir = open_folder / "data"
    async with owner(data_dir, lifeline) as (process, pid):
        process.kill()
        await gone(pid)
        assert "database system is shut down" in Home(data_dir / "postgres", unprivileged_account()).log.read_text()
        async with embedded_postgres(data_dir) as running:
            assert not running.adopted


@pytest.mark.parametrize("lifeline", LIFELINES)
async def test_the_next_start_does_not_wait_for_a_dying_server(open_folder: Path, lifeline: Lifeline) -> None:
    for _ in range(3):
        async with owner(open_folder / "data", lifeline) as (process, pid):
            process.kill()
            async with embedded_postgres(open_folder / "data") as running:
                assert running.pid != pid
                assert await ask(running.url, "select 1") == 1


async def test_a_server_that_outlives_its_owner_is_replaced(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOPS", ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5)))
    async with owner(open_folder / "data", LIFELINES[-1]) as (process, pid):
        os.kill(pid, signal.SIGSTOP)
        process.kill()
        await process.wait()
        async with embedded_postgres(open_folder / "data") as running:
            assert running.adopted
            assert not alive(pid)
            assert await ask(running.url, "select 1") == 1


async def test_a_number_left_in_a_file_does_not_stop_a_start(open_folder: Path) -> None:
    async with embedded_postgres(open_folder / "data") as running:
        folder = Path(await ask(running.url, "show data_directory"))
        lines = (folder / "postmaster.pid").read_text().splitlines()
    # Somebody else has the number now: this process.
    (folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    async with embedded_postgres(open_folder / "data") as running:
        assert not running.adopted


@pytest.mark.parametrize("lifeline", LIFELINES)
async def test_a_second_owner_is_told_which_folder_is_in_use(
    open_folder: Path, lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOCK_WAIT_S", 0.2)
    async with owner(open_folder / "data", lifeline) as (process, pid):
        with pytest.raises(EmbeddedPostgresError) as refused:
            async with embedded_postgres(open_folder / "data"):
                pass
        assert f"DATA_DIR {open_folder / 'data'} is in use by process {process.pid}." in str(refused.value)
        assert alive(pid)


async def test_a_path_too_long_for_a_socket_is_served_by_tcp(open_folder: Path) -> None:
    data_dir = open_folder / ("long-" * 20)
    for _ in range(2):
        async with embedded_postgres(data_dir) as running:
            assert urlsplit(running.url).hostname == "127.0.0.1"
            assert await ask(running.url, "select 1") == 1
            stranger = running.url.replace(urlsplit(running.url).password or "", "guess")
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(stranger, "select 1")


async def test_a_crashed_server_recovers_what_was_committed(open_folder: Path) -> None:
    async with embedded_postgres(open_folder / "data") as running:
        await ask(running.url, "create table kept as select generate_series(1, 1000) as n")
        os.kill(running.pid, signal.SIGKILL)
        await asyncio.sleep(0.05)
    async with embedded_postgres(open_folder / "data") as running:
        assert await ask(running.url, "select count(*) from kept") == 1000


async def test_values_of_failing_statements_stay_out_of_the_log(open_folder: Path) -> None:
    async with embedded_postgres(open_folder / "data") as running:
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await ask(running.url, "select 'canary-7193'::text::int")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await ask(running.url, "select canary-7193 from")
    log = (open_folder / "data" / "postgres" / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "canary" not in log


async def test_what_cannot_be_used_is_named(open_folder: Path) -> None:
    async with embedded_postgres(open_folder / "data") as running:
        data = Path(await ask(running.url, "show data_directory"))
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match="written by PostgreSQL 9"):
        await start_once(open_folder / "data")
    (data / "PG_VERSION").write_text("18\n")
    (data.parent / "password").rename(data.parent / "password.away")
    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        await start_once(open_folder / "data")
    (data.parent / "password.away").rename(data.parent / "password")
    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "absent"'):
        await start_once(open_folder / "data", absent="1")
    (open_folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match="cannot be made"):
        await start_once(open_folder / "file" / "data")
    await start_once(open_folder / "data")


async def start_once(data_dir: Path, **options: str) -> None:
    async with embedded_postgres(data_dir, options=options):
        pass


def test_a_log_does_not_grow_without_end(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOG_LIMIT_BYTES", 100)
    home = Home(open_folder, unprivileged_account())
    for size in (60, 120, 60):
        with cluster.open_log(home) as log:
            log.write(b"x" * 60)
        assert home.log.stat().st_size == size


@root_only
async def test_a_data_dir_in_a_closed_folder_is_kept_elsewhere(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "SYSTEM_FOLDER", open_folder)
    tmp_path.chmod(0o700)
    async with embedded_postgres(tmp_path / "data") as running:
        await ask(running.url, "create table kept as select 42 as answer")
    (tmp_path / "data").rename(tmp_path / "moved")
    async with embedded_postgres(tmp_path / "moved") as running:
        assert await ask(running.url, "select answer from kept") == 42
    pointer = tmp_path / "moved" / place.POINTER
    pointer.write_text("/etc\n")
    with pytest.raises(EmbeddedPostgresError, match="is not in"):
        await start_once(tmp_path / "moved")
    pointer.unlink()
    async with embedded_postgres(tmp_path / "moved") as running:
        assert await ask(running.url, "select to_regclass('kept')") is None


@root_only
def test_programs_in_a_closed_folder_are_copied_for_their_account(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = binaries._bundled_package()
    assert package is not None
    tmp_path.chmod(0o700)
    for folder in (package, package.parent / binaries.LIBRARIES):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    monkeypatch.setattr(binaries, "_bundled_package", lambda: tmp_path / binaries.PACKAGE)
    for _ in range(2):
        found = binaries.find_binaries(unprivileged_account(), open_folder)
        assert found.folder.is_relative_to(open_folder)
        assert found.major == "18"
    assert len(list(open_folder.iterdir())) == 1


@root_only
def test_a_cluster_stays_with_the_account_that_made_it(open_folder: Path) -> None:
    data_dir = make_data_dir(open_folder / "data")
    (data_dir / "postgres").mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match="belongs to root"):
        open_home(data_dir)
    os.chown(data_dir / "postgres", 4242, 4242)
    assert open_home(data_dir).account.uid == 4242
