"""Starts the service by a command, plans one day through it, and stops it. Standard library only.

    smoke.py [--runs N] [--exit-code N] [--kill] -- COMMAND...

Each run: ready within START_S, one `generateRoutine` READY by the printed key, the GraphiQL page, SIGTERM, ended within
STOP_S, no process left.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

START_S = 600
"""The first `make run` installs everything."""
ANSWER_S = 30
STOP_S = 15

MUTATION = """
mutation Plan($input: GenerateRoutineInput!) {
  generateRoutine(input: $input, waitSeconds: 20) {
    __typename
    ... on GenerateRoutineSuccess { routine { status date timeBlocks { tasks { title } } } }
  }
}
"""
INPUT = {"userId": "sandbox-avery", "archetype": "FOUNDATION_BUILDER", "timezone": "America/New_York"}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def running_here() -> dict[int, str]:
    """Processes that mention this folder, or the one that DATA_DIR points at, by number."""
    places = [str(Path.cwd())]
    pointer = Path(".data/postgres.location")
    if pointer.exists():
        places.append(pointer.read_text("utf-8").strip())
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True, timeout=10).stdout  # noqa: S607
    found = (line.split(maxsplit=1) for line in listed.splitlines() if any(place in line for place in places))
    return {int(pid): command for pid, command in found}


class Failure(Exception):
    pass


class Service:
    """One start of the command, on a port of its own."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the caller's command
                command,
                env={**os.environ, "PORT": str(port)},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def printed(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_until_ready(self) -> float:
        started = time.monotonic()
        while time.monotonic() - started < START_S:
            if self._process.poll() is not None:
                raise Failure(f"ended with code {self._process.returncode} before it was ready")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self._url}/readyz", timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return time.monotonic() - started
            time.sleep(0.2)
        raise Failure(f"not ready within {START_S} s")

    def plan_a_day(self) -> int:
        """The number of tasks in a routine that was made in one call."""
        key = re.search(r"service key\s+(\S+)", self.printed())
        if key is None:
            raise Failure("no service key was printed")
        request = urllib.request.Request(  # noqa: S310 - http to ourselves
            f"{self._url}/graphql",
            json.dumps({"query": MUTATION, "variables": {"input": INPUT}}).encode(),
            {"content-type": "application/json", "x-api-key": key.group(1)},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
                body: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failure(f"generateRoutine was answered {error.code}: {error.read(2000)!r}") from error
        routine = ((body.get("data") or {}).get("generateRoutine") or {}).get("routine") or {}
        if routine.get("status") != "READY":
            raise Failure(f"the routine is not READY: {json.dumps(body)[:2000]}")
        return sum(len(block["tasks"]) for block in routine["timeBlocks"])

    def read_page(self) -> int:
        """The size of GraphiQL's script, which the page names."""
        try:
            with urllib.request.urlopen(f"{self._url}/graphiql", timeout=ANSWER_S) as answer:  # noqa: S310
                script = re.search(r'src="(assets/[^"]+)"', answer.read().decode())
            if script is None:
                raise Failure("GraphiQL's page names no script")
            with urllib.request.urlopen(f"{self._url}/{script.group(1)}", timeout=ANSWER_S) as answer:  # noqa: S310
                return len(answer.read())
        except urllib.error.HTTPError as error:
            raise Failure(f"{error.url} was answered {error.code}") from error

    def stop(self, exit_code: int | None) -> float:
        """The seconds that it took to end after SIGTERM, with this code if one is given."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"still there {STOP_S} s after SIGTERM") from error
        if exit_code is not None and code != exit_code:
            raise Failure(f"ended with code {code}")
        return time.monotonic() - started

    def kill(self) -> None:
        """Ends the command and what it started in its own group at once, as a lack of memory would."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_S)


def run_once(command: list[str], log: Path, exit_code: int | None) -> None:
    service = Service(command, log)
    try:
        ready_s = service.wait_until_ready()
        tasks = service.plan_a_day()
        script_bytes = service.read_page()
        stop_s = service.stop(exit_code)
    except Failure as failure:
        service.kill()
        fail(failure, service.printed())
    say(f"ready after {ready_s:.1f} s, a routine of {tasks} tasks, GraphiQL of {script_bytes} bytes, stopped in {stop_s:.1f} s")


def run_and_kill(command: list[str], log: Path) -> None:
    """A start that is killed, and not waited for: the next one meets what it left."""
    service = Service(command, log)
    try:
        service.wait_until_ready()
    except Failure as failure:
        fail(failure, service.printed())
    finally:
        service.kill()
    say("killed")


def expect_nothing_left(before: set[int], log: Path) -> None:
    deadline = time.monotonic() + 5
    while left := {pid: text for pid, text in running_here().items() if pid not in before}:
        if time.monotonic() > deadline:
            fail(f"left over: {left}", log.read_text("utf-8", "replace"))
        time.sleep(0.2)
    say("nothing left")


def fail(problem: object, printed: str) -> NoReturn:
    say(re.sub(r"\b(admin|service)_[\w-]{16,}", r"\1_...", printed[-20_000:]))
    sys.exit(f"smoke: {problem}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--exit-code", type=int, help="the code that SIGTERM must end the command with")
    parser.add_argument("--kill", action="store_true", help="also kill a start and start again at once")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    before = set(running_here())
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "service.log"
        for _ in range(arguments.runs):
            run_once(arguments.command, log, arguments.exit_code)
            expect_nothing_left(before, log)
        if arguments.kill:
            run_and_kill(arguments.command, log)
            run_once(arguments.command, log, arguments.exit_code)
            expect_nothing_left(before, log)


if __name__ == "__main__":
    main()
