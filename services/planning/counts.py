"""How many tasks a day should hold (rule count), and how many of them may be demanding (rule load)."""

import math
from datetime import timedelta

from services.domain.routine import Archetype, Condition
from services.planning.day_plan import Situation
from services.planning.recovery import Energy

FULL_DAY = timedelta(hours=14)
LEAST = timedelta(minutes=30)
"""While this much is left of the day there is at least one task."""
SHORT_DAY = timedelta(hours=4)
"""What is left of a shorter day than this is filled to the top of its range: there is little of it anyway."""
PER_BLOCK = (2, 5)
"""Tasks of a whole block (sahha-api.md section 9)."""
ROOMY = timedelta(hours=1)
"""A block with this much left should have the least number of a whole one."""

FULL_DAY_COUNTS = {
    Archetype.FOUNDATION_BUILDER: (8, 10),
    Archetype.RESILIENCE_REBUILDER: (7, 9),
    Archetype.CONNECTED_EXPLORER: (10, 12),
    Archetype.TRANSFORMATION_SEEKER: (12, 14),
    Archetype.SYSTEMATIC_IMPROVER: (12, 15),
    Archetype.PEAK_PERFORMER: (14, 18),
}
GENTLEST = Archetype.RESILIENCE_REBUILDER
"""A sick person is asked for as little as this one, whatever their archetype."""

DEMANDING_AT_FIRST = 4
"""The middle step of rule load: nothing is known yet of what was completed."""
DEMANDING_BY_COMPLETION = ((0.75, 6), (0.5, 4), (0.0, 2))
"""From this share of the last week's tasks done: so many."""
DEMANDING_WHEN_CAREFUL = 2


def count_range(situation: Situation) -> tuple[int, int]:
    """The least and the most tasks for the archetype in what is left of the day; nothing is asked of the last half hour."""
    if situation.left < LEAST:
        return 0, PER_BLOCK[1]
    least, most = FULL_DAY_COUNTS[GENTLEST if situation.condition is Condition.SICK else situation.inputs.archetype]
    share = min(1.0, situation.left / FULL_DAY)
    return max(1, math.floor(least * share)), max(1, math.ceil(most * share))


def wanted(situation: Situation) -> int:
    """How many tasks to aim at.

    The middle of the range, or its low end on a gentle day; two for each block with room where the range allows it.
    """
    least, most = count_range(situation)
    if situation.left < SHORT_DAY:
        return most
    gentle = situation.careful or situation.energy is Energy.LOW
    middle = least if gentle else (least + most + 1) // 2
    roomy = sum(frame.length >= ROOMY for frame in situation.frames if frame.kept is None)
    return min(most, max(middle, PER_BLOCK[0] * roomy))


def demanding_allowed(situation: Situation) -> int:
    """The most demanding tasks of a day (rule load)."""
    done = situation.inputs.completion
    by_completion = next(
        (most for share, most in DEMANDING_BY_COMPLETION if done is not None and done >= share), DEMANDING_AT_FIRST
    )
    gentle = situation.careful or situation.energy in {Energy.LOW, Energy.UNKNOWN}
    return min(DEMANDING_WHEN_CAREFUL, by_completion) if gentle else by_completion
