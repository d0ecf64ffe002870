"""Sandbox mode: what stands in for credentials that were not given. Loopback only, and never beside a real credential."""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from server.standins.webhooks_out import is_on_loopback
from services.accounts import Keyring
from services.clock import Clock
from services.config import Settings
from services.sahha.client import SahhaAccess

STOP_TIMEOUT_S = 5.0
CLIENT_ID = "sandbox"
"""The account of a stand-in; its secret is made anew at each start."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What callers present. `service` is `None` outside sandbox mode, where only its hash is known."""

    keyring: Keyring
    admin: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Standin:
    """A running stand-in: where it listens, the process to end to see an outage, and what it signs its webhooks with."""

    access: SahhaAccess
    pid: int
    webhook_secret: str = field(repr=False)


def load_keys(settings: Settings) -> Keys:
    """The keys of the environment; in sandbox mode those of DATA_DIR, made at the first start, for their owner's eyes alone."""
    service_keys = dict(entry.split(":", 1) for entry in settings.service_api_keys)
    if settings.admin_api_key is not None:
        return Keys(Keyring(settings.admin_api_key.get_secret_value(), service_keys))
    stored = _stored_keys(settings.data_dir / "sandbox-keys.json")
    service_keys["sandbox"] = sha256(stored["service"].encode()).hexdigest()
    return Keys(Keyring(stored["admin"], service_keys), stored["admin"], stored["service"])


def _stored_keys(path: Path) -> dict[str, str]:
    with suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
        stored = json.loads(path.read_text())
        return {"admin": stored["admin"], "service": stored["service"]}
    made = {"admin": f"admin_{secrets.token_urlsafe(24)}", "service": f"service_{secrets.token_urlsafe(24)}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(".new")
    half_written.touch(mode=0o600)
    half_written.write_text(json.dumps(made))
    half_written.replace(path)
    return made


@asynccontextmanager
async def sahha_standin(clock: Clock, webhooks_to: str, webhook_secret: SecretStr | None) -> AsyncIterator[Standin]:
    """The Sahha stand-in in a process of its own, ended with the block, and with this process however it ends.

    It listens before it is ready to answer, so nobody has to wait for it. When it is told to it posts webhooks to `webhooks_to`,
    where that is on loopback, signed with `webhook_secret`, or else with one made anew at each start.
    """
    secret = secrets.token_urlsafe(16)
    signing = webhook_secret.get_secret_value() if webhook_secret else secrets.token_urlsafe(32)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server.standins",
            f"--fd={listener.fileno()}",
            f"--clock-offset-s={clock.offset.total_seconds()}",
            *([f"--webhooks-to={webhooks_to}"] if is_on_loopback(webhooks_to) else []),
            pass_fds=[listener.fileno()],
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    try:
        if process.stdin is None:
            raise RuntimeError("the stand-in has no standard input")
        process.stdin.write(f"{CLIENT_ID}\n{secret}\n{signing}\n".encode())
        yield Standin(SahhaAccess(f"http://127.0.0.1:{port}", CLIENT_ID, secret), process.pid, signing)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
