"""How alert a person is over their waking day, by the two-process model of sleep regulation (rule energy).

Sleep pressure rises while awake with a time constant of 18.2 h and falls asleep with one of 4.2 h (npj Biological Timing and
Sleep s44323-025-00039-z, fig. 1). The size of the daily rhythm, its midday dip and the slow first hour are ours: the result
orders the hours of one day, and its figures mean nothing by themselves.
"""

import math
from datetime import datetime, timedelta

from services.planning.hours import Hours

RISE_H, FALL_H = 18.2, 4.2
RHYTHM, DIP, INERTIA = 0.18, 0.09, 0.35
RHYTHM_PEAK_H, DIP_H = 10.5, 7.5
"""Hours after waking of the daily rhythm's peak and of the midday dip."""
INERTIA_H = 0.6
BEST_SHARE = 0.6
"""Of the waking day: what lies in the more alert part of this size lies well."""
STEP = timedelta(minutes=15)


def alertness(awake_h: float, night_h: float) -> float:
    """Alertness after so many hours awake, following a night of that length; higher is more alert."""
    at_waking = math.exp(-night_h / FALL_H)
    pressure = 1 - (1 - at_waking) * math.exp(-awake_h / RISE_H)
    rhythm = RHYTHM * math.cos(2 * math.pi * (awake_h - RHYTHM_PEAK_H) / 24)
    dip = -DIP * math.cos(4 * math.pi * (awake_h - DIP_H) / 24)
    return rhythm + dip - pressure - INERTIA * math.exp(-awake_h / INERTIA_H)


def rank(moment: datetime, hours: Hours) -> float:
    """The share of the waking day that is more alert than this moment, 0 to 1."""
    night_h = hours.night / timedelta(hours=1)
    here = alertness((moment - hours.day.start) / timedelta(hours=1), night_h)
    count = max(1, (hours.lights_out - hours.day.start) // STEP)
    return sum(alertness(step * (STEP / timedelta(hours=1)), night_h) > here for step in range(count)) / count
