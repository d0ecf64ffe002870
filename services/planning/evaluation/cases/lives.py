"""Shift work, travel, early and late people, days of every length, and clocks that are moved."""

from dataclasses import replace
from datetime import date, time

from services.domain.routine import Archetype, CheckVerdict, FixedEvent, Preferences
from services.planning.evaluation.case import Case
from services.planning.evaluation.expectations import (
    EMPTY,
    HAS_TASKS,
    check_is,
    count_between,
    free_between,
    has_role,
    lights_out_by,
    night_hours_at_least,
    role_between,
    says,
    starts_after,
    waking_hours,
)
from services.planning.evaluation.stage import NOBODY, Person, Stage, ask, rested, worn_out

MORNING = Stage(date(2026, 5, 12), time(5, 30))
LATE_MORNING = replace(MORNING, clock_time=time(10, 45))
EVENING = replace(MORNING, clock_time=time(20, 10))
IMPROVER = Archetype.SYSTEMATIC_IMPROVER
TIME = "Rule time: real minutes in the zone"
NIGHT = "Rule night.day: the longest sleep"
SHIFT = Preferences(wake_time=time(16), sleep_time=time(8), work_start=time(22), work_end=time(6))


def _day_sleeper(stage: Stage) -> Person:
    return Person(tuple(row for back in range(1, 7) for row in stage.night(back, time(8, 30), time(16, 10))))


def _from(zone: str) -> Person:
    """Nights recorded where the person came from."""
    return rested(replace(MORNING, timezone=zone))


def _work() -> tuple[Case, ...]:
    return (
        Case(
            "night-shift",
            "work from 22:00 to 06:00, sleep from 08:00 to 16:00",
            NIGHT,
            ask(MORNING, NOBODY, IMPROVER, SHIFT),
            (
                role_between("breakfast", time(16, 20), time(19)),
                role_between("dinner", time(0), time(5), next_day=True),
                lights_out_by(time(8), next_day=True),
            ),
        ),
        Case(
            "day-sleeper",
            "a week of sleep by day and no preferences",
            NIGHT,
            ask(replace(MORNING, clock_time=time(15)), _day_sleeper(MORNING), IMPROVER),
            (role_between("breakfast", time(16, 20), time(19)), lights_out_by(time(8, 45), next_day=True)),
        ),
        Case(
            "office",
            "an office day from nine to five",
            "Place of tasks: ours",
            ask(MORNING, rested(MORNING), preferences=Preferences(work_start=time(9), work_end=time(17))),
            (
                role_between("training", time(17), time(19)),
                role_between("lunch", time(11, 30), time(14)),
                role_between("dinner", time(17), time(20)),
            ),
        ),
        Case(
            "long-office",
            "work from eight to seven and a late bedtime of habit",
            "Rule meal.last gives way to a dinner at all",
            ask(MORNING, rested(MORNING), preferences=Preferences(work_start=time(8), work_end=time(19))),
            (role_between("dinner", time(19), time(20, 45)),),
        ),
    )


def _places() -> tuple[Case, ...]:
    return (
        Case(
            "jet-lag-east",
            "nights of New York, a day in Vienna",
            "Habits are read in the zone that is asked for",
            ask(replace(MORNING, clock_time=time(9)), _from("America/New_York"), preferences=Preferences(time(7), time(23))),
            (HAS_TASKS, lights_out_by(time(23)), night_hours_at_least(7)),
        ),
        Case(
            "jet-lag-west",
            "nights of Tokyo, a day in Vienna, no preferences",
            "Habits are read in the zone that is asked for",
            ask(replace(MORNING, clock_time=time(9)), _from("Asia/Tokyo")),
            (HAS_TASKS, night_hours_at_least(7)),
        ),
        Case(
            "far-east",
            "a person in Chatham, with an offset of quarters",
            TIME,
            ask(Stage(date(2026, 5, 12), time(5, 30), "Pacific/Chatham"), preferences=Preferences(time(7), time(23))),
            (waking_hours(16), HAS_TASKS),
        ),
    )


def _clocks() -> tuple[Case, ...]:
    return (
        Case(
            "spring",
            "New York, the night the clock jumps: a calendar day of 23 h",
            TIME,
            ask(Stage(date(2027, 3, 14), time(0, 30), "America/New_York"), preferences=Preferences(time(1), time(17))),
            (waking_hours(15), HAS_TASKS),
        ),
        Case(
            "autumn",
            "New York, the night the clock is put back: 25 h",
            TIME,
            ask(Stage(date(2026, 11, 1), time(0, 20), "America/New_York"), preferences=Preferences(time(0, 30), time(16))),
            (waking_hours(16.5), HAS_TASKS),
        ),
        Case(
            "half-hour",
            "Lord Howe, a calendar day of 23.5 h",
            TIME,
            ask(Stage(date(2026, 10, 4), time(0, 30), "Australia/Lord_Howe"), preferences=Preferences(time(1), time(17))),
            (waking_hours(15.5), HAS_TASKS),
        ),
        Case(
            "night-over-the-gap",
            "bed at 23:00 before the clock jumps at two",
            "Rule sleep.len in real hours",
            ask(Stage(date(2027, 3, 13), time(6), "America/New_York"), preferences=Preferences(time(6), time(23))),
            (night_hours_at_least(7), lights_out_by(time(22))),
        ),
    )


