"""Who is let in: known callers, who do not ask too often, as long as there is room.

What is turned away is turned away at once, and before its body is read where there is no place of any kind, so that what was let
in is still answered in time (reliability.md, C15). Probes, metrics and webhooks do not pass here.
"""

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NoReturn, Self

from starlette.requests import HTTPConnection, Request

from services.accounts import Principal, Scope
from services.config import Settings
from services.errors import Overloaded, TokenExpired, Unauthenticated
from services.metrics import Metrics

SITE_BITS = 64
"""Of an IPv6 address: the rest is for whoever has it to choose."""


class Lane(Enum):
    """Operations that take places from each other. The value is the metric's label."""

    READS = "reads"
    MUTATIONS = "mutations"
    ADMINS = "admins"


class Place:
    """Where one operation stands while it is answered: for the length of a `with`, or until it is left."""

    def __init__(self, free: dict[Lane, int], lane: Lane) -> None:
        self._free = free
        self._lane: Lane | None = lane
        free[lane] -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """The place is free for another. Once is enough, and again does no harm."""
        if self._lane is not None:
            self._free[self._lane] += 1
            self._lane = None


class Admission:
    """The places of this process. Admins, who look at why it is overloaded, have a few that nobody else can take."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._free = {
            Lane.READS: settings.read_concurrency,
            Lane.MUTATIONS: settings.mutation_concurrency,
            Lane.ADMINS: settings.admin_concurrency,
        }
        self._metrics = metrics

    def check(self, caller: Principal) -> None:
        """Raises `Overloaded` when there is no place, whatever the caller is going to ask."""
        if not (self._free[Lane.READS] or self._free[Lane.MUTATIONS] or self._has_own(caller)):
            self._refuse(Lane.READS)

    def taken(self, lane: Lane, caller: Principal) -> Place:
        """A place, to be left. Raises `Overloaded`."""
        if self._has_own(caller):
            lane = Lane.ADMINS
        elif not self._free[lane]:
            self._refuse(lane)
        return Place(self._free, lane)

    def enter(self, document: str, caller: Principal) -> Place:
        """As `taken`, in the lane of the document."""
        return self.taken(lane_of(document), caller)

    def _has_own(self, caller: Principal) -> bool:
        return Scope.ADMIN in caller.scopes and self._free[Lane.ADMINS] > 0

    def _refuse(self, lane: Lane) -> NoReturn:
        self._metrics.shed_operations.labels(lane.value).inc()
        raise Overloaded


def lane_of(document: str) -> Lane:
    """By a word without which no document is a mutation; a query that only speaks of one is taken for one too."""
    return Lane.MUTATIONS if "mutation" in document else Lane.READS


async def admit(request: Request) -> Principal:
    """Who calls, counted as one operation of theirs. Raises as `identify`, and `RateLimited` and `Overloaded`."""
    caller = await identify(request, request.headers)
    request.state.services.rate_limits.operation(caller)
    request.state.admission.check(caller)
    return caller


async def identify(connection: HTTPConnection, *places: Mapping[str, object]) -> Principal:
    """Who presents a key or a token in one of these places; as `Callers.identify`.

    Raises `RateLimited` for a wrong key after too many of them from one address.
    """
    try:
        caller: Principal = await connection.state.callers.identify(*places)
    except TokenExpired:
        raise  # it was good: its holder has to hear that it is time for a new one
    except Unauthenticated:
        connection.state.services.rate_limits.unknown_key(site_of(connection))
        raise
    return caller


def site_of(connection: HTTPConnection) -> str:
    """The address that wrong keys are counted for: of IPv6 the network that one customer is given."""
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, SITE_BITS), strict=False)) if isinstance(address, IPv6Address) else host
