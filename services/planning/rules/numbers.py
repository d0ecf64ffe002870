"""Which numbers a text may hold (rule text.numbers), for planners that write and for the rule that checks them."""

import re
from collections.abc import Collection, Iterable, Mapping

from services.domain.freshness import parse_instant
from services.domain.routine import Evidence
from services.domain.schedule import local_time
from services.planning.day_plan import PlannedTask, Situation

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*|[¼½¾⅓⅔⅛]")
"""Digits of any script."""

RULE_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "sleep.len": ("7", "8", "9", "10"),
    "sleep.reg": ("30", "60"),
    "sleep.debt": ("1", "2"),
    "caf.coffee": ("8.8",),
    "caf.pre": ("13.2",),
    "ex.late": ("4",),
    "effort.one": ("1", "48"),
    "ex.week": ("75", "150", "300"),
    "ex.str": ("2", "3"),
    "sit.break": ("5", "30", "60"),
    "meal.walk": ("2", "5", "60", "90"),
    "meal.last": ("3",),
    "light.day": ("250",),
    "light.eve": ("3", "10"),
    "nap": ("30",),
}
"""Numbers that the words of a task following a rule may quote, by rule."""


def numbers_in(text: str) -> list[str]:
    """The numbers of a text as they stand there."""
    return NUMBER.findall(text)


def allowed_numbers(task: PlannedTask, situation: Situation) -> frozenset[str]:
    """Numbers that a task's words may hold besides those of its evidence: its time, its library entry, its rules."""
    own = {f"{local_time(moment, situation.tz):%H:%M}" for moment in (task.start, task.end)} | {str(task.minutes)}
    entry = numbers_in(f"{task.template.title} {task.template.off_hours or ''} {task.template.text}")
    followed = (number for rule in task.template.rules for number in RULE_NUMBERS.get(rule, ()))
    return frozenset(own).union(entry, followed)


def stray_numbers(
    text: str, evidence: Iterable[Evidence], situation: Situation, allowed: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """The numbers of a text that are neither allowed nor a value of the evidence, rounded as shown; none for a fine text.

    For the words of a task: its own evidence and `allowed_numbers(task, situation)`. For those of a block: neither.
    """
    cited = tuple(evidence)
    return tuple(number for number in numbers_in(text) if number not in allowed and not stands_in(number, cited, situation))


def stands_in(number: str, evidence: Iterable[Evidence], situation: Situation) -> bool:
    """Whether a number as shown is a value of the evidence, rounded to as many decimals as are shown."""
    for item in evidence:
        moment = parse_instant(item.value) if ":" in item.value else None
        if moment is not None:
            if number == f"{local_time(moment, situation.tz):%H:%M}":
                return True
        elif ":" not in number and "," not in number and _rounds_to(item.value, number):
            return True
    return False


def _rounds_to(value: str, number: str) -> bool:
    try:
        exact, shown = float(value), float(number)
    except ValueError:
        return False
    decimals = len(number.partition(".")[2])
    return round(exact, decimals) == shown
