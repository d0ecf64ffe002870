"""What each of Sahha's biomarker types and score factors measures, in which unit, and which values can be true.

The lists are those of Sahha's documentation and SDKs (sahha-api.md, section 4). The bounds are ours and generous: they hold what
living people were recorded with (the records beside them are common knowledge, not sources), and cut what is a fault of a
device or of a unit. They judge no health.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from services.domain.health import Biomarker
from services.sahha.units import FRACTION

DAY_MIN = 1500.0
"""Minutes of the longest local day there is: 25 hours, when summer time ends."""
NIGHT_MIN = 1440.0
"""Minutes of sleep in a sleep day, 18:00 to 18:00: nobody sleeps longer than that whole."""
FULL = 1.005
"""A whole, and what single precision and rounding may add to it."""


class Kind(Enum):
    """What a value is: a number, a point in time, or a word or calendar date that is kept as text."""

    NUMBER = "NUMBER"
    MOMENT = "MOMENT"
    TEXT = "TEXT"


@dataclass(frozen=True, slots=True)
class Measure:
    """`low` to `high`, both included, in `unit`, is what can be true of one day.

    `periodicities` and `aggregations` are those that were seen or are documented; others are taken as well. `accumulates`: a
    total that only grows while its day runs.
    """

    category: str
    unit: str
    low: float = 0.0
    high: float = 0.0
    kind: Kind = Kind.NUMBER
    periodicities: tuple[str, ...] = ("daily",)
    aggregations: tuple[str, ...] = ()
    accumulates: bool = False


def _total(category: str, unit: str, high: float, *periodicities: str) -> Measure:
    """A total of one day that grows while the day runs."""
    return Measure(category, unit, 0.0, high, Kind.NUMBER, periodicities or ("daily",), ("total",), accumulates=True)


def _reading(category: str, unit: str, low: float, high: float, *aggregations: str) -> Measure:
    return Measure(category, unit, low, high, Kind.NUMBER, ("daily",), aggregations or ("average",))


RUNNING = ("intraday", "daily")
ROLLING = ("weekly",)

ACTIVITY = {
    "steps": _total("activity", "count", 250_000, *RUNNING),  # 24 h of running is under 240,000
    "floors_climbed": _total("activity", "count", 10_000),  # 522 was seen; the 24 h record on stairs is under 7,000
    "active_hours": _total("activity", "hour", 25, *RUNNING),
    "active_duration": _total("activity", "minute", DAY_MIN, *RUNNING),
    "activity_low_intensity_duration": _total("activity", "minute", DAY_MIN, *RUNNING),
    "activity_medium_intensity_duration": _total("activity", "minute", DAY_MIN),
    "activity_mid_intensity_duration": _total("activity", "minute", DAY_MIN),  # the older name
    "activity_high_intensity_duration": _total("activity", "minute", DAY_MIN),
    "activity_sedentary_duration": _total("activity", "minute", DAY_MIN, *RUNNING),
    "active_energy_burned": _total("activity", "kcal", 20_000, *RUNNING),  # grand tour stages and 24 h races: under 15,000
    "total_energy_burned": _total("activity", "kcal", 25_000),
    "exercise_duration": _total("activity", "minute", DAY_MIN),
}

SLEEP = {
    "sleep_start_time": Measure("sleep", "datetime", kind=Kind.MOMENT, periodicities=RUNNING, aggregations=("none",)),
    "sleep_mid_time": Measure("sleep", "datetime", kind=Kind.MOMENT, periodicities=RUNNING, aggregations=("none",)),
    "sleep_end_time": Measure("sleep", "datetime", kind=Kind.MOMENT, periodicities=RUNNING, aggregations=("none",)),
    "sleep_duration": _total("sleep", "minute", NIGHT_MIN, *RUNNING),
    "sleep_in_bed_duration": _total("sleep", "minute", NIGHT_MIN, *RUNNING),
    # Time awake and interruptions shrink when a night is staged anew, so they do not count as totals that only grow.
    "sleep_awake_duration": _reading("sleep", "minute", 0, NIGHT_MIN, "total"),
    "sleep_light_duration": _total("sleep", "minute", NIGHT_MIN),
    "sleep_rem_duration": _total("sleep", "minute", NIGHT_MIN),
    "sleep_deep_duration": _total("sleep", "minute", NIGHT_MIN),
    "sleep_interruptions": _reading("sleep", "count", 0, 1_000, "total"),
    "sleep_latency": _reading("sleep", "minute", 0, NIGHT_MIN, "none", "average"),
    "sleep_efficiency": _reading("sleep", FRACTION, 0, FULL, "none"),
    # Over the 8 days of its window; below zero would be sleep in store.
    "sleep_debt": Measure("sleep", "hour", -100, 200, periodicities=ROLLING, aggregations=("average", "total")),
    "sleep_regularity": Measure("sleep", FRACTION, 0, FULL, periodicities=ROLLING, aggregations=("average",)),
}

VITALS = {
    "heart_rate": _reading("vitals", "bpm", 20, 300),  # 27 at rest and some 230 at most are the records of healthy hearts
    "heart_rate_resting": _reading("vitals", "bpm", 20, 220),
    "heart_rate_sleep": _reading("vitals", "bpm", 20, 220),
    # 0 is what a device writes that has measured nothing.
    "heart_rate_variability": _reading("vitals", "millisecond", 1, 1_000),
    "heart_rate_variability_sdnn": _reading("vitals", "millisecond", 1, 1_000),
    "heart_rate_variability_rmssd": _reading("vitals", "millisecond", 1, 1_000),
    "respiratory_rate": _reading("vitals", "count/minute", 3, 100),
    "respiratory_rate_sleep": _reading("vitals", "count/minute", 3, 100),
    "oxygen_saturation": _reading("vitals", FRACTION, 0.3, FULL),
    "oxygen_saturation_sleep": _reading("vitals", FRACTION, 0.3, FULL),
    "vo2_max": _reading("vitals", "ml/kg/min", 3, 120),  # 101 is the record
    "blood_glucose": _reading("vitals", "mg/dL", 5, 3_000),  # 2,656 was survived
    "blood_pressure_systolic": _reading("vitals", "mmHg", 30, 500),  # 480/350 was measured under a weight lifter's load
    "blood_pressure_diastolic": _reading("vitals", "mmHg", 10, 400),
    "body_temperature": _reading("vitals", "celsius", 13, 47),  # 13.7 and 46.5 were survived
    "body_temperature_basal": _reading("vitals", "celsius", 13, 47),
    # Some wearables give the difference from the person's usual temperature instead.
    "skin_temperature_sleep": _reading("vitals", "celsius", -15, 47),
}

BODY = {
    "height": _reading("body", "m", 0.3, 2.8, "none"),  # 0.55 and 2.72 are the records of adults
    "weight": _reading("body", "kg", 1, 700, "none"),  # 635
    "body_mass_index": _reading("body", "count", 5, 250, "none"),  # 7.5 and 204
    "body_fat": _reading("body", FRACTION, 0.01, 0.9, "none"),
    "fat_mass": _reading("body", "kg", 0.1, 500, "none"),
    "lean_mass": _reading("body", "kg", 1, 300, "none"),
    "waist_circumference": _reading("body", "m", 0.2, 4, "none"),
    "resting_energy_burned": _reading("body", "kcal", 0, 10_000, "total", "none"),
}

PERSON = {
    "age": _reading("characteristic", "year", 0, 130, "none"),  # 122
    "biological_sex": Measure("characteristic", "count", kind=Kind.TEXT, aggregations=("none",)),
    "date_of_birth": Measure("characteristic", "datetime", kind=Kind.TEXT, aggregations=("none",)),
}


def _cycle(*, kind: Kind = Kind.TEXT) -> Measure:
    periodicities = ("daily", "weekly", "monthly")
    return Measure("reproductive", "day", 0, 400, kind, periodicities, ("none",))


CYCLE = {
    **{f"menstrual_cycle_{name}": _cycle() for name in ("start_date", "end_date")},
    **{f"menstrual_phase_{name}": _cycle() for name in ("start_date", "end_date")},
    **{f"fertile_window_{name}": _cycle() for name in ("start_date", "end_date")},
    "menstruation_period_start_date": _cycle(),
    "menstruation_period_end_date": _cycle(),
    "menstrual_phase": _cycle(),
    "menstrual_cycle_length": _cycle(kind=Kind.NUMBER),
    "menstrual_cycle_day_number": _cycle(kind=Kind.NUMBER),
    "menstrual_phase_length": _cycle(kind=Kind.NUMBER),
    "menstrual_phase_day_number": _cycle(kind=Kind.NUMBER),
    "menstrual_phase_days_to_next_phase": _cycle(kind=Kind.NUMBER),
}

BIOMARKERS: Mapping[str, Measure] = MappingProxyType({**ACTIVITY, **SLEEP, **VITALS, **BODY, **PERSON, **CYCLE})
"""Every known biomarker type. One that is not here passes through as it is."""

FACTORS: Mapping[str, Measure] = MappingProxyType(
    {
        "steps": ACTIVITY["steps"],
        "active_hours": ACTIVITY["active_hours"],
        "active_calories": ACTIVITY["active_energy_burned"],
        "intense_activity_duration": ACTIVITY["activity_high_intensity_duration"],
        "extended_inactivity": ACTIVITY["activity_sedentary_duration"],
        "floors_climbed": ACTIVITY["floors_climbed"],
        "activity_regularity": SLEEP["sleep_regularity"],
        "sleep_duration": SLEEP["sleep_duration"],
        "sleep_regularity": SLEEP["sleep_regularity"],
        "sleep_continuity": SLEEP["sleep_latency"],
        "sleep_debt": SLEEP["sleep_debt"],
        "circadian_alignment": Measure("sleep", "minute", -NIGHT_MIN, NIGHT_MIN),
        "physical_recovery": SLEEP["sleep_deep_duration"],
        "mental_recovery": SLEEP["sleep_rem_duration"],
        "walking_strain_capacity": Measure("activity", "index", 0, 100),
        "exercise_strain_capacity": Measure("activity", "index", 0, 100),
        "resting_heart_rate": VITALS["heart_rate_resting"],
        "heart_rate_variability": VITALS["heart_rate_variability"],
    }
)
"""Every known score factor. Units and goals are the payload's: the unit here is the one that the bounds are in."""

