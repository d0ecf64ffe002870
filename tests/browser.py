"""Debian's chromium, headless, over the DevTools protocol: what a person with a browser would see of our pages."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from services.background import owned_task
from tests.tools import missing

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
)
START_S = 60
PATIENCE_S = 60


class Refused(Exception):
    """The browser did not do what it was told to."""


@dataclass
class Page:
    """One tab. `problems`: each console error or warning, uncaught exception and breach of the page's own security policy."""

    _browser: ClientConnection
    _session: str = ""
    _numbers: Iterator[int] = field(default_factory=count)
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    async def visit(self, url: str) -> None:
        await self.command("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, awaited where it is a promise."""
        answer = await self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Refused(f"{expression}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The first value of the expression that is true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (value := await self.evaluate(expression)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            shown = await self.evaluate("document.body.innerText")
            raise AssertionError(f"never true: {expression}\n{shown}\n{self.problems}") from None
        return value

    async def click(self, selector: str, text: str = "") -> None:
        """A click of the mouse on the middle of the first such element that holds `text`, once it is there."""
        place = await self.until(
            f"""(() => {{
                const all = [...document.querySelectorAll({json.dumps(selector)})];
                const box = all.find(each => each.textContent.includes({json.dumps(text)}))?.getBoundingClientRect();
                return box?.width && [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Into whatever has the focus."""
        await self.command("Input.insertText", text=text)

    async def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A screen of this size, in CSS pixels, of somebody who likes it dark or light."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 640
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(b64decode((await self.command("Page.captureScreenshot"))["data"]))

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command of the protocol. Raises `Refused`."""
        number = next(self._numbers)
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        await self._browser.send(json.dumps(message))
        async with asyncio.timeout(PATIENCE_S):
            answer = await answered
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def attach(self) -> None:
        target = await self.command("Target.createTarget", url="about:blank")
        self._session = (await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.command(f"{domain}.enable")

    async def listen(self) -> None:
        async for frame in self._browser:
            message = json.loads(frame)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif (problem := _problem(message["method"], message["params"])) is not None:
                self.problems.append(problem)


def _problem(event: str, told: dict[str, Any]) -> str | None:
    match event:
        case "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            return str(details.get("exception", {}).get("description") or details["text"])
        case "Runtime.consoleAPICalled" if told["type"] in {"error", "warning", "assert"}:
            return " ".join(str(each.get("value") or each.get("description")) for each in told["args"])
        case "Log.entryAdded" if told["entry"]["level"] in {"error", "warning"}:
            return f"{told['entry']['source']}: {told['entry']['text']} {told['entry'].get('url', '')}"
    return None


@asynccontextmanager
async def opened_page() -> AsyncIterator[Page]:
    """An empty tab of a browser of its own, with a profile of its own; nothing of it is left. Skips where there is none."""
    if not Path(CHROMIUM).exists():
        missing(f"{CHROMIUM} is not installed")
    profile = Path(tempfile.mkdtemp(prefix="firstlight-browser-"))
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with connect(await _address(profile), max_size=None, ping_interval=None) as browser:
            page = Page(browser)
            async with owned_task(page.listen(), "browser"):
                await page.attach()
                yield page
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


async def _address(profile: Path) -> str:
    """Where the browser listens, as it writes into its profile."""
    told = profile / "DevToolsActivePort"
    async with asyncio.timeout(START_S):
        while not (told.exists() and "/devtools/" in told.read_text()):
            await asyncio.sleep(0.05)
    port, path = told.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"
