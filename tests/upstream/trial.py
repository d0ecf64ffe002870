"""A trial of the product against a Sahha that fails, and what must hold whatever failed.

E: what is called live was fetched in that very read, and what was stored says so, with its age.
F: attempts stay within demand and a tenth, read off the stand-in's own log (reliability.md, section 4).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from services.breaker import BreakerState
from services.domain.health import Biomarker, DataSource, HealthRecords, ReadPolicy, Score, local_date_of
from services.domain.ids import UserId
from services.errors import ServiceError
from tests.product import MORNING, Product, open_product

AVERY, BLAKE, DREW, EMERY, FRANKIE, GRAY = (
    UserId(f"sandbox-{name}") for name in ("avery", "blake", "drew", "emery", "frankie", "gray")
)
EVERYBODY = (AVERY, BLAKE, DREW, EMERY, FRANKIE, GRAY)
NEW_YORK = ZoneInfo("America/New_York")

CALLS = ("biomarker", "score", "profile")
"""What a healthy read asks for, once each."""
ATTEMPTS = 3
FREE_REPEATS = 6 + 2 * 9
"""In a minute, however small the demand: 1 per 10 s (reliability.md, section 3), and twice the categories one by one."""
PATIENCE_S = 60.0
"""Far beyond every deadline of a trial: reaching it is a hang."""

PATIENT: dict[str, Any] = {
    "sahha_attempt_timeout_s": 8,
    "sahha_query_deadline_s": 20,
    "sahha_plan_deadline_s": 20,
    "sahha_slow_read_s": 15,
    "sahha_breaker_open_s": 0.4,
    "sahha_breaker_longest_open_s": 0.8,
    "database_pool": 20,
}
"""What fails here fails by itself, however busy the machine is; and what is stopped goes on soon."""
HURRIED: dict[str, Any] = {"sahha_attempt_timeout_s": 0.4, "sahha_query_deadline_s": 1.5, "sahha_plan_deadline_s": 1.5}
"""For answers that never come."""
STOPPED: dict[str, Any] = {"sahha_breaker_open_s": 600, "sahha_breaker_longest_open_s": 600}
"""A breaker that opens stays open for the length of a trial."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """One read and what came of it: records, or the error that a caller would be shown."""

    person: UserId
    began: datetime
    ended: datetime
    records: HealthRecords | None
    error: ServiceError | None

    @property
    def source(self) -> DataSource | None:
        return self.records.source if self.records else None

    def numbers(self, name: str) -> dict[datetime, float | None]:
        """The numbers of a biomarker type by the start of their window."""
        rows = self.records.biomarkers if self.records else ()
        return {row.start_date_time: row.number for row in rows if row.type == name}


@dataclass
class Trial:
    """The product, the stand-in's controls, and every reading so far."""

    product: Product
    http: httpx.AsyncClient
    readings: list[Reading] = field(default_factory=list)

    def breaker(self) -> BreakerState:
        """The state that the product tells of its own breaker."""
        registry = self.product.services.metrics.registry
        states = {each: registry.get_sample_value("firstlight_sahha_breaker", {"state": each.value}) for each in BreakerState}
        (state,) = (each for each, value in states.items() if value == 1)
        return state

    def counted(self, fate: str) -> float:
        """Rows that came to this: `rejected`, `changed` and so on."""
        return self.product.services.metrics.registry.get_sample_value("firstlight_health_records_total", {"fate": fate}) or 0

    async def fail(self, *faults: dict[str, Any], seed: int = 0) -> None:
        answer = await self.http.put("/_standin/faults", json={"faults": faults, "seed": seed})
        assert answer.status_code == 200, answer.text

    async def mend(self) -> None:
        (await self.http.delete("/_standin/faults")).raise_for_status()

    async def log(self, *kinds: str) -> list[Entry]:
        """What the stand-in was asked since the warm-up, of these kinds or of all."""
        entries: list[Entry] = (await self.http.get("/_standin/log")).json()
        return [entry for entry in entries if not kinds or entry["kind"] in kinds]

    async def asked(self, *kinds: str) -> int:
        return len(await self.log(*kinds))

    async def read(self, person: UserId, zone: ZoneInfo | None = NEW_YORK) -> Reading:
        """One live-first read of a week, kept for the check."""
        services = self.product.services
        began = services.clock.now()
        records: HealthRecords | None = None
        error: ServiceError | None = None
        async with asyncio.timeout(PATIENCE_S):
            try:
                records = await services.health_data.read_week(
                    person, zone, ReadPolicy.LIVE_FIRST, services.settings.sahha_query_deadline_s
                )
            except ServiceError as caught:
                error = caught
        reading = Reading(person, began, services.clock.now(), records, error)
        self.readings.append(reading)
        return reading

    async def read_in_turn(self, people: Iterable[UserId]) -> list[Reading]:
        return [await self.read(person) for person in people]

    async def read_at_once(self, people: Iterable[UserId]) -> list[Reading]:
        return list(await asyncio.gather(*(self.read(person) for person in people)))

    async def read_until(self, person: UserId, wanted: DataSource) -> Reading:
        """Read again until the answer comes from there, as it must sooner or later."""
        async with asyncio.timeout(PATIENCE_S):
            while (reading := await self.read(person)).source is not wanted:
                await asyncio.sleep(0.05)
        return reading

    async def check(self, *, probes: int = 0) -> None:
        """The invariants of every reading of this trial. `probes`: reads that a breaker let through to see."""
        log = await self.log()
        for reading in self.readings:
            if reading.records is not None:
                _check_source(reading, reading.records, log)
            _check_attempts(reading, log)
        demand = len(CALLS) * len(self.readings) + 1  # and a token
        most = 1.1 * demand + FREE_REPEATS + (len(CALLS) + 1) * probes
        assert len(log) <= most, f"{len(log)} attempts for {demand} calls that were wanted"


