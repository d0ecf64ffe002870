"""Checks every rule on a finished day, however it was made, and repairs what is broken."""

from dataclasses import dataclass

from services.domain.routine import CheckVerdict, PlanCheck
from services.planning.day_plan import DayPlan, Situation
from services.planning.rules import RULES, Rule, Strength, Violation

MOST_REPAIRS = 200
"""More than a day has tasks and rules to break: a repair that does not end is a bug."""


class UnrepairablePlanError(Exception):
    """A hard rule stays broken whatever is left out: a bug in a rule or in the day's hours. Names the rule, no value."""


@dataclass(frozen=True, slots=True)
class VerifiedDay:
    """A day on which every hard rule holds, and the verdict of every rule on it."""

    plan: DayPlan
    checks: tuple[PlanCheck, ...]


def verify(plan: DayPlan, situation: Situation) -> VerifiedDay:
    """The day with every hard rule kept. Raises `UnrepairablePlanError` rather than let a broken one leave."""
    repairs: dict[str, list[str]] = {}
    for _ in range(MOST_REPAIRS):
        broken = _first_broken(plan, situation)
        if broken is None:
            return VerifiedDay(plan, tuple(_check(rule, plan, situation, repairs.get(rule.id, [])) for rule in RULES))
        rule, violation = broken
        repairs.setdefault(rule.id, []).append(violation.detail)
        mended = rule.repair(plan, violation, situation)
        if mended == plan:
            raise UnrepairablePlanError(f"rule {rule.id} stays broken")
        plan = mended
    raise UnrepairablePlanError(f"more than {MOST_REPAIRS} repairs")


def _first_broken(plan: DayPlan, situation: Situation) -> tuple[Rule, Violation] | None:
    for rule in RULES:
        if rule.strength is Strength.HARD:
            for violation in rule.violations(plan, situation):
                return rule, violation
    return None


def _check(rule: Rule, plan: DayPlan, situation: Situation, repairs: list[str]) -> PlanCheck:
    if repairs:
        told = " ".join(dict.fromkeys(detail.rstrip(".") + "." for detail in repairs))
        return PlanCheck(rule.id, CheckVerdict.REPAIRED, f"{told} This was put right.", rule.citation)
    verdict = rule.explain(plan, situation)
    return PlanCheck(rule.id, verdict.verdict, verdict.detail, rule.citation)
