"""What is left of the day as a row of 5-minute slots, and the search for a place in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.schedule import GRID, ceil_to_grid
from services.planning.day_plan import Situation, Span
from services.planning.library.template import Anchor, TaskTemplate
from services.planning.limits import overlaps, place_fits, within_hours
from services.planning.skeleton import Frame
from services.planning.spacing import Neighbours, neighbours, spaced
from services.planning.windows import starts

MARGIN = 1
"""Slots between two tasks: nobody changes rooms in no time. What follows a meal may follow it at once."""
KEPT_FRAME = -1


@dataclass(frozen=True, slots=True)
class Slot:
    """A possible place of a task. `misfit` is 0 at the best time of its window and 1 at the edge."""

    template: TaskTemplate
    frame: int
    start: datetime
    end: datetime
    misfit: float


class Timeline:
    """The placed tasks of one day, those that a replan keeps, and the room between them. Knows no values."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._origin = max(ceil_to_grid(situation.hours.day.start), situation.open_from)
        count = max(0, (situation.hours.lights_out - self._origin) // GRID)
        self._taken = bytearray(count)
        for start, end in situation.events:
            self._mark(self._taken, (start - self._origin) // GRID, -((self._origin - end) // GRID))
        self._tasks: dict[str, Slot] = {}
        self._kept = {task.template.key: Slot(task.template, KEPT_FRAME, task.start, task.end, 0) for task in situation.kept}
        self._skipped = {task.template.key for task in situation.kept if not task.counts}
        for slot in self._kept.values():
            self._mark(self._taken, self._index(slot.start), self._index(slot.end))
        self._margined: bytearray | None = None
        self._neighbours: Neighbours | None = None

    @property
    def placed(self) -> Mapping[str, Slot]:
        """What this plan has put in place, by library key."""
        return self._tasks

    @property
    def present(self) -> Mapping[str, Slot]:
        """That and what a replan keeps."""
        return self._kept | self._tasks

    def free_minutes(self, frame: Frame) -> int:
        """Minutes of a block that no fixed event and no kept task takes; none in a block that stays as it is."""
        if frame.kept is not None:
            return 0
        first, last = self._index(frame.start), self._index(frame.end)
        return 5 * self._taken[first:last].count(0)

    def put(self, slot: Slot) -> None:
        self._tasks[slot.template.key] = slot
        self._margined = self._neighbours = None

    def take_back(self, key: str) -> Slot:
        self._margined = self._neighbours = None
        return self._tasks.pop(key)

    def best(
        self,
        template: TaskTemplate,
        minutes: int,
        frames: Mapping[int, Frame],
        *,
        late_meal: bool = False,
        off_work: bool = False,
    ) -> Slot | None:
        """The place with the least misfit in these blocks, the earlier one where two are equal; `None` if there is none.

        `late_meal` lets a meal lie nearer to bedtime than it should; `off_work` keeps a task out of working hours.
        """
        length, near = timedelta(minutes=minutes), self._near()
        window = starts(template, length, near.meal_ends, self._situation, late_meal=late_meal)
        if window is None:
            return None
        blocked = self._blocked(template)
        found: Slot | None = None
        for index, frame in frames.items():
            for start in self._starts(max(window.earliest, frame.start), min(window.latest, frame.end - length)):
                misfit = abs((start - window.ideal).total_seconds()) / window.reach_s
                if found is not None and misfit >= found.misfit:
                    continue
                end = start + length
                if off_work and overlaps(start, end, self._situation.work):
                    continue
                if self._free(blocked, start, end) and self._fits(template, start, end, near):
                    found = Slot(template, index, start, end, misfit)
        return found

    def at(self, template: TaskTemplate, span: Span, frames: Mapping[int, Frame]) -> Slot | None:
        """Exactly this place, where it is free and fits; `None` otherwise."""
        (start, end), near = span, self._near()
        window = starts(template, end - start, near.meal_ends, self._situation)
        index = next((index for index, frame in frames.items() if frame.start <= start and end <= frame.end), None)
        if window is None or index is None or start < self._origin or not window.earliest <= start <= window.latest:
            return None
        if self._free(self._blocked(template), start, end) and self._fits(template, start, end, near):
            return Slot(template, index, start, end, 0)
        return None

    def _index(self, moment: datetime) -> int:
        return min(len(self._taken), max(0, (moment - self._origin) // GRID))

    def _starts(self, earliest: datetime, latest: datetime) -> Iterator[datetime]:
        start = max(self._origin, ceil_to_grid(earliest))
        while start <= latest:
            yield start
            start += GRID

    def _near(self) -> Neighbours:
        if self._neighbours is None:
            happening = (slot for key, slot in self.present.items() if key not in self._skipped)
            self._neighbours = neighbours(((slot.template, (slot.start, slot.end)) for slot in happening), self._situation)
        return self._neighbours

    def _blocked(self, template: TaskTemplate) -> bytearray:
        """Slots that are out of reach for a task: events, tasks and the margins around them."""
        if template.window.anchor is Anchor.AFTER_MEAL:
            return self._with_margins(follows_a_meal=True)
        if self._margined is None:
            self._margined = self._with_margins(follows_a_meal=False)
        return self._margined

    def _with_margins(self, *, follows_a_meal: bool) -> bytearray:
        blocked = bytearray(self._taken)
        for slot in self.present.values():
            margin = 0 if follows_a_meal or slot.template.window.anchor is Anchor.AFTER_MEAL else MARGIN
            self._mark(blocked, self._index(slot.start) - margin, self._index(slot.end) + margin)
        return blocked

    @staticmethod
    def _mark(slots: bytearray, first: int, last: int) -> None:
        for index in range(max(0, first), min(len(slots), last)):
            slots[index] = 1

    def _free(self, blocked: bytearray, start: datetime, end: datetime) -> bool:
        first, last = (start - self._origin) // GRID, (end - self._origin) // GRID
        return last <= len(blocked) and not any(blocked[first:last])

    def _fits(self, template: TaskTemplate, start: datetime, end: datetime, near: Neighbours) -> bool:
        if template.hours is not None and not within_hours(start, end, template.hours, self._situation):
            return False
        return spaced(template, start, end, near) and place_fits(template, start, end, self._situation)
