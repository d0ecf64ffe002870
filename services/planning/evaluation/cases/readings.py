"""No data, old data, data that is still arriving, and what readings say against a person's own."""

from dataclasses import replace
from datetime import date, time

from services.domain.health import DataSource
from services.domain.routine import Archetype, CheckVerdict
from services.planning.evaluation.case import Case
from services.planning.evaluation.expectations import (
    NO_EVIDENCE,
    NO_FIGURE,
    NO_PRAISE,
    SOME_EVIDENCE,
    check_is,
    effort_at_most,
    effort_reaches,
    says,
)
from services.planning.evaluation.stage import NOBODY, Person, Stage, ask, rested
from services.planning.library.template import Effort

MORNING = Stage(date(2026, 5, 12), time(6, 40))
STORED = replace(MORNING, source=DataSource.DATABASE)
PEAK = Archetype.PEAK_PERFORMER
HONEST = "No data: no figures and no praise"
HRV = "heart_rate_variability_rmssd"


def _variability(recent: float) -> Person:
    """Four weeks of heart rate variability, the last one at another level; a very good readiness today."""
    rows = [MORNING.vital(HRV, 3 + 24 * back, 62 + (back % 3), "millisecond") for back in range(7, 28)]
    rows += [MORNING.vital(HRV, 3 + 24 * back, recent + (back % 2), "millisecond") for back in range(7)]
    return rested(MORNING).plus(*rows)


def _half_synced() -> Person:
    """Yesterday's night and older, and steps of this morning: last night is on its way."""
    nights = Person(tuple(row for back in range(1, 7) for row in MORNING.night(back, time(22, 40), time(6, 30))))
    return nights.plus(MORNING.total("steps", 0, 212, "count"), MORNING.total("steps", 1, 8000, "count"))


def _hard_day(back: int, state: str, figure: float) -> Person:
    nights = Person(rested(MORNING).biomarkers)
    return nights.plus(MORNING.total("activity_high_intensity_duration", back, 48), MORNING.score("readiness", figure, state))


def _arriving() -> tuple[Case, ...]:
    return (
        Case(
            "nobody",
            "a person of whom nothing has arrived",
            HONEST,
            ask(MORNING, NOBODY, PEAK),
            (NO_EVIDENCE, NO_FIGURE, NO_PRAISE, effort_at_most(Effort.MODERATE)),
        ),
        Case(
            "stale",
            "the newest reading is four days old",
            "Rule data",
            ask(replace(MORNING, day=date(2026, 5, 16)), rested(MORNING), PEAK),
            (NO_EVIDENCE, NO_PRAISE, says("old"), effort_at_most(Effort.MODERATE)),
        ),
        Case(
            "stored",
            "Sahha did not answer; the database has this morning's rows",
            "Fallback, told as such",
            ask(STORED, rested(STORED)),
            (SOME_EVIDENCE, says("stored")),
        ),
        Case(
            "syncing",
            "last night is still arriving",
            "A half-synced morning makes a careful plan",
            ask(
                MORNING,
                _half_synced(),
                PEAK,
            ),
            (says("still arriving"), effort_at_most(Effort.MODERATE)),
        ),
        Case(
            "no-sleep-rows",
            "scores alone, no sleep and no activity",
            "Partial data",
            ask(MORNING, Person((), rested(MORNING).scores)),
            (says("Missing or out of date"), SOME_EVIDENCE),
        ),
    )


def _against_their_own() -> tuple[Case, ...]:
    return (
        Case(
            "rested",
            "a rested peak performer",
            "The control: what is good is used",
            ask(MORNING, rested(MORNING), PEAK),
            (effort_reaches(Effort.HARD), SOME_EVIDENCE, check_is("effort.one", CheckVerdict.PASSED)),
        ),
        Case(
            "hrv-below-own",
            "a week of heart rate variability below the person's own, on a good readiness",
            "Rule ex.hrv: Plews 2014",
            ask(MORNING, _variability(46), PEAK),
            (effort_at_most(Effort.MODERATE), says("heart rate variability")),
        ),
        Case(
            "hrv-as-ever",
            "heart rate variability as it always is",
            "Rule ex.hrv: Plews 2014",
            ask(MORNING, _variability(62), PEAK),
            (effort_reaches(Effort.HARD),),
        ),
        Case(
            "hard-yesterday",
            "a hard effort yesterday and a middling readiness",
            "Rule effort.one: none within 48 h",
            ask(MORNING, _hard_day(1, "medium", 0.6), PEAK),
            (effort_at_most(Effort.MODERATE),),
        ),
        Case(
            "hard-last-week",
            "the last hard effort was five days ago",
            "Rule effort.one",
            ask(MORNING, _hard_day(5, "medium", 0.6), PEAK),
            (effort_reaches(Effort.HARD),),
        ),
        Case(
            "hard-today",
            "a hard effort is recorded today already",
            "Rule effort.one: one in a day",
            ask(replace(MORNING, clock_time=time(12, 10)), _hard_day(0, "high", 0.9), PEAK),
            (effort_at_most(Effort.MODERATE),),
        ),
    )


def readings() -> tuple[Case, ...]:
    return (*_arriving(), *_against_their_own())
