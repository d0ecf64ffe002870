"""A crowd made from a seed: `generated-00001` and onwards, each a person of their own, and none of them kept in memory."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from hashlib import blake2b
from random import Random
from zoneinfo import ZoneInfo

from server.standins.people import Delivery, Person, Trip
from services.domain.schedule import clock, zone

CROWD = 10_000
MOST = 99_999
ID = re.compile(r"generated-(\d{5})", re.ASCII)
ZONES = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Toronto", "America/Sao_Paulo"),
    *("Europe/London", "Europe/Berlin", "Europe/Madrid", "Europe/Warsaw", "Europe/Istanbul", "Africa/Lagos", "Africa/Cairo"),
    *("Asia/Dubai", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Australia/Lord_Howe"),
    *("Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Honolulu", "America/St_Johns", "Etc/GMT+12"),
)
"""Whole, half and quarter hours from -12 to +14; with and without summer time, which is half an hour on Lord Howe."""


@dataclass(frozen=True, slots=True)
class Crowd(Mapping[str, Person]):
    """The first `count` generated people of a seed. The same number and seed is the same person, however large the crowd."""

    count: int = CROWD
    seed: int = 0

    def __getitem__(self, external_id: str) -> Person:
        found = ID.fullmatch(external_id)
        if found is None or not 1 <= int(found[1]) <= self.count:
            raise KeyError(external_id)
        return _person(self.seed, int(found[1]))

    def __iter__(self) -> Iterator[str]:
        return (f"generated-{number:05}" for number in range(1, self.count + 1))

    def __len__(self) -> int:
        return self.count


@lru_cache(maxsize=1024)
def _person(seed: int, number: int) -> Person:
    draw = Random(blake2b(f"{seed}|{number}".encode(), digest_size=8).digest())
    by_night = draw.random() < 0.03
    bed = draw.randrange(7 * 60, 9 * 60) if by_night else 21 * 60 + draw.randrange(270)
    wearable = draw.random() < 0.6
    best_ms = draw.randrange(30, 90)
    home = zone(draw.choice(ZONES))
    return Person(
        id=f"generated-{number:05}",
        zone=home,
        bed=clock(bed),
        wake=clock(bed + draw.randrange(350, 480 if by_night else 540)),
        spread_min=draw.randrange(5, 60),
        efficiency=round(draw.uniform(0.8, 0.96), 3),
        steps=draw.randrange(2500, 14_000),
        resting_heart_rate=draw.randrange(46, 82),
        heart_rate_variability=round(best_ms * draw.uniform(0.6, 1.0)),
        best_heart_rate_variability=best_ms,
        oxygen_percent=round(draw.uniform(95.5, 99), 1),
        weight_kg=round(draw.uniform(48, 118), 1),
        age=draw.randrange(18, 85),
        silent=draw.random() < 0.02,
        wearable=wearable,
        clinical=wearable and draw.random() < 0.15,
        delivery=Delivery.LATE if draw.random() < 0.15 else Delivery.SYNCED,
        nap=time(13, 30) if not by_night and draw.random() < 0.05 else None,
        trip=_trip(draw, home),
    )


def _trip(draw: Random, home: ZoneInfo) -> Trip | None:
    """A few travel, between places that see the same date at noon."""
    chance = draw.random()
    if chance >= 0.03 or home.key not in {"America/New_York", "Europe/Berlin"}:
        return None
    there = {"America/New_York": "America/Los_Angeles", "Europe/Berlin": "America/New_York"}[home.key]
    return Trip(zone(there))
