"""Scripts of `tests/clients`, run by Node with the clients that are installed beside them."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.tools import missing

CLIENTS = Path(__file__).parent / "clients"
PATIENCE_S = 120


def node() -> str:
    """The program. The test is skipped where it or the clients are missing, and fails where CI promises them."""
    program = shutil.which("node")
    if program is None or not (CLIENTS / "node_modules").is_dir():
        missing("Node is not installed" if program is None else "the clients are not installed: make clients")
    return program


async def run_node(script: str, *arguments: str) -> str:
    """What a script of `tests/clients` prints. Fails, with all that it said, when it does not end well or in time."""
    process = await asyncio.create_subprocess_exec(
        node(), script, *arguments, cwd=CLIENTS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, complaints = await process.communicate()
    except TimeoutError:
        pytest.fail(f"{script} did not end within {PATIENCE_S} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        pytest.fail(f"{script} ended with {process.returncode}\n{printed.decode()}\n{complaints.decode()}")
    return printed.decode()
