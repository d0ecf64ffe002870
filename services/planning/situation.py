"""From what was asked and read to what choices are made from."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.domain.health import DataState
from services.domain.routine import Condition
from services.domain.schedule import LocalDay, ceil_to_grid, instant, local_date, zone
from services.planning.appointments import taken
from services.planning.day_plan import Situation, Span
from services.planning.digest import Digest, digest
from services.planning.goals import Concern, concern, goals
from services.planning.hours import DEFAULT_WAKE, hours
from services.planning.inputs import PlanInputs
from services.planning.kept import keep
from services.planning.recovery import Energy, Need
from services.planning.skeleton import frames

HEAD_START = timedelta(minutes=2)
"""From the moment a plan is made to the moment a person can follow it (rule time.ready)."""


def open_from(ready_at: datetime) -> datetime:
    """The first moment that a plan made at `ready_at` may use (rule time.ready)."""
    return ceil_to_grid(ready_at + HEAD_START)


def situation(inputs: PlanInputs) -> Situation:
    """Raises `UnknownTimezone`: requests are validated before they get here."""
    tz, preferences = zone(inputs.timezone), inputs.preferences
    opening, today = open_from(inputs.ready_at), local_date(inputs.ready_at, tz)
    waking = instant(inputs.date, preferences.wake_time or DEFAULT_WAKE, tz)
    fresh_at = max(inputs.ready_at, waking)
    known = digest(inputs.records, tz, inputs.ready_at, fresh_at, inputs.labels, inputs.earlier)
    own = concern(preferences.goal)
    energy, needs = _spoken(known, inputs.condition, own)
    found = hours(preferences, known, inputs.date, tz, opening, energy)
    events = [span for event in preferences.fixed_events for span in found.day.spans(event.start_time, event.end_time)]
    first = Situation(
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
        careful=known.state is DataState.SYNCING and inputs.date == today,
        energy=energy,
        needs=needs,
        goals=goals(preferences.goal),
        concern=own,
        taken=taken(preferences.fixed_events, found.day),
    )
    if inputs.previous is None:
        return first
    kept = keep(inputs.previous, first)
    return replace(first, frames=kept.frames, kept=kept.tasks, before=kept.before, missed=kept.missed)


def _spoken(known: Digest, condition: Condition, own: Concern | None) -> tuple[Energy, frozenset[Need]]:
    """Energy and needs of the readings, with what the person says of themselves and what calls for care above them."""
    if condition is Condition.WELL and not known.flags and own not in {Concern.STOP, Concern.CRISIS}:
        return known.energy, known.needs
    needs = (known.needs | {Need.REST}) - {Need.CHALLENGE, Need.MOVEMENT}
    if condition in {Condition.SICK, Condition.TIRED}:
        return Energy.LOW, frozenset(needs)
    return (Energy.STEADY if known.energy is Energy.HIGH else known.energy), frozenset(needs)


def _work(inputs: PlanInputs, day: LocalDay) -> tuple[Span, ...]:
    start, end = inputs.preferences.work_start, inputs.preferences.work_end
    return day.spans(start, end) if start is not None and end is not None else ()
