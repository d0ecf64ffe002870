"""Where and when a case plays, and the rows of the invented person in it, as Sahha would send them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.domain.health import Biomarker, DataSource, EarlierRecords, HealthRecords, Score, ScoreFactor, in_local_days
from services.domain.ids import RoutineId, UserId
from services.domain.routine import Archetype, Condition, Preferences
from services.domain.schedule import instant, zone
from services.planning.inputs import PlanInputs

ROUTINE = RoutineId(UUID("6d0a1c52-3f3e-4b55-9a0e-6a2f1b7c9e10"))
NOTHING_ASKED = Preferences()
RECEIVED = timedelta(minutes=20)
"""Rows were received this long before the plan is made."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A place, a day and the wall-clock time at which the plan is asked for. `back` counts days before that day."""

    day: date
    clock_time: time
    timezone: str = "Europe/Vienna"
    source: DataSource = DataSource.LIVE

    @property
    def tz(self) -> ZoneInfo:
        return zone(self.timezone)

    @property
    def now(self) -> datetime:
        return instant(self.day, self.clock_time, self.tz)

    def at(self, clock_time: time, back: int = 0) -> datetime:
        """That time on the day, or so many days before it, written in the person's own offset."""
        return datetime.combine(self.day - timedelta(days=back), clock_time, self.tz)

    def night(self, back: int, bed: time, wake: time, asleep: int | None = None) -> tuple[Biomarker, ...]:
        """The rows of the night that ended so many days before; `asleep` in minutes, else all of it."""
        end = self.at(wake, back)
        start = self.at(bed, back if bed < wake else back + 1)
        minutes = int((end.timestamp() - start.timestamp()) / 60) if asleep is None else asleep
        opens, closes = self.at(time(18), back + 1), self.at(time(17, 59, 59), back)
        values = {
            "sleep_start_time": start.isoformat(timespec="minutes"),
            "sleep_end_time": end.isoformat(timespec="minutes"),
            "sleep_duration": str(minutes),
        }
        return tuple(self._row("sleep", kind, value, "minute", opens, closes) for kind, value in values.items())

    def total(self, kind: str, back: int, value: float, unit: str = "minute") -> Biomarker:
        """A total of a whole day, or of today so far for `back` 0."""
        row = self._row("activity", kind, f"{value:g}", unit, self.at(time(0), back), self.at(time(23, 59, 59), back))
        return row if back else replace(row, periodicity="intraday")

    def vital(self, kind: str, hours_ago: float, value: float, unit: str) -> Biomarker:
        moment = self.now - timedelta(hours=hours_ago)
        return self._row("vitals", kind, f"{value:g}", unit, moment, moment)

    def weekly(self, kind: str, value: float, unit: str) -> Biomarker:
        """A rolling value of the last week, such as `sleep_debt`."""
        return replace(
            self._row("sleep", kind, f"{value:g}", unit, self.at(time(18), 8), self.at(time(17, 59, 59), 1)), periodicity="weekly"
        )

    def age(self, years: int) -> Biomarker:
        moment = self.now - timedelta(days=40)
        return self._row("characteristic", "age", str(years), "year", moment, moment)

    def score(self, kind: str, figure: float, state: str | None, back: int = 0, factors: Iterable[ScoreFactor] = ()) -> Score:
        received = self.now - RECEIVED - timedelta(days=back)
        return Score(
            id=f"{kind}-{back}",
            type=kind,
            state=state,
            score=figure,
            score_date_time=self.at(time(0), back),
            created_at=received,
            factors=tuple(factors),
            data_sources=("sleep",),
            received_at=received,
            as_of=self.now,
            source=self.source,
        )

    def _row(self, category: str, kind: str, value: str, unit: str, start: datetime, end: datetime) -> Biomarker:
        try:
            number: float | None = float(value)
        except ValueError:
            number = None
        return Biomarker(
            id=f"{kind}-{start.isoformat()}",
            category=category,
            type=kind,
            periodicity="daily",
            aggregation="total",
            value=value,
            number=number,
            unit=unit if number is not None else "datetime",
            value_type="double" if number is not None else "datetime",
            start_date_time=start,
            end_date_time=end,
            received_at=max(min(self.now - RECEIVED, end + timedelta(hours=1)), start),
            as_of=self.now,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Rows put together: what one read of a person gives."""

    biomarkers: tuple[Biomarker, ...] = ()
    scores: tuple[Score, ...] = ()

    def plus(self, *rows: Biomarker | Score) -> "Person":
        return Person(
            (*self.biomarkers, *(row for row in rows if isinstance(row, Biomarker))),
            (*self.scores, *(row for row in rows if isinstance(row, Score))),
        )

    def without_scores(self) -> "Person":
        return replace(self, scores=())


NOBODY = Person()


def rested(stage: Stage, bed: time = time(22, 40), wake: time = time(6, 30)) -> Person:
    """A week of full nights, ordinary movement and high scores."""
    nights = [row for back in range(7) for row in stage.night(back, bed, wake)]
    totals = [
        row
        for back in range(1, 8)
        for row in (stage.total("steps", back, 8412, "count"), stage.total("activity_sedentary_duration", back, 540))
    ]
    high = (stage.score("readiness", 0.82, "high"), stage.score("sleep", 0.88, "high"), stage.score("activity", 0.7, "medium"))
    return Person((*nights, *totals), high)


def worn_out(stage: Stage, bed: time = time(0, 50), wake: time = time(6, 20)) -> Person:
    """A week of short nights, a sleep debt, little movement and low scores."""
    nights = [row for back in range(7) for row in stage.night(back, bed, wake, asleep=318)]
    steps = [stage.total("steps", back, 3120, "count") for back in range(1, 8)]
    low = (stage.score("readiness", 0.34, "low"), stage.score("sleep", 0.41, "low"))
    return Person((*nights, *steps, stage.weekly("sleep_debt", 2.6, "hour")), low)


def ask(
    stage: Stage,
    person: Person = NOBODY,
    archetype: Archetype = Archetype.TRANSFORMATION_SEEKER,
    preferences: Preferences = NOTHING_ASKED,
    condition: Condition = Condition.WELL,
    day: date | None = None,
) -> PlanInputs:
    """The request of a case, made at the stage's moment for its day, or for another `day`."""
    week, before = (stage.day - timedelta(days=6), stage.day), (date.min, stage.day - timedelta(days=7))
    read = HealthRecords(
        UserId("invented"), stage.source, stage.now, in_local_days(person.biomarkers, *week), in_local_days(person.scores, *week)
    )
    earlier = EarlierRecords(in_local_days(person.biomarkers, *before), in_local_days(person.scores, *before))
    return PlanInputs(
        ROUTINE, archetype, preferences, stage.timezone, day or stage.day, read, stage.now, condition, earlier=earlier
    )
