"""Nothing that was acknowledged is lost, nothing happens twice, whatever happens to the processes (docs/reliability.md).

Each run prints its seed. The last runs are of services with a promise taken out: there the same audit has to find it.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow

import pytest

from tests.crash import faults
from tests.crash.audit import audit, read_settled, summary, until_heard
from tests.crash.client import CALLERS, Client, Ledger
from tests.crash.stage import Stage, open_stage

pytestmark = pytest.mark.crash

WARM_UP_S = 2
SUBSCRIBERS = 4
WITHOUT_FENCE = ("-m", "tests.crash.mutants", "without-fence")
HASTY = ("-m", "tests.crash.mutants", "hasty")


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    given = pytestconfig.getoption("--seed")
    return randbelow(2**32) if given is None else int(given)


def counted(pytestconfig: pytest.Config, option: str) -> int:
    return int(pytestconfig.getoption(option))


async def play(stage: Stage, script: faults.Script, seed: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The promises that were broken."""
    ledger = Ledger(stage.cluster.folder / "ledger")
    client = Client(stage, ledger, random.Random(f"{seed}/client"))
    try:
        async with asyncio.TaskGroup() as group:
            aside: Sequence[asyncio.Task[None]] = [
                group.create_task(client.watch_backlog()),
                *(group.create_task(client.subscribe(person)) for person in range(1, SUBSCRIBERS + 1)),
            ]
            callers = [group.create_task(client.call()) for _ in range(CALLERS)]
            await asyncio.sleep(WARM_UP_S)
            number = await script(stage, random.Random(f"{seed}/faults"))
            client.stopping.set()
            await asyncio.gather(*callers)
            with stage.fault():
                pass  # what was asked while the last fault lasted has its time from here
            tables = await read_settled(stage)
            await until_heard(tables, client)
            for task in aside:
                task.cancel()
    finally:
        told, cancelled = ledger.read()
        ledger.close()
    broken = audit(told, cancelled, tables, client)
    lines = [f"seed {seed}: {summary(told, tables, number)}", *broken[:20]]
    with capsys.disabled():
        print("", *lines, sep="\n  ")  # noqa: T201 - for who wants to play the same again
    return broken


async def test_kill_9(open_folder: Path, pytestconfig: pytest.Config, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_stage(open_folder, webs=1, workers=2) as stage:
        assert await play(stage, faults.kills(counted(pytestconfig, "--kills")), seed, capsys) == []


async def test_zombies(open_folder: Path, pytestconfig: pytest.Config, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_stage(open_folder, webs=1, workers=2) as stage:
        assert await play(stage, faults.zombies(counted(pytestconfig, "--zombies")), seed, capsys) == []


async def test_database(open_folder: Path, pytestconfig: pytest.Config, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_stage(open_folder, webs=1, workers=2) as stage:
        assert await play(stage, faults.database(counted(pytestconfig, "--database-s")), seed, capsys) == []


async def test_everything_at_once(
    open_folder: Path, pytestconfig: pytest.Config, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_stage(open_folder, webs=2, workers=3) as stage:
        assert await play(stage, faults.everything(counted(pytestconfig, "--everything-s")), seed, capsys) == []


async def test_without_the_fence_the_audit_finds_duplicates(
    open_folder: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_stage(open_folder, webs=1, workers=2, worker_module=WITHOUT_FENCE) as stage:
        broken = await play(stage, faults.zombies(5), seed, capsys)
    assert any(line.startswith("duplicate") for line in broken)


async def test_with_acknowledgements_before_the_commit_the_audit_finds_losses(
    open_folder: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_stage(open_folder, webs=1, workers=2, web_module=HASTY) as stage:
        broken = await play(stage, faults.kills(10, workers=False), seed, capsys)
    assert any(line.startswith("lost: tap-") for line in broken)
