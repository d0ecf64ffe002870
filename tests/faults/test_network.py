"""Networks and poolers between the service and PostgreSQL that only root can make, or that have to be installed (D19, D20)."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from server.starting import StartError, migrated
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineStatus
from services.errors import Unavailable
from services.store.database import Database
from services.store.embedded.cluster import free_port
from tests.faults.asking import PERSON, count, request
from tests.faults.proxy import network_to
from tests.product import open_product

ASKED_FOR = (Archetype.PEAK_PERFORMER, Archetype.FOUNDATION_BUILDER)
PATIENCE_S = 150
LOSS = """
table inet firstlight_loss_{port} {{
  chain input {{
    type filter hook input priority 0;
    tcp dport {port} numgen random mod 100 < 20 drop
    tcp sport {port} numgen random mod 100 < 20 drop
  }}
}}
"""
POOLER = """
[databases]
* = host={socket} port={socket_port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
unix_socket_dir =
"""


@contextmanager
def losing_packets(port: int) -> Iterator[None]:
    """A fifth of all packets to and from a port of this machine is lost."""
    nft = shutil.which("nft")
    if nft is None or os.geteuid() != 0:
        pytest.skip("packets are lost by nftables, for root")
    made = subprocess.run([nft, "-f", "-"], input=LOSS.format(port=port).encode(), check=False, capture_output=True)  # noqa: S603
    if made.returncode:
        pytest.skip("the kernel takes no such rules")
    try:
        yield
    finally:
        subprocess.run([nft, "delete", "table", "inet", f"firstlight_loss_{port}"], check=True)  # noqa: S603


@pytest.mark.crash
async def test_lost_packets_make_it_slower_and_nothing_else(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        _network, far = await stack.enter_async_context(network_to(database_url))
        near = await stack.enter_async_context(Database.opened(database_url))
        product = await stack.enter_async_context(open_product(far, worker=True))
        stack.enter_context(losing_packets(urlsplit(far).port or 0))
        ids = set()
        async with asyncio.timeout(PATIENCE_S):
            for number, archetype in enumerate(ASKED_FOR):
                while True:
                    try:
                        outcome = await product.services.routines.request(request(f"tap-{number}", archetype))
                        assert isinstance(outcome, GenerateRoutineSuccess)
                        ids.add(outcome.routine.id)
                        if (await product.services.routines.wait(outcome.routine.id, 10)).status is RoutineStatus.READY:
                            break
                    except Unavailable:
                        await asyncio.sleep(0.1)
        assert await count(near, "routines") == len(ids) == len(ASKED_FOR)
        assert await count(near, f"events where kind = 'READY' and user_id = '{PERSON}'") == len(ids)


@pytest.fixture
async def pooler(database_url: str, open_folder: Path) -> AsyncIterator[str]:
    """The URL of a PgBouncer in transaction mode before a database."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    parts = urlsplit(database_url)
    where = parse_qs(parts.query)
    port = free_port()
    configuration = open_folder / "pgbouncer.ini"
    configuration.write_text(
        POOLER.format(
            socket=where["host"][0],
            socket_port=where["port"][0],
            user=parts.username,
            password=parts.password,
            port=port,
        )
    )
    as_somebody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(program, "-q", *as_somebody, str(configuration))
    try:
        async with asyncio.timeout(10):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"
    finally:
        process.terminate()
        await process.wait()


async def test_a_pooler_is_refused_at_the_start_in_words(pooler: str) -> None:
    with pytest.raises(StartError, match="PgBouncer"):
        async with migrated(pooler):
            pass
