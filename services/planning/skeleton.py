"""The five blocks that frontends know (sahha-api.md section 9), laid over one person's day.

The predecessor drew them over 06:00 to 22:00 as 3 + 3 + 3 + 3 + 4 hours; here the same shares of waking to lights out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.routine import EnergyZone, TimeBlock
from services.domain.schedule import ceil_to_grid, floor_to_grid
from services.planning.hours import Hours

SHORTEST = timedelta(minutes=15)
"""Less of a block than this holds no task and is not shown."""
FIVE_BLOCKS_FROM = timedelta(minutes=80)
"""A shorter day has no room for five blocks: all of it is winding down."""


@dataclass(frozen=True, slots=True)
class BlockKind:
    """`share` of the time from waking to lights out, in sixteenths."""

    title: str
    zone: EnergyZone
    share: int


MORNING = BlockKind("Morning Block", EnergyZone.MAINTENANCE, 3)
PEAK = BlockKind("Peak Energy Block", EnergyZone.PEAK, 3)
SLUMP = BlockKind("Mid-day Slump", EnergyZone.RECOVERY, 3)
EVENING = BlockKind("Evening Routine", EnergyZone.MAINTENANCE, 3)
WIND_DOWN = BlockKind("Wind Down", EnergyZone.RECOVERY, 4)
BLOCKS = (MORNING, PEAK, SLUMP, EVENING, WIND_DOWN)
BLOCK_BY_TITLE = {kind.title: kind for kind in BLOCKS}


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one block lies: UTC instants on the 5-minute grid. `kept` is the block that a replan leaves as it is."""

    kind: BlockKind
    start: datetime
    end: datetime
    kept: TimeBlock | None = None

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def frames(hours: Hours, open_from: datetime) -> tuple[Frame, ...]:
    """The blocks with time left in them from `open_from` on, in order and without gaps; the last one ends with the day."""
    start, end = ceil_to_grid(hours.day.start), floor_to_grid(hours.day.end)
    opening = max(start, open_from)
    bounds = _bounds(start, end, hours.lights_out)
    cut = [Frame(kind, max(begin, opening), finish) for kind, begin, finish in zip(BLOCKS, bounds, bounds[1:], strict=False)]
    return tuple(frame for frame in cut if frame.length >= SHORTEST)


def _bounds(start: datetime, end: datetime, lights_out: datetime) -> tuple[datetime, ...]:
    """The five starts and the end. Full quarters of an hour where the blocks are long enough to bear it."""
    lived = lights_out - start
    if lived < FIVE_BLOCKS_FROM:
        return (start,) * len(BLOCKS) + (end,)
    coarse = lived >= timedelta(hours=8)
    total, passed, starts = sum(kind.share for kind in BLOCKS), 0, []
    for kind in BLOCKS:
        exact = start + lived * passed / total
        starts.append(_quarter(exact) if coarse and passed else floor_to_grid(exact))
        passed += kind.share
    return (*starts, end)


def _quarter(moment: datetime) -> datetime:
    floor = moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)
    return floor if moment - floor < timedelta(minutes=7, seconds=30) else floor + timedelta(minutes=15)
