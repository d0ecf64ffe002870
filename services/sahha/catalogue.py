"""Sahha's own names: what is asked for on each call, and how long a window of each periodicity is."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

CATEGORIES = (
    "activity",
    "body",
    "characteristic",
    "device",
    "exercise",
    "nutrition",
    "reproductive",
    "sleep",
    "vitals",
)
"""Every biomarker category, sent on each call: without categories the answer may be 400. One without data gives no rows."""

SCORE_TYPES = (
    "activity",
    "digital",
    "energy",
    "focus",
    "mental_wellbeing",
    "nutrition",
    "readiness",
    "recovery",
    "resilience",
    "sleep",
    "stress",
    "wellbeing",
    "wellness",
)
"""The score types asked for. Sahha serves five of them today (activity, mental_wellbeing, readiness, sleep, wellbeing) and
answers an unknown one with no rows, so those that it may come to serve are asked for as well."""

DAY = timedelta(days=1)

PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {"intraday": DAY, "daily": DAY, "weekly": timedelta(days=7), "monthly": timedelta(days=30)}
)
"""The length of one window. Used to fill in a missing bound only: a periodicity that is not listed counts as one day."""
