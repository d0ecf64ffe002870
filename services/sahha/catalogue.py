"""Sahha's own names: what is asked for on each call, how long a window of each periodicity is, and the archetypes it gives.

What the biomarker types and score factors measure is in `measures`.
"""

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

WELLNESS = ("poor", "fair", "good", "optimal")

ARCHETYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activity_level": ("sedentary", "lightly_active", "moderately_active", "highly_active"),
        "exercise_frequency": ("rare_exerciser", "occasional_exerciser", "regular_exerciser", "frequent_exerciser"),
        "mental_wellness": tuple(f"{degree}_mental_wellness" for degree in WELLNESS),
        "overall_wellness": tuple(f"{degree}_wellness" for degree in WELLNESS),
        "sleep_duration": ("very_short_sleeper", "short_sleeper", "average_sleeper", "long_sleeper"),
        "sleep_efficiency": (
            "highly_inefficient_sleeper",
            "inefficient_sleeper",
            "efficient_sleeper",
            "highly_efficient_sleeper",
        ),
        "sleep_quality": tuple(f"{degree}_sleep_quality" for degree in WELLNESS),
        "sleep_regularity": ("highly_irregular_sleeper", "irregular_sleeper", "regular_sleeper", "highly_regular_sleeper"),
        "bed_schedule": ("very_early_sleeper", "early_sleeper", "late_sleeper", "very_late_sleeper"),
        "wake_schedule": ("very_early_riser", "early_riser", "late_riser", "very_late_riser"),
        "primary_exercise": (),
        "secondary_exercise": (),
        "primary_exercise_type": (),
        "sleep_pattern": (),
    }
)
"""The archetypes known, with their values from the lowest place in the order to the highest; those without an order are empty.

Both names and values are open sets: a live row had a value that Sahha does not list.
"""
