"""Rules on what a plan takes over from the person: what they did, and what they do not want."""

from services.planning.day_plan import DayPlan, Situation
from services.planning.rules.rule import OURS, Rule, Strength, Verdict, Violation, blame, not_applicable, passed
from services.planning.wording import lay_out


def _kept_disturbed(plan: DayPlan, situation: Situation) -> list[Violation]:
    present = {task.template.key: task for task in plan.tasks if task.kept is not None}
    expected = {task.template.key: task for task in situation.kept}
    if present != expected:
        return [Violation("What is done, skipped or locked was not left as it was.")]
    blocks = {block.kind: block for block in plan.blocks}
    for frame in situation.frames:
        block = blocks.get(frame.kind)
        if frame.kept is not None and (block is None or block.kept != frame.kept):
            return [Violation("A block that runs, is past or is locked was not left as it was.")]
    return []


def _put_back(plan: DayPlan, _violation: Violation, situation: Situation) -> DayPlan:
    """What stays is put back where it was."""
    kept = {task.template.key for task in situation.kept}
    return lay_out([task for task in plan.open_tasks if task.template.key not in kept], situation)


def _kept(_plan: DayPlan, situation: Situation) -> Verdict:
    if situation.inputs.previous is None:
        return not_applicable("This is the first plan of the day.")
    locked = sum(frame.kept is not None for frame in situation.frames)
    return passed(f"{len(situation.kept)} task(s) and {locked} block(s) stayed exactly as they were.")


def _unwanted(plan: DayPlan, situation: Situation) -> list[Violation]:
    avoided = situation.inputs.preferences.avoid_task_types
    return [blame(task, "is of a kind that you want to avoid") for task in plan.open_tasks if task.template.type in avoided]


def _avoided(_plan: DayPlan, situation: Situation) -> Verdict:
    avoided = situation.inputs.preferences.avoid_task_types
    if not avoided:
        return not_applicable("You named no kind of task to avoid.")
    names = ", ".join(sorted({kind.value.lower() for kind in avoided}))
    return passed(f"Nothing of what you want to avoid is planned: {names}.")


PLAN_RULES = (
    Rule(
        id="keep",
        strength=Strength.HARD,
        statement="Done, skipped and locked tasks and blocks are never moved by a replan.",
        number="exact",
        citation=OURS,
        applies="the plan replaces an earlier one of the day",
        explain=_kept,
        violations=_kept_disturbed,
        repair=_put_back,
    ),
    Rule(
        id="avoid",
        strength=Strength.HARD,
        statement="Kinds of tasks that the person wants to avoid are not planned, whatever they are.",
        number="none",
        citation=OURS,
        applies="the person names kinds to avoid",
        explain=_avoided,
        violations=_unwanted,
    ),
)
