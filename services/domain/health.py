"""Health records as the product sees them, whatever upstream they came from."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TypeVar

from services.domain.ids import UserId


class DataSource(Enum):
    """Where a value, or a whole read, came from. MIXED stands on a whole read only."""

    LIVE = "LIVE"
    DATABASE = "DATABASE"
    MIXED = "MIXED"


class ReadPolicy(Enum):
    """LIVE_FIRST asks Sahha and falls back to the database; DATABASE never calls Sahha."""

    LIVE_FIRST = "LIVE_FIRST"
    DATABASE = "DATABASE"


class DataState(Enum):
    """Four different things that an empty list would hide, and COMPLETE."""

    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    SYNCING = "SYNCING"
    STALE = "STALE"
    NONE = "NONE"


class TimestampRepair(Enum):
    """What was missing in a row as received, and was filled in. A repaired row never decides a time in a plan."""

    NONE = "NONE"
    START = "START"
    END = "END"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class Biomarker:
    """One row of Sahha's biomarkers.

    `value` is lossless, as received, and stands in `value_unit`. `number` is the same where it is one, in `unit`: the one unit
    that all rows of a type have, so that numbers of a type can be compared. The two units differ only in a row that was received
    in another one, which `received_unit` then names (7.5 `hour` is the number 450 in `minute`).

    `start_date_time` and `end_date_time` keep the person's own offset. `received_at` is when this value was first received,
    `as_of` the moment of the read that gave this object. `extra` is canonical JSON of the fields that the product does not
    know. How a value was written is no part of what a row says: a fingerprint takes `meaning` and `unit`.
    """

    id: str
    category: str
    type: str
    periodicity: str
    aggregation: str
    value: str
    number: float | None
    unit: str | None
    value_type: str | None
    start_date_time: datetime
    end_date_time: datetime
    received_at: datetime
    as_of: datetime
    source: DataSource
    repair: TimestampRepair = TimestampRepair.NONE
    received_unit: str | None = None
    extra: str | None = None

    @property
    def value_unit(self) -> str | None:
        """The unit that `value` stands in."""
        return self.received_unit or self.unit

    @property
    def meaning(self) -> float | str:
        """What `value` says however it was written: the number in `unit`, the instant of a date-time in UTC, else the text."""
        if self.number is not None:
            return self.number
        if self.unit != "datetime" and self.value_type != "datetime":
            return self.value
        try:
            moment = datetime.fromisoformat(self.value)
        except ValueError:
            return self.value
        return f"@{moment.timestamp():.3f}" if moment.tzinfo is not None else self.value

    @property
    def measured_at(self) -> datetime:
        """The end of the row's window, or its receipt where the window is still open."""
        return min(self.end_date_time, self.received_at)

    @property
    def age_seconds(self) -> int:
        return age_seconds(self.measured_at, self.as_of)


@dataclass(frozen=True, slots=True)
class ScoreFactor:
    """One factor of a score; any of its figures can be missing. Goals and units are the payload's, never ours."""

    name: str
    value: float | None
    goal: float | None
    score: float | None
    state: str | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """One score of one local day; `score` is 0 to 1. `score_date_time` is the person's local midnight, with their offset.

    `extra` as in `Biomarker`.
    """

    id: str
    type: str
    state: str | None
    score: float | None
    score_date_time: datetime
    created_at: datetime | None
    factors: tuple[ScoreFactor, ...]
    data_sources: tuple[str, ...]
    received_at: datetime
    as_of: datetime
    source: DataSource
    extra: str | None = None

    @property
    def measured_at(self) -> datetime:
        """When Sahha made the score; where it does not say, when it was received."""
        return min(self.created_at or self.received_at, self.received_at)

    @property
    def age_seconds(self) -> int:
        return age_seconds(self.measured_at, self.as_of)


@dataclass(frozen=True, slots=True)
class BehaviourLabel:
    """What Sahha calls an archetype: a word for how a person lived over a week or a month, such as `long_sleeper`.

    Unrelated to the six archetypes of routines. `ordinality` is the place of `value` among the values of `name`, from 0;
    `None` where there is no order. `end_date_time` is the start of the last day. Natural key: name, periodicity,
    `start_date_time`.
    """

    id: str
    name: str
    value: str
    data_type: str | None
    periodicity: str
    ordinality: int | None
    start_date_time: datetime
    end_date_time: datetime
    received_at: datetime
    as_of: datetime
    source: DataSource
    extra: str | None = None