MOVEMENT = ("steps", "active_hours", "active_calories", "intense_activity_duration", "extended_inactivity", "floors_climbed")
REST = (
    "sleep_duration",
    "sleep_regularity",
    "sleep_continuity",
    "sleep_debt",
    "circadian_alignment",
    "physical_recovery",
    "mental_recovery",
)
MIND = ("steps", "active_hours", "extended_inactivity", "activity_regularity", "sleep_regularity", "circadian_alignment")
STRAIN = ("walking_strain_capacity", "exercise_strain_capacity", "resting_heart_rate", "heart_rate_variability")

SCORE_FACTORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activity": MOVEMENT,
        "sleep": REST,
        "wellbeing": MOVEMENT + REST,
        "mental_wellbeing": MIND,
        "readiness": ("sleep_duration", "sleep_debt", "physical_recovery", "mental_recovery", *STRAIN),
    }
)
"""The factors of each score that Sahha serves; any of them can be missing."""


def suspicious_zero(stored: float, row: Biomarker) -> bool:
    """Whether a row says 0 where more was known of the same natural key (`stored`, in the same unit), which cannot be.

    True for totals that only grow while their day runs: steps, durations of activity and sleep, energy. Anything else can fall
    to 0, and an unknown type is believed.
    """
    measure = BIOMARKERS.get(row.type)
    return measure is not None and measure.accumulates and row.number == 0 < stored