def _lengths() -> tuple[Case, ...]:
    return (
        Case(
            "four-hours",
            "a day of four hours",
            "Rule count: in proportion",
            ask(MORNING, rested(MORNING), preferences=Preferences(time(10), time(14))),
            (count_between(1, 5), HAS_TASKS),
        ),
        Case(
            "twenty-hours",
            "a day of twenty hours leaves no night",
            "Rule sleep.len: told and kept",
            ask(MORNING, rested(MORNING), preferences=Preferences(time(5), time(1))),
            (check_is("sleep.len", CheckVerdict.REPAIRED), night_hours_at_least(7)),
        ),
        Case(
            "twenty-minutes",
            "twenty minutes before bed",
            "Rule count: nothing is asked of the last half hour",
            ask(replace(MORNING, clock_time=time(22, 20)), rested(MORNING), preferences=Preferences(time(6, 30), time(22, 40))),
            (count_between(0, 2),),
        ),
    )


def _crowded() -> tuple[Case, ...]:
    return (
        Case(
            "full",
            "appointments fill the whole day",
            "What does not fit is told in the checks",
            ask(
                MORNING,
                rested(MORNING),
                preferences=Preferences(
                    fixed_events=tuple(FixedEvent(f"Appointment {hour}", time(hour), time(hour + 1)) for hour in range(5, 23))
                ),
            ),
            (EMPTY, check_is("count", CheckVerdict.NOT_APPLICABLE), says("appointments")),
        ),
        Case(
            "gaps",
            "three long appointments and little room",
            "Rule time: appointments are left free",
            ask(
                MORNING,
                rested(MORNING),
                preferences=Preferences(
                    fixed_events=(
                        FixedEvent("Workshop", time(8), time(12)),
                        FixedEvent("Visit", time(13), time(17, 30)),
                        FixedEvent("Concert", time(19, 30), time(22)),
                    )
                ),
            ),
            (
                free_between(time(8), time(12)),
                free_between(time(13), time(17, 30)),
                free_between(time(19, 30), time(22)),
                HAS_TASKS,
            ),
        ),
        Case(
            "late-ask",
            "a plan asked for at ten past eight in the evening",
            "Rule time.ready",
            ask(EVENING, rested(EVENING), IMPROVER),
            (starts_after(EVENING.now), count_between(1, 4)),
        ),
        Case(
            "tomorrow",
            "a plan for the day after tomorrow",
            "Values must be fresh when they are needed",
            ask(EVENING, rested(EVENING), day=date(2026, 5, 14)),
            (HAS_TASKS, count_between(12, 14)),
        ),
    )


def _rhythms() -> tuple[Case, ...]:
    return (
        Case(
            "lark",
            "asleep before nine, awake before five",
            "Chronotype from the nights",
            ask(replace(MORNING, clock_time=time(4)), rested(MORNING, time(20, 45), time(4, 45)), Archetype.RESILIENCE_REBUILDER),
            (lights_out_by(time(21)), role_between("lunch", time(10), time(13))),
        ),
        Case(
            "owl",
            "asleep after two, awake after ten",
            "Chronotype from the nights",
            ask(
                replace(MORNING, clock_time=time(10, 45)),
                rested(replace(MORNING, clock_time=time(10, 45)), time(2, 30), time(10, 30)),
            ),
            (role_between("deep-work", time(13), time(18)), lights_out_by(time(2, 30), next_day=True)),
        ),
        Case(
            "habits",
            "no preferences: the hours come from the nights",
            "Habits where preferences are left out",
            ask(MORNING, rested(MORNING)),
            (lights_out_by(time(22, 40)), has_role("breakfast"), role_between("breakfast", time(6, 30), time(8))),
        ),
        Case(
            "short-habit",
            "habits that leave too short a night",
            "Rule sleep.len",
            ask(MORNING, worn_out(MORNING)),
            (night_hours_at_least(7), check_is("sleep.len", CheckVerdict.REPAIRED)),
        ),
    )


def lives() -> tuple[Case, ...]:
    return (*_work(), *_places(), *_clocks(), *_lengths(), *_crowded(), *_rhythms())
