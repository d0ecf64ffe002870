"""What of a plan made on warm data still stands on live data."""

from services.domain.routine import RoutineTask, TimeBlock
from services.planning.fingerprint import same_inputs
from services.planning.planner import PlannedDay

__all__ = ["material_difference", "same_inputs"]


def material_difference(warm: PlannedDay, live: PlannedDay) -> frozenset[str]:
    """The titles of the blocks whose tasks, times or evidence differ: only these have to be written again.

    A value that was read from another place and is the same is no difference. A block that only one of the two has differs.
    """
    before = {block.title: _substance(block) for block in warm.plan.time_blocks}
    after = {block.title: _substance(block) for block in live.plan.time_blocks}
    return frozenset(title for title in before | after if before.get(title) != after.get(title))


def _substance(block: TimeBlock) -> tuple[object, ...]:
    return block.start_time, block.end_time, block.purpose, block.locked, tuple(_of_task(task) for task in block.tasks)


def _of_task(task: RoutineTask) -> tuple[object, ...]:
    values = tuple((item.kind, item.type, item.value, item.unit) for item in task.evidence)
    return task.key or task.id, task.start_time, task.end_time, task.status, values
