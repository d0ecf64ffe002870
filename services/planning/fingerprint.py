"""The hash of everything that a plan was made from: the same hash, the same blocks and tasks.

Where the values were read from, and when, is told beside the plan and is not part of it.
"""

import hashlib
import json
from datetime import datetime, time
from typing import Any

from services.domain.routine import Preferences
from services.domain.schedule import ceil_to_grid
from services.planning.day_plan import Situation
from services.planning.digest import Digest
from services.planning.nights import Habit
from services.planning.rules import RULES_VERSION

PLANNER_VERSION = "rules-1"
"""Raised when library, wording or choice change."""


def inputs_hash(situation: Situation) -> str:
    """SHA-256 in hexadecimal over canonical JSON.

    The values used, preferences, archetype, date, zone, the 5-minute step from which
    the day is open, and the versions of rules and planner.
    """
    inputs = situation.inputs
    document = {
        "archetype": inputs.archetype.value,
        "data": _data(situation.digest),
        "date": inputs.date.isoformat(),
        "open_from": _instant(ceil_to_grid(max(situation.open_from, situation.hours.day.start))),
        "planner": PLANNER_VERSION,
        "preferences": _preferences(inputs.preferences),
        "rules": RULES_VERSION,
        "today": situation.today.isoformat(),
        "zone": inputs.timezone,
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _data(digest: Digest) -> dict[str, Any]:
    facts = {key.value: fact.evidence for key, fact in digest.facts.items()}
    return {
        "state": digest.state.value,
        "missing": digest.missing,
        "facts": {
            key: [item.kind.value, item.type, item.value, item.unit, _instant(item.measured_at)] for key, item in facts.items()
        },
        "states": {key.value: fact.state for key, fact in digest.facts.items()},
        "usual": [_habit(digest.usual_bed), _habit(digest.usual_wake)],
        "night": None if digest.night is None else [_instant(digest.night.start), _instant(digest.night.end)],
        "minor": digest.minor,
        "red_flags": digest.red_flags,
    }


def _preferences(preferences: Preferences) -> dict[str, Any]:
    return {
        "wake": _clock(preferences.wake_time),
        "sleep": _clock(preferences.sleep_time),
        "work": [_clock(preferences.work_start), _clock(preferences.work_end)],
        "events": [[event.title, _clock(event.start_time), _clock(event.end_time)] for event in preferences.fixed_events],
    }


def _habit(habit: Habit | None) -> str | None:
    return None if habit is None else _clock(habit.clock_time)


def _clock(clock_time: time | None) -> str | None:
    return None if clock_time is None else f"{clock_time:%H:%M}"


def _instant(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