@asynccontextmanager
async def open_trial(
    database_url: str,
    *,
    warm: Iterable[UserId] = EVERYBODY,
    at: datetime = MORNING,
    worker: bool = False,
    crowd: int = 0,
    sahha_url: str | None = None,
    **settings: object,
) -> AsyncIterator[Trial]:
    """The product, and the weeks of the people `warm` read and stored while all was well."""
    async with (
        open_product(database_url, at=at, worker=worker, crowd=crowd, sahha_url=sahha_url, **{**PATIENT, **settings}) as product,
        httpx.AsyncClient(base_url=product.standin_url, trust_env=False, timeout=60) as http,
    ):
        trial = Trial(product, http)
        for person in warm:
            assert (await trial.read(person)).source is DataSource.LIVE
        trial.readings.clear()
        for cleared in ("log", "counts"):
            (await http.delete(f"/_standin/{cleared}")).raise_for_status()
        yield trial


def is_stored(reading: Reading) -> bool:
    """Whether everything in it came from the database, and it says why."""
    return reading.source is DataSource.DATABASE and reading.records is not None and bool(reading.records.failure)


def days_of(reading: Reading, name: str) -> Counter[str]:
    """How many rows of a biomarker type there are of each local day."""
    rows = reading.records.biomarkers if reading.records else ()
    return Counter(local_date_of(row).isoformat() for row in rows if row.type == name)


def _check_source(reading: Reading, records: HealthRecords, log: list[Entry]) -> None:
    rows: list[Biomarker | Score] = [*records.biomarkers, *records.scores]
    sources = {row.source for row in rows}
    match records.source:
        case DataSource.LIVE:
            assert sources <= {DataSource.LIVE}
            assert records.failure is None
        case DataSource.DATABASE:
            assert sources <= {DataSource.DATABASE}
        case DataSource.MIXED:
            # What failed can be something of which nothing is stored either; a zero that is not believed is no failure.
            assert records.failure is not None or sources == {DataSource.LIVE, DataSource.DATABASE}
    if DataSource.LIVE in sources:
        answered = _within(reading, log, lambda entry: entry["status"] in {200, 204})
        assert answered["biomarker"] or answered["score"], "called live, and Sahha had not answered"
    for row in rows:
        if row.source is DataSource.LIVE:
            assert reading.began <= row.as_of <= reading.ended, "called live, and fetched at another time"
        else:
            assert row.received_at < reading.began
        assert row.age_seconds >= int((reading.began - row.measured_at).total_seconds()), "younger than it is"


def _check_attempts(reading: Reading, log: list[Entry]) -> None:
    """No call of one read is tried more than three times; a read beside it may share its calls, never add to them."""
    attempts = Counter(
        (entry["kind"], entry["query"])
        for entry in log
        if entry["person"] == reading.person and entry["kind"] in CALLS and _began_within(reading, entry)
    )
    assert not attempts or max(attempts.values()) <= ATTEMPTS, attempts


def _within(reading: Reading, log: list[Entry], wanted: Any) -> Counter[str]:
    # A read that was joined had begun before: its calls are looked for from one deadline earlier on.
    earliest = reading.began - timedelta(seconds=PATIENCE_S)
    return Counter(
        entry["kind"]
        for entry in log
        if entry["person"] == reading.person
        and earliest <= datetime.fromisoformat(entry["at"]) <= reading.ended
        and wanted(entry)
    )


def _began_within(reading: Reading, entry: Entry) -> bool:
    return reading.began <= datetime.fromisoformat(entry["at"]) <= reading.ended
