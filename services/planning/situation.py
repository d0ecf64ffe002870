"""From what was asked and read to what choices are made from."""

from datetime import datetime, timedelta

from services.domain.health import DataState
from services.domain.schedule import LocalDay, ceil_to_grid, instant, local_date, zone
from services.planning.day_plan import Situation, Span
from services.planning.digest import digest
from services.planning.hours import DEFAULT_WAKE, hours
from services.planning.inputs import PlanInputs
from services.planning.skeleton import frames

HEAD_START = timedelta(minutes=2)
"""From the moment a plan is made to the moment a person can follow it (rule time.ready)."""


def open_from(ready_at: datetime) -> datetime:
    """The first moment that a plan made at `ready_at` may use (rule time.ready)."""
    return ceil_to_grid(ready_at + HEAD_START)


def situation(inputs: PlanInputs) -> Situation:
    """Raises `UnknownTimezone`: requests are validated before they get here."""
    tz = zone(inputs.timezone)
    opening = open_from(inputs.ready_at)
    waking = instant(inputs.date, inputs.preferences.wake_time or DEFAULT_WAKE, tz)
    fresh_at = max(inputs.ready_at, waking)
    known = digest(inputs.records, tz, inputs.ready_at, fresh_at)
    found = hours(inputs.preferences, known, inputs.date, tz, opening)
    today = local_date(inputs.ready_at, tz)
    syncing = known.state is DataState.SYNCING and inputs.date == today
    events = [span for event in inputs.preferences.fixed_events for span in found.day.spans(event.start_time, event.end_time)]
    return Situation(
        inputs=inputs,
        digest=known,
        hours=found,
        tz=tz,
        today=today,
        open_from=opening,
        fresh_at=fresh_at,
        frames=frames(found, opening),
        events=tuple(sorted(events)),
        work=_work(inputs, found.day),
        careful=syncing,
    )


def _work(inputs: PlanInputs, day: LocalDay) -> tuple[Span, ...]:
    start, end = inputs.preferences.work_start, inputs.preferences.work_end
    return day.spans(start, end) if start is not None and end is not None else ()
