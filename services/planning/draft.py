"""The deterministic planner: tasks chosen by value and put where they fit best.

Greedy choice with a local improvement afterwards reaches about what an optimising solver does on such days, in milliseconds
(planning-rules.md, section "Planner design evidence"). Same situation, same draft.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.domain.routine import Archetype, TaskType
from services.planning.counts import PER_BLOCK, demanding_allowed, wanted
from services.planning.day_plan import DayPlan, Situation
from services.planning.library import LIBRARY
from services.planning.library.template import Anchor, TaskTemplate
from services.planning.limits import admissible
from services.planning.recovery import Energy, Need
from services.planning.skeleton import EVENING, MORNING, PEAK, SLUMP, WIND_DOWN, Frame
from services.planning.timeline import Slot, Timeline
from services.planning.value import served, value
from services.planning.wording import Choice, write_day

SAME_TYPE_IN_BLOCK = 2
LIVES_FOR = {Archetype.CONNECTED_EXPLORER: TaskType.SOCIAL}
UNHURRIED = frozenset({Archetype.FOUNDATION_BUILDER, Archetype.RESILIENCE_REBUILDER})
"""Archetypes whose demanding tasks stay of a middle length on a good day too."""
ONE_IN_BLOCK = frozenset({TaskType.SOCIAL})
DINNER = "dinner"
"""The meal that is eaten after work, where there is an after."""
FILLED_FIRST = (MORNING, WIND_DOWN, SLUMP, EVENING, PEAK)
"""Where a task goes first when there are fewer than two for each block."""


def draft(situation: Situation) -> DayPlan:
    """A day that keeps the rules by construction; the verifier has the last word. Of a replan, what is left of the day."""
    timeline = Timeline(situation)
    quotas = _quotas(situation, timeline)
    candidates = _true_to_archetype(ranked(situation), situation)
    _choose(candidates, quotas, timeline, situation, varied=True)
    _choose(candidates, quotas, timeline, situation)
    _choose(candidates, _second_chances(quotas, timeline, situation), timeline, situation)
    _improve(timeline, situation)
    slots = sorted(timeline.placed.values(), key=lambda slot: slot.start)
    return write_day([Choice(slot, value(slot.template, situation)) for slot in slots], situation)


def ranked(situation: Situation) -> tuple[TaskTemplate, ...]:
    """The library entries that this day may hold, in the order in which they are chosen: meals, other anchors, the rest."""
    fitting = (template for template in LIBRARY if admissible(template, situation))
    return tuple(
        sorted(fitting, key=lambda template: (not template.meal, not template.anchor, -value(template, situation), template.key))
    )


def _true_to_archetype(candidates: Sequence[TaskTemplate], situation: Situation) -> Sequence[TaskTemplate]:
    """The best task of what an archetype lives for right after the anchors, whatever else the day calls for."""
    kind = LIVES_FOR.get(situation.inputs.archetype)
    own = next((template for template in candidates if template.type is kind and not template.anchor), None)
    if own is None:
        return candidates
    others = [template for template in candidates if template is not own]
    anchors = sum(template.anchor for template in others)
    return (*others[:anchors], own, *others[anchors:])


def _open_total(situation: Situation) -> int:
    """How many tasks to aim at besides those that are kept and still to come."""
    coming = sum(task.start >= situation.open_from and task.counts for task in situation.kept)
    return max(0, wanted(situation) - coming)


def _quotas(situation: Situation, timeline: Timeline) -> list[int]:
    """How many tasks each block should get: more where there is more room, two to five in a whole one."""
    frames, total = situation.frames, _open_total(situation)
    room = [timeline.free_minutes(frame) for frame in frames]
    most = [min(PER_BLOCK[1] - _kept_in(frame, situation), minutes // 15) for frame, minutes in zip(frames, room, strict=True)]
    quotas = [0] * len(frames)
    order = sorted(range(len(frames)), key=lambda index: FILLED_FIRST.index(frames[index].kind))
    for level in range(1, PER_BLOCK[0] + 1):
        for index in order:
            if sum(quotas) < total and quotas[index] < min(level, most[index]):
                quotas[index] += 1
    while sum(quotas) < total:
        open_blocks = [index for index in order if quotas[index] < most[index]]
        if not open_blocks:
            break
        quotas[max(open_blocks, key=lambda index: room[index] / (quotas[index] + 1))] += 1
    return quotas


def _kept_in(frame: Frame, situation: Situation) -> int:
    return sum(frame.start <= task.start < frame.end for task in situation.kept)


def _second_chances(quotas: list[int], timeline: Timeline, situation: Situation) -> list[int]:
    """Quotas for what could not be placed where it was wanted: any block up to its most."""
    placed = Counter(slot.frame for slot in timeline.placed.values())
    short = sum(quotas) - sum(placed.values())
    most = [PER_BLOCK[1] - _kept_in(frame, situation) for frame in situation.frames]
    return [min(most[index], placed[index] + short) if short > 0 else placed[index] for index in range(len(situation.frames))]


def _choose(
    candidates: Sequence[TaskTemplate], quotas: list[int], timeline: Timeline, situation: Situation, *, varied: bool = False
) -> None:
    """Puts the most valuable tasks that still fit into blocks with quota left, until as many as wanted are placed.

    `varied` leaves out what serves only rules that others serve already.
    """
    total = _open_total(situation)
    demanding = demanding_allowed(situation)
    for template in candidates:
        present = [slot.template for slot in timeline.present.values()]
        if len(timeline.placed) >= total:
            return
        if template.key in timeline.present or (
            template.role is not None and any(other.role == template.role for other in present)
        ):
            continue
        if varied and not template.anchor and served(template, present):
            continue
        if template.demanding and sum(other.demanding for other in present) >= demanding:
            continue
        slot = _place(template, quotas, timeline, situation)
        if slot is not None:
            timeline.put(slot)


def _place(template: TaskTemplate, quotas: list[int], timeline: Timeline, situation: Situation) -> Slot | None:
    """Where it was in the plan before, else the best place there is."""
    per_block = Counter(slot.frame for slot in timeline.placed.values())
    alike = Counter(slot.frame for slot in timeline.placed.values() if slot.template.type is template.type)
    most_alike = 1 if template.type in ONE_IN_BLOCK else SAME_TYPE_IN_BLOCK
    frames = {
        index: frame
        for index, frame in enumerate(situation.frames)
        if frame.kept is None and per_block[index] < quotas[index] and (template.anchor or alike[index] < most_alike)
    }
    if (held := _held(template, frames, timeline, situation)) is not None:
        return held
    for minutes in dict.fromkeys((_minutes(template, situation), template.minutes[0])):
        slot = timeline.best(template, minutes, frames, off_work=template.role == DINNER)
        if slot is not None:
            return slot
    return _place_meal(template, frames, timeline) if template.meal else None


def _place_meal(template: TaskTemplate, frames: Mapping[int, Frame], timeline: Timeline) -> Slot | None:
    """A meal for which there was no room: later than it should be, and at the last during work."""
    minutes = template.minutes[0]
    late = timeline.best(template, minutes, frames, late_meal=True, off_work=template.role == DINNER)
    return late or timeline.best(template, minutes, frames)


def _held(template: TaskTemplate, frames: Mapping[int, Frame], timeline: Timeline, situation: Situation) -> Slot | None:
    """The place that the plan before gave a task, shortened where the day asks for less by now."""
    before = situation.before.get(template.key)
    if before is None:
        return None
    end = before.end_time
    if template.demanding:
        end = min(end, before.start_time + timedelta(minutes=_minutes(template, situation)))
    return timeline.at(template, (before.start_time, end), frames)


def _minutes(template: TaskTemplate, situation: Situation) -> int:
    """A task's length: what is demanding shorter and rest longer for a tired person, the former longer for a rested one."""
    least, most = template.minutes
    middle = (least + most) // 2 // 5 * 5
    if template.demanding:
        gentle = situation.energy is Energy.LOW or situation.careful
        eager = situation.energy is Energy.HIGH and situation.inputs.archetype not in UNHURRIED
        return least if gentle else most if eager else middle
    return most if Need.REST in template.suits and situation.energy is Energy.LOW else middle


def _improve(timeline: Timeline, situation: Situation) -> None:
    """Moves each task within its block to a better place that others have left free meanwhile."""
    for key in sorted(timeline.placed, key=lambda key: (timeline.placed[key].start, key)):
        if timeline.placed[key].template.meal or timeline.placed[key].template.window.anchor is Anchor.AFTER_MEAL:
            continue
        held = timeline.take_back(key)
        minutes = int((held.end - held.start) / timedelta(minutes=1))
        better = timeline.best(held.template, minutes, {held.frame: situation.frames[held.frame]})
        timeline.put(better if better is not None and better.misfit < held.misfit else held)
