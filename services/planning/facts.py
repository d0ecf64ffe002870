"""What can be known of a person for one day: single stored values, each with its row, its age and how far it can be trusted."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from services.domain.freshness import SCORE_BOUND, bound
from services.domain.health import Biomarker, DataSource, Score, ScoreFactor, TimestampRepair
from services.domain.routine import Evidence, EvidenceKind

Row = Biomarker | Score

AT_BOUND = 0.5
"""What a live value is still worth at its freshness bound; in between it falls in a straight line."""
STORED, RUNNING, STAND_IN, REPAIRED = 0.9, 0.7, 0.9, 0.8
"""What is taken off a value from the database, of a day that is not over, told by a score's factor, with a time filled in."""


class FactKey(Enum):
    """The kinds of facts; the value is what a person would call it."""

    NIGHT_DURATION = "night duration"
    NIGHT_START = "night start"
    NIGHT_END = "night end"
    DEEP_SLEEP = "deep sleep"
    REM_SLEEP = "REM sleep"
    AWAKE_AT_NIGHT = "time awake in the night"
    SLEEP_EFFICIENCY = "sleep efficiency"
    SLEEP_DEBT = "sleep debt"
    SLEEP_REGULARITY = "sleep regularity"
    READINESS = "readiness"
    SLEEP_SCORE = "sleep score"
    ACTIVITY_SCORE = "activity score"
    WELLBEING_SCORE = "wellbeing score"
    MENTAL_SCORE = "mental wellbeing score"
    STEPS = "steps"
    STEPS_TODAY = "steps so far today"
    SITTING = "sitting"
    ACTIVE_MINUTES = "active minutes"
    ACTIVE_TODAY = "active minutes so far today"
    RESTING_HEART_RATE = "resting heart rate"
    HEART_RATE_VARIABILITY = "heart rate variability"
    RESPIRATORY_RATE = "breathing rate"
    SKIN_TEMPERATURE = "skin temperature"
    BLOOD_OXYGEN = "blood oxygen"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fresh value. `day` is the local day it speaks of; `factor` is set when it is a factor of the score `row`.

    `confidence` is 0 to 1, as `trust` tells; it changes nothing in a plan by itself.
    """

    key: FactKey
    row: Row
    day: date
    factor: ScoreFactor | None = None
    confidence: float = 1.0

    @property
    def number(self) -> float | None:
        if self.factor is not None:
            return self.factor.value
        return self.row.number if isinstance(self.row, Biomarker) else self.row.score

    @property
    def state(self) -> str | None:
        if self.factor is not None:
            return self.factor.state
        return None if isinstance(self.row, Biomarker) else self.row.state

    @property
    def evidence(self) -> Evidence:
        """The stored value as evidence: a biomarker's as received, a score's in its shortest lossless decimals."""
        if isinstance(self.row, Biomarker):
            kind, name, value, unit = EvidenceKind.BIOMARKER, self.row.type, self.row.value, self.row.value_unit
        elif self.factor is not None:
            kind, name, unit = EvidenceKind.FACTOR, self.factor.name, self.factor.unit
            value = shortest(self.factor.value)
        else:
            kind, name, value, unit = EvidenceKind.SCORE, self.row.type, shortest(self.row.score), None
        return Evidence(kind, name, value, unit, self.row.measured_at, self.row.source, self.row.as_of)


def shortest(number: float | None) -> str:
    """The shortest decimal text that reads back as the same number: `480`, `0.96`."""
    return "" if number is None else repr(float(number)).removesuffix(".0")


def trust(row: Row, needed_at: datetime, factor: ScoreFactor | None = None) -> float:
    """How far a value can be relied on at `needed_at`, 0 to 1 with two decimals; the weights are ours."""
    limit = bound(row.category) if isinstance(row, Biomarker) else SCORE_BOUND
    age = max(0.0, (needed_at - row.measured_at) / limit)
    worth = 1 - (1 - AT_BOUND) * min(1.0, age)
    if row.source is not DataSource.LIVE:
        worth *= STORED
    if factor is not None:
        worth *= STAND_IN
    if isinstance(row, Biomarker):
        worth *= RUNNING if row.periodicity == "intraday" else 1
        worth *= 1 if row.repair is TimestampRepair.NONE else REPAIRED
    return round(worth, 2)
