"""Units by every spelling met or likely, and a number of one unit in another of the same quantity."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

FRACTION = "percentage"
"""Sahha's word for shares; its values under that word are fractions: a sleep efficiency of `0.75` is in `percentage`."""
LARGEST_FRACTION = 1.5
"""A share above this was meant in percent: no share that Sahha measures is below 1.5 % or above 150 %."""
DECIMALS = 6
"""Converted numbers are rounded to this, so that the same night in hours and in minutes is the same number."""


class Quantity(Enum):
    """What a unit measures. NUMBER: counts, and indices without a dimension such as the body mass index."""

    NUMBER = "NUMBER"
    DURATION = "DURATION"
    AGE = "AGE"
    ENERGY = "ENERGY"
    SHARE = "SHARE"
    FREQUENCY = "FREQUENCY"
    TEMPERATURE = "TEMPERATURE"
    MASS = "MASS"
    LENGTH = "LENGTH"
    PRESSURE = "PRESSURE"
    GLUCOSE = "GLUCOSE"
    OXYGEN_UPTAKE = "OXYGEN_UPTAKE"


@dataclass(frozen=True, slots=True)
class Unit:
    """One of it is `factor` of the quantity's first unit below, counted from `zero` of that unit."""

    quantity: Quantity
    factor: float = 1.0
    zero: float = 0.0


SPELLINGS: tuple[tuple[Quantity, float, float, str], ...] = (
    (Quantity.NUMBER, 1, 0, "count|counts|number|step|steps|floor|floors|kg/m2|kg/m^2|kg/m²"),
    (Quantity.DURATION, 1, 0, "second|seconds|sec|secs|s"),
    (Quantity.DURATION, 0.001, 0, "millisecond|milliseconds|msec|ms"),
    (Quantity.DURATION, 60, 0, "minute|minutes|min|mins"),
    (Quantity.DURATION, 3600, 0, "hour|hours|hr|hrs|h"),
    (Quantity.DURATION, 86_400, 0, "day|days|d"),
    (Quantity.AGE, 1, 0, "year|years|yr|yrs"),
    (Quantity.AGE, 1 / 12, 0, "month|months"),
    (Quantity.ENERGY, 1, 0, "kcal|kilocalorie|kilocalories"),
    (Quantity.ENERGY, 1 / 4.184, 0, "kj|kilojoule|kilojoules"),
    (Quantity.SHARE, 1, 0, "percentage|percent|%|ratio|fraction|index"),
    (Quantity.FREQUENCY, 1, 0, "bpm|count/minute|count/min|beats/minute|breaths/minute|brpm|rpm|/min"),
    (Quantity.FREQUENCY, 60, 0, "bps|hz|count/second|count/s"),
    (Quantity.TEMPERATURE, 1, 0, "celsius|degc|°c|c"),
    (Quantity.TEMPERATURE, 1 / 1.8, 32, "fahrenheit|degf|°f|f"),
    (Quantity.MASS, 1, 0, "kg|kilogram|kilograms"),
    (Quantity.MASS, 0.001, 0, "g|gram|grams"),
    (Quantity.MASS, 0.45359237, 0, "lb|lbs|pound|pounds"),
    (Quantity.LENGTH, 1, 0, "m|meter|meters|metre|metres"),
    (Quantity.LENGTH, 0.01, 0, "cm|centimeter|centimeters|centimetre|centimetres"),
    (Quantity.LENGTH, 0.0254, 0, "in|inch|inches"),
    (Quantity.LENGTH, 0.3048, 0, "ft|foot|feet"),
    (Quantity.PRESSURE, 1, 0, "mmhg"),
    (Quantity.PRESSURE, 7.50062, 0, "kpa"),
    (Quantity.GLUCOSE, 1, 0, "mg/dl"),
    (Quantity.GLUCOSE, 18.0156, 0, "mmol/l"),
    (Quantity.OXYGEN_UPTAKE, 1, 0, "ml/kg/min|ml/(kg*min)|ml/min/kg|milliliter/kilogram/minute"),
)


def _by_spelling(rows: Iterable[tuple[Quantity, float, float, str]]) -> Iterator[tuple[str, Unit]]:
    for quantity, factor, zero, names in rows:
        for name in names.split("|"):
            yield name, Unit(quantity, factor, zero)


UNITS: Mapping[str, Unit] = MappingProxyType(dict(_by_spelling(SPELLINGS)))


def in_unit(number: float, received: str | None, wanted: str) -> float | None:
    """The number in the unit `wanted`, which must be one of `UNITS`; without a received unit it is taken to be in that.

    `None` when the received unit is not known or measures something else.
    """
    target = UNITS[wanted.lower()]
    source = target if received is None else UNITS.get(received.strip().lower())
    if source is None or source.quantity is not target.quantity:
        return None
    if target.quantity is Quantity.SHARE:
        return number if number <= LARGEST_FRACTION else round(number / 100, DECIMALS)
    if source == target:
        return number
    in_first = (number - source.zero) * source.factor
    return round(in_first / target.factor + target.zero, DECIMALS)
