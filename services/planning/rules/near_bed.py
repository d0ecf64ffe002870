"""What several rules ask: how far from bedtime the tasks of a kind are."""

from collections.abc import Callable
from datetime import timedelta

from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.hours import Hours
from services.planning.library.template import TaskTemplate
from services.planning.rules.rule import Explain, Verdict, Violation, Violations, blame, not_applicable, passed, spoken

Chosen = Callable[[TaskTemplate], bool]


def tasks_of(plan: DayPlan, chosen: Chosen) -> list[PlannedTask]:
    """The tasks of a kind that this plan answers for."""
    return [task for task in plan.open_tasks if chosen(task.template)]


def before_bed(task: PlannedTask, hours: Hours) -> timedelta:
    return hours.lights_out - task.end


def too_late(chosen: Chosen, limit: timedelta) -> Violations:
    """Blames the tasks of a kind that end less than `limit` before lights out."""

    def violations(plan: DayPlan, situation: Situation) -> list[Violation]:
        late = [task for task in tasks_of(plan, chosen) if before_bed(task, situation.hours) < limit]
        return [blame(task, f"is less than {spoken(limit)} before bed") for task in late]

    return violations


def early_enough(chosen: Chosen, limit: timedelta, what: str) -> Explain:
    """Says how far the last task of a kind is from lights out."""

    def explain(plan: DayPlan, situation: Situation) -> Verdict:
        found = tasks_of(plan, chosen)
        if not found:
            return not_applicable(f"No {what} is planned.")
        nearest = min(before_bed(task, situation.hours) for task in found)
        if nearest < limit:
            return not_applicable(
                f"The last {what} ends {spoken(nearest)} before bed; {spoken(limit)} did not fit into this day."
            )
        return passed(f"The last {what} ends {spoken(nearest)} before lights out; at least {spoken(limit)} are asked for.")

    return explain
