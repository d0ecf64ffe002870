"""What a rule is: its number and source, what breaks it, how that is repaired, and what a person is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from services.domain.routine import CheckVerdict
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.rules.numbers import RULE_NUMBERS


class Strength(Enum):
    """HARD: no plan leaves without it. SOFT: kept where the day allows; the check says when it does not."""

    HARD = "HARD"
    SOFT = "SOFT"


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, in words for the person, and the library keys of the tasks that are to blame (none: the day itself)."""

    detail: str
    tasks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: CheckVerdict
    detail: str


Violations = Callable[[DayPlan, Situation], list[Violation]]
Repair = Callable[[DayPlan, Violation, Situation], DayPlan]
Explain = Callable[[DayPlan, Situation], Verdict]


OURS = "our own rule"


def drop(plan: DayPlan, violation: Violation, _situation: Situation) -> DayPlan:
    """What breaks the rule is left out."""
    return plan.without(violation.tasks)


def never(_plan: DayPlan, _situation: Situation) -> list[Violation]:
    """Of a soft rule: what is not met is told by `explain` and breaks nothing."""
    return []


@dataclass(frozen=True, slots=True)
class Rule:
    """`number` is the rule's figure as shown.

    `applies` says in words when the rule has something to say. `violations` looks at the finished plan alone, however it was
    made, and never blames what a replan keeps. `repair` mends one violation. `explain` is asked once nothing is broken any
    more.
    """

    id: str
    strength: Strength
    statement: str
    number: str
    citation: str
    explain: Explain
    applies: str = "always"
    violations: Violations = never
    repair: Repair = drop

    @property
    def mending(self) -> str:
        """What becomes of a plan that breaks the rule, in words."""
        if self.strength is Strength.SOFT:
            return "The check says why it is not met."
        return (self.repair.__doc__ or "").partition("\n")[0]

    @property
    def numbers(self) -> tuple[str, ...]:
        """What the words of a task that follows this rule may quote of it."""
        return RULE_NUMBERS.get(self.id, ())


def spoken(length: timedelta) -> str:
    """A length in hours and minutes: `7 h`, `6 h 30 min`."""
    hours, minutes = divmod(max(0, int(length.total_seconds() // 60)), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes or not hours else "") if part)


def passed(detail: str) -> Verdict:
    return Verdict(CheckVerdict.PASSED, detail)


def repaired(detail: str) -> Verdict:
    return Verdict(CheckVerdict.REPAIRED, detail)


def not_applicable(detail: str) -> Verdict:
    return Verdict(CheckVerdict.NOT_APPLICABLE, detail)


def blame(task: PlannedTask, why: str) -> Violation:
    """A violation of one task, by its title."""
    return Violation(f"“{task.title}” {why}", frozenset({task.template.key}))
