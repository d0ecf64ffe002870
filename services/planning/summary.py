"""Two or three sentences on a plan: what it was made from, what that means for the day, and what is missing.

Without readings there is no figure and no praise in it.
"""

from datetime import timedelta
from typing import assert_never

from services.domain.freshness import newest_value_at
from services.domain.health import DataSource, DataState
from services.domain.routine import Condition
from services.planning.day_plan import DayPlan, Situation
from services.planning.goals import Concern
from services.planning.limits import effort_limit
from services.planning.recovery import Energy

NOTHING_KNOWN = "No health readings of you have arrived yet, so this day follows your times and your archetype alone."
REPLANNED = "What you have done stays as it was; the rest is planned again from now."


def summary(plan: DayPlan, situation: Situation) -> str:
    """The summary of a finished day."""
    again = REPLANNED if situation.inputs.previous is not None else ""
    parts = [_source(situation), _meaning(plan, situation), again, _missing(situation)]
    return " ".join(part for part in parts if part)


def _source(situation: Situation) -> str:
    records, state = situation.inputs.records, situation.digest.state
    newest = newest_value_at(records)
    if newest is None:
        return NOTHING_KNOWN
    age = how_long(records.as_of - newest)
    if not situation.digest.facts:
        if state is not DataState.STALE and situation.inputs.date > situation.today:
            return "This day is too far ahead to rest on today's readings, so it follows your usual hours and your archetype."
        return f"Your newest reading is {age} old: nothing to plan from, so this day follows your hours and your archetype."
    match records.source:
        case DataSource.LIVE:
            return "This day rests on your live readings."
        case DataSource.DATABASE:
            live = "Live readings could not be had" if records.failure else "Live readings were not asked for"
            return f"{live}, so this day rests on stored ones; the newest is {age} old."
        case DataSource.MIXED:
            return f"Some of the readings are live and the others stored; the newest is {age} old."
        case _:
            assert_never(records.source)


def _meaning(plan: DayPlan, situation: Situation) -> str:
    if not plan.blocks:
        return "There is no time left in this day to plan."
    flags = situation.digest.red_flags
    if flags:
        verb = "was" if len(flags) == 1 else "were"
        return (
            f"Your {' and '.join(flags)} {verb} outside the usual range more than once: please consider a professional's advice. "
            "Until then the day holds no exertion."
        )
    if situation.concern in {Concern.STOP, Concern.CRISIS}:
        return "Please read the notice first; the day holds no exertion."
    return _of_condition(situation) or _of_readings(situation)


def _of_condition(situation: Situation) -> str:
    match situation.condition:
        case Condition.SICK:
            return f"You say that you are ill: the day is for rest, fluids and sleep, without exertion{_earlier(situation)}."
        case Condition.INJURED:
            return "You say that you are injured: there is no load and no impact in the day, and time for what still feels good."
        case Condition.TIRED:
            return f"You say that you are tired: there is no hard effort, rest comes first{_earlier(situation)}."
        case Condition.WELL:
            return ""
        case _:
            assert_never(situation.condition)


def _of_readings(situation: Situation) -> str:
    if situation.careful:
        return "Last night is still arriving, so the plan is a careful one without hard effort until the night is whole."
    match situation.energy:
        case Energy.LOW:
            return f"They point to little recovery: there is no hard effort, rest comes first{_earlier(situation)}."
        case Energy.HIGH:
            limit = effort_limit(situation)
            held = f"; there is no hard effort all the same, since {limit.because}" if limit.because else ""
            return f"They show good recovery, so the day may ask something of you{held}."
        case Energy.STEADY:
            limit = effort_limit(situation)
            held = f" There is no hard effort, since {limit.because}." if limit.because else ""
            return f"They call for an ordinary day: effort in the right hours, and time to come down afterwards.{held}"
        case Energy.UNKNOWN:
            return "Nothing is known of how recovered you are, so it is kept modest."
        case _:
            assert_never(situation.energy)


def _earlier(situation: Situation) -> str:
    return ", and lights go out earlier" if situation.hours.moved >= timedelta(minutes=30) else ""


def _missing(situation: Situation) -> str:
    if situation.digest.state is DataState.NONE or not situation.digest.missing:
        return ""
    names = " and ".join(situation.digest.missing)
    return f"Missing or out of date: {names}."


def how_long(age: timedelta) -> str:
    """An age in its largest whole unit: `5 minutes`, `1 hour`, `3 days`; under a minute: `less than a minute`."""
    minutes = int(age.total_seconds() // 60)
    for length, name in ((2 * 24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= length:
            count = minutes // min(length, 24 * 60)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
