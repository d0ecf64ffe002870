"""The days of invented people as Sahha's biomarkers, in the shapes and windows of its API.

A whole day of a sample profile has 22 biomarkers, and a week two more (weight on Sunday, age on Monday), which makes 156 in any
7 days. A phone alone tells less, a watch with everything more.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from server.standins.arrival import Kind, arrived, clock_of, known_night, known_part, settled
from server.standins.days import Day, Night, day_of, nap_of, noise
from server.standins.forms import EVENING, Row, Window, biomarker, whole_days
from server.standins.people import Delivery, Person, today_of, zone_of_day, zone_of_night
from services.sahha.lexical import fixed_offset

MONDAY, SUNDAY = 0, 6
HEIGHT_M = 1.74


def biomarker_rows(person: Person, day: date, now: datetime) -> list[Row]:
    """The biomarkers that belong to `day`, as they stand at `now`, in no order; none for a day that has not begun."""
    if person.silent or day > today_of(person, now):
        return []
    facts, clock_time = day_of(person, day), clock_of(person, now, day)
    periodicity = "daily" if settled(person, day, now, clock_time) else "intraday"
    zone = zone_of_day(person, day, now)
    rows: list[Row] = []
    if arrived(person, day, Kind.ACTIVITY, now):
        window = Window("activity", periodicity, *whole_days(zone, day))
        rows += _activity(person, window, facts, known_part(person, day, now, clock_time))
    night = known_night(person, facts.night, now) if arrived(person, day, Kind.SLEEP, now) else None
    if night is not None:
        rows += _nights(person, day, night, facts, periodicity)
        rows += _naps(person, day, now, periodicity)
    whole = night is not None and night.wake == facts.night.wake
    if person.wearable and whole and arrived(person, day, Kind.VITALS, now):
        window = Window("vitals", "daily", *whole_days(zone, day))
        rows += _vitals(person, window, facts, day)
        rows += _clinical(person, window, facts, day) if person.clinical else ()
    rows += _measured(person, day, now)
    Random(f"{person.id}|{day}").shuffle(rows)
    return rows


def _activity(person: Person, window: Window, facts: Day, done: float) -> Iterator[Row]:
    kcal = facts.steps * 0.045
    totals = [
        ("steps", facts.steps * done, "count"),
        ("floors_climbed", facts.steps * done // 900, "count"),
        ("active_hours", round(facts.active_min / 25) * done, "hour"),
        ("active_duration", facts.active_min * done, "minute"),
        ("activity_high_intensity_duration", facts.intense_min * done, "minute"),
        ("activity_sedentary_duration", facts.sitting_min * done, "minute"),
        ("active_energy_burned", kcal * done, "kcal"),
        ("total_energy_burned", (22 * person.weight_kg + kcal) * done, "kcal"),
    ]
    if person.clinical:
        totals.append(("activity_low_intensity_duration", facts.active_min * 0.7 * done, "minute"))
        totals.append(("activity_medium_intensity_duration", facts.active_min * 0.2 * done, "minute"))
        totals.append(("exercise_duration", facts.intense_min * done, "minute"))
    return (biomarker(person, window, name, "total", int(value), unit) for name, value, unit in totals)


def _nights(person: Person, day: date, night: Night, facts: Day, periodicity: str) -> Iterator[Row]:
    zone = zone_of_night(person, day)
    eve = day - timedelta(days=1)
    yield from _sleep(person, Window("sleep", periodicity, *whole_days(zone, eve, EVENING)), night)
    if night.wake == facts.night.wake:
        window = Window("sleep", "weekly", *whole_days(zone, day - timedelta(days=8), EVENING, days=8))
        yield biomarker(person, window, "sleep_debt", "total", facts.sleep_debt_h, "hour")
        yield biomarker(person, window, "sleep_regularity", "average", facts.regularity, "percentage")


def _naps(person: Person, day: date, now: datetime, periodicity: str) -> Iterator[Row]:
    """A nap has a window of its own: from lying down to getting up."""
    nap = nap_of(person, day)
    if nap is not None and known_night(person, nap, now) == nap:
        start, end = (fixed_offset(moment, person.zone) for moment in (nap.bed, nap.wake))
        yield from _sleep(person, Window("sleep", periodicity, start, end), nap)


def _sleep(person: Person, window: Window, night: Night) -> Iterator[Row]:
    for name, moment in (("sleep_start_time", night.bed), ("sleep_mid_time", night.middle), ("sleep_end_time", night.wake)):
        yield biomarker(person, window, name, "none", moment, "datetime")
    yield biomarker(person, window, "sleep_in_bed_duration", "total", night.in_bed_min, "minute")
    if not person.wearable:
        return
    minutes = [
        ("sleep_duration", night.asleep_min),
        ("sleep_deep_duration", round(night.asleep_min * 0.17)),
        ("sleep_rem_duration", round(night.asleep_min * 0.23)),
    ]
    if person.clinical:
        minutes.append(("sleep_light_duration", night.asleep_min - sum(value for _, value in minutes[1:])))
        minutes.append(("sleep_awake_duration", night.in_bed_min - night.asleep_min))
    for name, value in minutes:
        yield biomarker(person, window, name, "total", value, "minute")
    yield biomarker(person, window, "sleep_efficiency", "none", night.asleep_min / night.in_bed_min, "percentage")


def _vitals(person: Person, window: Window, facts: Day, day: date) -> Iterator[Row]:
    breaths, skin = noise(person, day, "breaths"), noise(person, day, "skin")
    variability = facts.heart_rate_variability
    yield biomarker(person, window, "heart_rate_resting", "average", facts.resting_heart_rate, "bpm")
    yield biomarker(person, window, "heart_rate_variability_rmssd", "average", variability, "millisecond")
    yield biomarker(person, window, "respiratory_rate_sleep", "average", 14.4 + 0.6 * breaths, "count/minute")
    yield biomarker(person, window, "skin_temperature_sleep", "average", 34.1 + 0.3 * skin, "celsius")


def _clinical(person: Person, window: Window, facts: Day, day: date) -> Iterator[Row]:
    drift = noise(person, day, "clinical")
    averages = (
        ("heart_rate_sleep", facts.resting_heart_rate - 4, "bpm"),
        ("heart_rate_variability_sdnn", round(facts.heart_rate_variability * 1.2), "millisecond"),
        ("respiratory_rate", 15.2 + drift, "count/minute"),
        ("body_temperature_basal", 36.5 + 0.2 * drift, "celsius"),
        ("oxygen_saturation", person.oxygen_percent + 0.5 * drift, "percentage"),
        ("oxygen_saturation_sleep", person.oxygen_percent - 0.5 + 0.5 * drift, "percentage"),
        ("vo2_max", 31.5 + 0.4 * drift, "ml/kg/min"),
        ("blood_glucose", 96 + 6 * drift, "mg/dL"),
        ("blood_pressure_systolic", round(134 + 6 * drift), "mmHg"),
        ("blood_pressure_diastolic", round(86 + 4 * drift), "mmHg"),
    )
    return (biomarker(person, window, name, "average", value, unit) for name, value, unit in averages)


def _measured(person: Person, day: date, now: datetime) -> Iterator[Row]:
    """What is measured once a week: weight on Sunday, and with everything the rest of the body; age on Monday."""
    zone = zone_of_day(person, day, now)
    if day.weekday() == MONDAY and person.delivery is Delivery.SAMPLE:
        week = Window("characteristic", "weekly", *whole_days(zone, day, days=7))
        yield biomarker(person, week, "age", "none", person.age, "year")
    if day.weekday() != SUNDAY or not arrived(person, day, Kind.VITALS, now):
        return
    weight = person.weight_kg + 0.4 * noise(person, day, "weight")
    window = Window("body", "daily", *whole_days(zone, day))
    yield biomarker(person, window, "weight", "none", weight, "kg")
    if person.clinical:
        yield biomarker(person, window, "height", "none", HEIGHT_M, "m")
        yield biomarker(person, window, "body_mass_index", "none", weight / HEIGHT_M**2, "count")
        yield biomarker(person, window, "body_fat", "none", 0.27, "percentage")
        yield biomarker(person, window, "waist_circumference", "none", 0.98, "m")
