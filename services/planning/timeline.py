"""What is left of the day as a row of 5-minute slots, and the search for a place in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from services.domain.schedule import GRID, ceil_to_grid
from services.planning.day_plan import Situation
from services.planning.library.template import Anchor, Effort, TaskTemplate
from services.planning.limits import BETWEEN_MEALS, distance_from_bed, place_fits, within_hours
from services.planning.skeleton import Frame

MARGIN = 1
"""Slots between two tasks: nobody changes rooms in no time. What follows a meal may follow it at once."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A possible place of a task. `misfit` is 0 at the best time of its window and 1 at the edge."""

    template: TaskTemplate
    frame: int
    start: datetime
    end: datetime
    misfit: float


class Timeline:
    """The placed tasks of one day and the room between them. Knows events, working hours and blocks; no values."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._origin = max(ceil_to_grid(situation.hours.day.start), situation.open_from)
        count = max(0, (situation.hours.lights_out - self._origin) // GRID)
        self._taken = bytearray(count)
        for start, end in situation.events:
            first, last = (start - self._origin) // GRID, -((self._origin - end) // GRID)
            for index in range(max(0, first), min(count, last)):
                self._taken[index] = 1
        self._tasks: dict[str, Slot] = {}

    @property
    def placed(self) -> Mapping[str, Slot]:
        """By library key."""
        return self._tasks

    def free_minutes(self, frame: Frame) -> int:
        """Minutes of a block that no fixed event takes."""
        first, last = self._index(frame.start), self._index(frame.end)
        return 5 * self._taken[first:last].count(0)

    def put(self, slot: Slot) -> None:
        self._tasks[slot.template.key] = slot

    def take_back(self, key: str) -> Slot:
        return self._tasks.pop(key)

    def best(self, template: TaskTemplate, minutes: int, frames: Mapping[int, Frame]) -> Slot | None:
        """The place with the least misfit in these blocks, the earlier one where two are equal; `None` if there is none."""
        window = self._window(template, timedelta(minutes=minutes))
        if window is None:
            return None
        earliest, ideal, latest = window
        span = max((ideal - earliest).total_seconds(), (latest - ideal).total_seconds(), 1.0)
        blocked = self._blocked(template)
        found: Slot | None = None
        for index, frame in frames.items():
            for start in self._starts(max(earliest, frame.start), min(latest, frame.end - timedelta(minutes=minutes))):
                misfit = abs((start - ideal).total_seconds()) / span
                if found is not None and misfit >= found.misfit:
                    continue
                end = start + timedelta(minutes=minutes)
                if self._free(blocked, start, end) and self._fits(template, start, end):
                    found = Slot(template, index, start, end, misfit)
        return found

    def _index(self, moment: datetime) -> int:
        return min(len(self._taken), max(0, (moment - self._origin) // GRID))

    def _starts(self, earliest: datetime, latest: datetime) -> Iterator[datetime]:
        start = max(self._origin, ceil_to_grid(earliest))
        while start <= latest:
            yield start
            start += GRID

    def _blocked(self, template: TaskTemplate) -> bytearray:
        """Slots that are out of reach for a task: events, tasks and the margins around them."""
        blocked = bytearray(self._taken)
        for slot in self._tasks.values():
            close = Anchor.AFTER_MEAL in {template.window.anchor, slot.template.window.anchor}
            margin = 0 if close else MARGIN
            first, last = self._index(slot.start) - margin, self._index(slot.end) + margin
            for index in range(max(0, first), min(len(blocked), last)):
                blocked[index] = 1
        return blocked

    def _free(self, blocked: bytearray, start: datetime, end: datetime) -> bool:
        first, last = (start - self._origin) // GRID, (end - self._origin) // GRID
        return last <= len(blocked) and not any(blocked[first:last])

    def _window(self, template: TaskTemplate, length: timedelta) -> tuple[datetime, datetime, datetime] | None:
        """Earliest, best and latest start."""
        hours, window = self._situation.hours, template.window
        offsets = (window.earliest, window.ideal, window.latest)
        match window.anchor:
            case Anchor.WAKE:
                first, best, last = (hours.day.start + timedelta(minutes=minute) for minute in offsets)
            case Anchor.LIGHTS_OUT:
                first, best, last = (hours.lights_out - timedelta(minutes=minute) - length for minute in offsets)
            case Anchor.DAY:
                first, best, last = (hours.day.start + self._situation.waking * share / 100 for share in offsets)
            case Anchor.AFTER_MEAL:
                meal = next((slot for slot in self._tasks.values() if slot.template.role == window.meal), None)
                if meal is None:
                    return None
                first, best, last = (meal.end + timedelta(minutes=minute) for minute in offsets)
            case _:
                assert_never(window.anchor)
        return first, best, min(last, hours.lights_out - distance_from_bed(template) - length)

    def _fits(self, template: TaskTemplate, start: datetime, end: datetime) -> bool:
        if template.hours is not None and not within_hours(start, end, template.hours, self._situation):
            return False
        if template.meal and not self._apart(start, (slot for slot in self._tasks.values() if slot.template.meal)):
            return False
        if template.effort is Effort.HARD and any(slot.template.effort is Effort.HARD for slot in self._tasks.values()):
            return False
        return place_fits(template, start, end, self._situation)

    @staticmethod
    def _apart(start: datetime, others: Iterator[Slot]) -> bool:
        return all(abs(start - other.start) >= BETWEEN_MEALS for other in others)
