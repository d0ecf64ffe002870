"""The hash of everything that a plan was made from: the same hash, the same blocks and tasks.

Where the values were read from, and when, is told beside the plan and is not part of it.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from services.domain.routine import Preferences
from services.domain.schedule import ceil_to_grid
from services.planning.day_plan import Situation
from services.planning.digest import Digest
from services.planning.inputs import PlanInputs
from services.planning.nights import Habit
from services.planning.rules import RULES_VERSION
from services.planning.situation import situation

PLANNER_VERSION = "rules-2"
"""Raised when library, wording or choice change."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What else a plan depends on. `prompt` and `model` are empty where no model takes part."""

    rules: str = RULES_VERSION
    planner: str = PLANNER_VERSION
    prompt: str = ""
    model: str = ""


CURRENT = Versions()


def inputs_hash(found: Situation, versions: Versions = CURRENT) -> str:
    """SHA-256 in hexadecimal over canonical JSON.

    The values used and what they were compared with, preferences, condition, archetype, date, zone, what a replan takes over, the
    5-minute step from which the day is open, and the versions of rules, planner, prompt and model.
    """
    inputs = found.inputs
    document = {
        "archetype": inputs.archetype.value,
        "completion": inputs.completion,
        "condition": inputs.condition.value,
        "data": _data(found.digest),
        "date": inputs.date.isoformat(),
        "open_from": _instant(ceil_to_grid(max(found.open_from, found.hours.day.start))),
        "preferences": _preferences(inputs.preferences),
        "previous": _previous(found),
        "today": found.today.isoformat(),
        "versions": [versions.rules, versions.planner, versions.prompt, versions.model],
        "zone": inputs.timezone,
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def same_inputs(one: PlanInputs, other: PlanInputs) -> bool:
    """Whether two inputs give the same plan, wherever and whenever their values were read."""
    return inputs_hash(situation(one)) == inputs_hash(situation(other))


def _data(digest: Digest) -> dict[str, Any]:
    facts = {key.value: fact.evidence for key, fact in digest.facts.items()}
    effort = digest.hard_effort
    return {
        "state": digest.state.value,
        "missing": digest.missing,
        "facts": {
            key: [item.kind.value, item.type, item.value, item.unit, _instant(item.measured_at)] for key, item in facts.items()
        },
        "states": {key.value: fact.state for key, fact in digest.facts.items()},
        "usual": [_habit(digest.usual_bed), _habit(digest.usual_wake)],
        "night": None if digest.night is None else [_instant(digest.night.start), _instant(digest.night.end)],
        "age": [digest.minor, digest.senior],
        "flags": [[flag.name, flag.urgent] for flag in digest.flags],
        "trends": {key.value: found.direction.name for key, found in digest.trends.items()},
        "ranges": {key.value: found.direction.name for key, found in digest.ranges.items()},
        "strain": [key.value for key in digest.strain],
        "load": None if digest.load is None else [digest.load.rising, digest.load.falling, digest.load.aerobic],
        "effort": None if effort is None else [effort.day.isoformat(), _instant(effort.by)],
        "chronotype": None if digest.chronotype is None else digest.chronotype.value,
        "labels": dict(digest.labels),
    }


def _preferences(preferences: Preferences) -> dict[str, Any]:
    return {
        "wake": _clock(preferences.wake_time),
        "sleep": _clock(preferences.sleep_time),
        "work": [_clock(preferences.work_start), _clock(preferences.work_end)],
        "events": [[event.title, _clock(event.start_time), _clock(event.end_time)] for event in preferences.fixed_events],
        "avoid": sorted({kind.value for kind in preferences.avoid_task_types}),
        "goal": preferences.goal,
    }


def _previous(found: Situation) -> list[Any] | None:
    """What of the plan before decides the new one: each task with its place and status, and which blocks stay."""
    previous = found.inputs.previous
    if previous is None:
        return None
    tasks = [[task.id, task.status.value, _instant(task.start_time), _instant(task.end_time)] for task in previous.tasks]
    return [tasks, [[frame.kind.title, _instant(frame.start), frame.kept is not None] for frame in found.frames]]


def _habit(habit: Habit | None) -> str | None:
    return None if habit is None else _clock(habit.clock_time)


def _clock(clock_time: time | None) -> str | None:
    return None if clock_time is None else f"{clock_time:%H:%M}"


def _instant(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
