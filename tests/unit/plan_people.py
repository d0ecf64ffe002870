"""Invented people for planner tests: their rows, and what is asked for them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.domain.health import Biomarker, DataSource, HealthRecords, Score, ScoreFactor
from services.domain.ids import RoutineId, UserId
from services.domain.routine import Archetype, Preferences
from services.domain.schedule import instant
from services.planning.inputs import PlanInputs

ROUTINE = RoutineId(UUID("9f0c7d52-52b5-4f0e-9a59-0c3f6ff1f2a1"))
ZONE = "America/New_York"
NO_PREFERENCES = Preferences()
DAY = date(2026, 3, 18)
MORNING = datetime(2026, 3, 18, 10, 40, tzinfo=UTC)
"""06:40 in New York on that day."""


def biomarker(
    kind: str,
    value: str,
    start: datetime,
    end: datetime,
    *,
    category: str = "sleep",
    unit: str | None = "minute",
    periodicity: str = "daily",
    as_of: datetime = MORNING,
    received_at: datetime | None = None,
    source: DataSource = DataSource.LIVE,
) -> Biomarker:
    try:
        number: float | None = float(value)
    except ValueError:
        number = None
    return Biomarker(
        id=f"{kind}-{start.isoformat()}",
        category=category,
        type=kind,
        periodicity=periodicity,
        aggregation="total",
        value=value,
        number=number,
        unit=unit,
        value_type="double",
        start_date_time=start,
        end_date_time=end,
        received_at=received_at or as_of,
        as_of=as_of,
        source=source,
    )


def night(
    waking: date, bed: time, wake: time, *, tz: str = ZONE, asleep: int | None = None, as_of: datetime = MORNING
) -> list[Biomarker]:
    """The three rows of a night that ends on `waking`, as Sahha sends them."""
    place = ZoneInfo(tz)
    end = datetime.combine(waking, wake, place)
    start = datetime.combine(waking if bed < wake else waking - timedelta(days=1), bed, place)
    minutes = asleep if asleep is not None else int((end.timestamp() - start.timestamp()) / 60)
    opens = datetime.combine(waking - timedelta(days=1), time(18), place)
    closes = datetime.combine(waking, time(17, 59, 59), place)
    rows = (("sleep_start_time", _stamp(start)), ("sleep_end_time", _stamp(end)), ("sleep_duration", str(minutes)))
    return [biomarker(kind, value, opens, closes, as_of=as_of) for kind, value in rows]


def activity(day: date, steps: int, *, tz: str = ZONE, as_of: datetime = MORNING) -> list[Biomarker]:
    place = ZoneInfo(tz)
    start, end = datetime.combine(day, time(0), place), datetime.combine(day, time(23, 59, 59), place)
    return [
        biomarker("steps", str(steps), start, end, category="activity", unit="count", as_of=as_of),
        biomarker("activity_sedentary_duration", "612", start, end, category="activity", as_of=as_of),
    ]


def score(
    kind: str,
    figure: float,
    state: str | None,
    day: date,
    *,
    tz: str = ZONE,
    factors: Iterable[ScoreFactor] = (),
    as_of: datetime = MORNING,
) -> Score:
    midnight = datetime.combine(day, time(0), ZoneInfo(tz))
    return Score(
        id=f"{kind}-{day}",
        type=kind,
        state=state,
        score=figure,
        score_date_time=midnight,
        created_at=as_of - timedelta(minutes=30),
        factors=tuple(factors),
        data_sources=("sleep",),
        received_at=as_of,
        as_of=as_of,
        source=DataSource.LIVE,
    )


def records(
    biomarkers: Iterable[Biomarker] = (),
    scores: Iterable[Score] = (),
    *,
    as_of: datetime = MORNING,
    source: DataSource = DataSource.LIVE,
) -> HealthRecords:
    return HealthRecords(UserId("person"), source, as_of, tuple(biomarkers), tuple(scores))


def rested(*, bed: time = time(22, 40), wake: time = time(6, 30)) -> HealthRecords:
    """A week of good nights and high scores."""
    days = [DAY - timedelta(days=back) for back in range(7)]
    rows = [row for day in days for row in night(day, bed, wake)] + [row for day in days[1:] for row in activity(day, 8412)]
    scores = [score("readiness", 0.82, "high", DAY), score("sleep", 0.88, "high", DAY), score("activity", 0.7, "medium", DAY)]
    return records(rows, scores)


def short_sleeper(*, bed: time = time(0, 50), wake: time = time(6, 20)) -> HealthRecords:
    """A week of short nights, a sleep debt and low readiness."""
    days = [DAY - timedelta(days=back) for back in range(7)]
    rows = [row for day in days for row in night(day, bed, wake, asleep=318)]
    rows += [row for day in days[1:] for row in activity(day, 3120)]
    opens, closes = (
        datetime.combine(day, time(18), ZoneInfo(ZONE)) for day in (DAY - timedelta(days=9), DAY - timedelta(days=1))
    )
    rows.append(biomarker("sleep_debt", "2.6", opens, closes, unit="hour", periodicity="weekly"))
    return records(rows, [score("readiness", 0.34, "low", DAY), score("sleep", 0.41, "low", DAY)])


def nobody() -> HealthRecords:
    return records()


def ask(
    data: HealthRecords,
    archetype: Archetype = Archetype.TRANSFORMATION_SEEKER,
    preferences: Preferences = NO_PREFERENCES,
    *,
    zone: str = ZONE,
    day: date = DAY,
    ready_at: datetime = MORNING,
) -> PlanInputs:
    return PlanInputs(ROUTINE, archetype, preferences, zone, day, data, ready_at)


def at(clock_time: time, day: date = DAY, zone: str = ZONE) -> datetime:
    return instant(day, clock_time, ZoneInfo(zone))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
