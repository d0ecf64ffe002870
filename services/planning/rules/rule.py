"""What a rule is: its number and source, what breaks it, how that is repaired, and what a person is told."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from services.domain.routine import CheckVerdict
from services.planning.day_plan import DayPlan, PlannedTask, Situation


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


def drop(plan: DayPlan, violation: Violation, _situation: Situation) -> DayPlan:
    """The usual repair: what breaks the rule is left out."""
    return plan.without(violation.tasks)


def never(_plan: DayPlan, _situation: Situation) -> list[Violation]:
    """Of a soft rule: what is not met is told by `explain` and breaks nothing."""
    return []


@dataclass(frozen=True, slots=True)
class Rule:
    """`number` is the rule's figure as shown; `numbers` are those that the words of a task following it may quote.

    `violations` looks at the finished plan alone, however it was made. `explain` is asked once nothing is broken any more.
    """

    id: str
    strength: Strength
    statement: str
    number: str
    citation: str
    explain: Explain
    violations: Violations = never
    repair: Repair = drop
    numbers: tuple[str, ...] = ()


def passed(detail: str) -> Verdict:
    return Verdict(CheckVerdict.PASSED, detail)


def repaired(detail: str) -> Verdict:
    return Verdict(CheckVerdict.REPAIRED, detail)


def not_applicable(detail: str) -> Verdict:
    return Verdict(CheckVerdict.NOT_APPLICABLE, detail)


def blame(task: PlannedTask, why: str) -> Violation:
    """A violation of one task, by its title."""
    return Violation(f"“{task.title}” {why}", frozenset({task.template.key}))
