"""How much of a crash run is played. `make crash` plays little; the figures of docs/reliability.md come from more."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash", "crash runs (tests/crash)")
    group.addoption("--kills", type=int, default=30, help="kill -9 cycles")
    group.addoption("--zombies", type=int, default=6, help="SIGSTOP cycles")
    group.addoption("--database-s", type=float, default=30, help="seconds of PostgreSQL restarts")
    group.addoption("--everything-s", type=float, default=30, help="seconds of all faults together")
    group.addoption("--stride", type=int, default=5, help="a worker dies after every n-th step of its job")
    group.addoption("--restarts", type=int, default=10, help="restarts of the whole service in a row")
    group.addoption("--previous", default=None, metavar="PATH", help="the command `firstlight` of the release before this one")
    group.addoption("--seed", type=int, default=None, help="of the faults and the client; another one for each run unless given")
