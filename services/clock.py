"""The service's clock: the only place that asks the machine what time it is."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """The machine's clock moved by a fixed `offset`, zero outside sandbox mode and tests (setting `CLOCK`)."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC) + self.offset

    def from_system(self, instant: datetime) -> datetime:
        """An instant of the machine's clock (as APScheduler and PostgreSQL tell it) on this clock, in UTC."""
        return instant.astimezone(UTC) + self.offset

    def to_system(self, instant: datetime) -> datetime:
        """The inverse of `from_system`."""
        return instant.astimezone(UTC) - self.offset

    @staticmethod
    def monotonic() -> float:
        """Seconds on a clock that never jumps: for durations and deadlines only."""
        return time.monotonic()


def clock_starting_at(instant: datetime | None) -> Clock:
    """A clock that shows `instant` at this moment and runs on from there; the machine's own for `None`."""
    return Clock() if instant is None else Clock(offset=instant - datetime.now(UTC))