class RecordKind(Enum):
    """What a record is about. A factor is kept under its score: `category` is the score's type, `type` the factor's name."""

    BIOMARKER = "BIOMARKER"
    SCORE = "SCORE"
    SCORE_FACTOR = "SCORE_FACTOR"
    BEHAVIOUR_LABEL = "BEHAVIOUR_LABEL"


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that cannot be true, kept out of everything that is read and planned from, with what is wrong with it.

    Natural key: kind, category, type, grain and `start_date_time`. `category` is empty for scores and labels, `periodicity` is
    `daily` for scores. `value` is the text as received, at most 1,024 characters, without control characters; `reason` holds
    nothing of it.
    """

    kind: RecordKind
    category: str
    type: str
    periodicity: str
    start_date_time: datetime
    end_date_time: datetime | None
    sahha_id: str | None
    value: str | None = field(repr=False)
    unit: str | None
    reason: str
    received_at: datetime


BASELINE_DAYS = 28
"""Days that make a person's own baseline (architecture.md, section 3)."""


@dataclass(frozen=True, slots=True)
class EarlierRecords:
    """Stored rows of the weeks before a read: what its values are compared with. They are no evidence and not counted."""

    biomarkers: tuple[Biomarker, ...] = ()
    scores: tuple[Score, ...] = ()


NOTHING_EARLIER = EarlierRecords()


@dataclass(frozen=True, slots=True)
class HealthRecords:
    """What one read gave: rows newest first, where they came from and when they were read.

    `fetch_ms` is how long Sahha took, `None` when it was not asked. `failure` says, in words safe to show, why Sahha's answer,
    or a part of it, is not in it. `device_seen_at`: when the person's device last sent anything, as far as Sahha told.
    `older_value_at`, of a read without rows: when the newest value of the days before it was measured; `None`: there is none.
    """

    user_id: UserId
    source: DataSource
    as_of: datetime
    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    fetch_ms: int | None = None
    failure: str | None = None
    device_seen_at: datetime | None = None
    older_value_at: datetime | None = None

    @property
    def empty(self) -> bool:
        return not self.biomarkers and not self.scores

    def after(self, earlier: EarlierRecords) -> "HealthRecords":
        """The same read with the rows of the weeks before it behind its own."""
        return replace(self, biomarkers=(*self.biomarkers, *earlier.biomarkers), scores=(*self.scores, *earlier.scores))


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The newest value of every type, each with its own age: what a plan is made from."""

    user_id: UserId
    state: DataState
    source: DataSource
    as_of: datetime
    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    missing_categories: tuple[str, ...]


def age_seconds(measured_at: datetime, as_of: datetime) -> int:
    """Whole seconds from `measured_at` to `as_of`, never negative (device clocks run ahead)."""
    return max(0, int((as_of - measured_at).total_seconds()))


def newest_biomarkers(rows: Iterable[Biomarker]) -> tuple[Biomarker, ...]:
    """The newest row of each (category, type, periodicity class), ordered by category and type.

    `intraday` and `daily` are one class: the running day and the same day when it is over.
    """
    newest: dict[tuple[str, str, str], Biomarker] = {}
    for row in rows:
        key = (row.category, row.type, grain(row.periodicity))
        held = newest.get(key)
        if held is None or (row.start_date_time, row.end_date_time) > (held.start_date_time, held.end_date_time):
            newest[key] = row
    return tuple(newest[key] for key in sorted(newest))


def newest_scores(rows: Iterable[Score]) -> tuple[Score, ...]:
    """The newest score of each type, ordered by type."""
    newest: dict[str, Score] = {}
    for row in rows:
        held = newest.get(row.type)
        if held is None or row.score_date_time > held.score_date_time:
            newest[row.type] = row
    return tuple(newest[key] for key in sorted(newest))


def grain(periodicity: str) -> str:
    """The part of a biomarker's natural key that its periodicity gives: `daily` supersedes `intraday` of the same start."""
    return "daily" if periodicity == "intraday" else periodicity


Row = TypeVar("Row", Biomarker, Score)


def local_date_of(row: Biomarker | Score) -> date:
    """The day that a row belongs to, read in the row's own offset.

    A score: the day of its `score_date_time`. A biomarker: the day on which its window starts, but for sleep, whose windows start
    on the evening before, the day on which it ends, which is the day of waking.
    """
    if isinstance(row, Score):
        return row.score_date_time.date()
    if row.category == "sleep":
        # A window may end at the last second of a day or at the first instant after it: both mean that day.
        return (row.end_date_time - timedelta(microseconds=1)).date()
    return row.start_date_time.date()


def in_local_days(rows: Iterable[Row], first: date, last: date) -> tuple[Row, ...]:
    """The rows of the local days from `first` to `last`, both included, in the order given."""
    return tuple(row for row in rows if first <= local_date_of(row) <= last)
