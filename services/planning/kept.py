"""What a replan leaves as it is (rule keep), and what it takes out of the plan before to plan it again.

Kept, to the last letter: what is done or skipped, and of blocks that run, are past or are locked what is not missed. Missed is
what ended before the replan and is still pending. What does harm by now is never kept unless it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.domain.routine import Plan, RoutineTask, TaskStatus, TaskType, TimeBlock
from services.domain.schedule import ceil_to_grid, floor_to_grid
from services.planning.day_plan import PlannedTask, Situation
from services.planning.library import BY_KEY
from services.planning.library.template import ALL, Effort, TaskTemplate, in_day
from services.planning.limits import safe
from services.planning.skeleton import BLOCK_BY_TITLE, SHORTEST, Frame


@dataclass(frozen=True, slots=True)
class Kept:
    """`tasks` stay, `before` was still to come, `missed` was not done in time; the latter two by library key."""

    tasks: tuple[PlannedTask, ...]
    frames: tuple[Frame, ...]
    before: Mapping[str, RoutineTask]
    missed: frozenset[str]


def keep(previous: Plan, found: Situation) -> Kept:
    """What stays of the plan before, which is one of the same day."""
    stays, before, missed = [], {}, set()
    for block in previous.time_blocks:
        for task in block.tasks:
            template = template_of(task)
            if task.status is not TaskStatus.PENDING:
                stays.append(as_kept(task, template))
            elif task.end_time <= found.inputs.ready_at:
                missed.add(template.key)
            elif locked(block, found.open_from) and safe(template, found):
                stays.append(as_kept(task, template))
            else:
                before[template.key] = task
    return Kept(tuple(stays), _frames(previous, found, stays), before, frozenset(missed))


def locked(block: TimeBlock, open_from: datetime) -> bool:
    """Whether a block of the plan before stays where it is: it runs, is past, or was locked already."""
    return block.locked or block.start_time < open_from


def template_of(task: RoutineTask) -> TaskTemplate:
    """The library entry of a stored task, or one made of the task where the library knows it no longer."""
    if task.key in BY_KEY:
        return BY_KEY[task.key]
    minutes = int((task.end_time - task.start_time).total_seconds() // 60)
    return TaskTemplate(
        key=task.key or f"stored/{task.id}",
        title=task.title,
        text=task.description,
        type=task.type,
        effort=Effort.MODERATE if task.type is TaskType.EXERCISE else Effort.NONE,
        minutes=(minutes, minutes),
        window=in_day(0, 50, 100),
        weights=ALL,
    )


def as_kept(task: RoutineTask, template: TaskTemplate) -> PlannedTask:
    return PlannedTask(
        template=template,
        start=task.start_time,
        end=task.end_time,
        title=task.title,
        description=task.description,
        priority=task.priority,
        evidence=task.evidence,
        kept=task,
    )


def _frames(previous: Plan, found: Situation, stays: list[PlannedTask]) -> tuple[Frame, ...]:
    """The blocks of the plan before in their places, open ones cut to the day as it is now; new ones where nothing is kept."""
    if not stays and not any(locked(block, found.open_from) for block in previous.time_blocks):
        return found.frames
    frames = [
        Frame(BLOCK_BY_TITLE[block.title], block.start_time, block.end_time, block if locked(block, found.open_from) else None)
        for block in previous.time_blocks
    ]
    return tuple(_cut_end(_cut_start(frames, found, stays), found, stays))


def _cut_start(frames: list[Frame], found: Situation, stays: list[PlannedTask]) -> list[Frame]:
    """Open blocks before a later waking go, or begin with it; those with a kept task in them stay."""
    waking = ceil_to_grid(found.hours.day.start)
    while len(frames) > 1 and _open(frames[0], stays) and frames[0].end - waking < SHORTEST:
        frames = frames[1:]
    if _open(frames[0], stays):
        frames = [replace(frames[0], start=max(frames[0].start, min(waking, frames[0].end - SHORTEST))), *frames[1:]]
    return frames


def _cut_end(frames: list[Frame], found: Situation, stays: list[PlannedTask]) -> list[Frame]:
    """The last open block ends with the day, unless a kept task in it ends later."""
    end = floor_to_grid(found.hours.day.end)
    while len(frames) > 1 and _open(frames[-1], stays) and end - frames[-1].start < SHORTEST:
        frames = frames[:-1]
    if frames[-1].kept is None:
        last_kept = max((task.end for task in _within(frames[-1], stays)), default=frames[-1].start + SHORTEST)
        frames = [*frames[:-1], replace(frames[-1], end=max(end, last_kept))]
    return frames


def _open(frame: Frame, stays: list[PlannedTask]) -> bool:
    return frame.kept is None and not _within(frame, stays)


def _within(frame: Frame, tasks: list[PlannedTask]) -> list[PlannedTask]:
    return [task for task in tasks if frame.start <= task.start < frame.end]
