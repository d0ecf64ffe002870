"""How fresh a person's data is, and what is missing of it.

The bounds are those of rule `data` (planning-rules.md): sleep 36 h, scores 36 h, vitals 72 h. Activity goes with the scores.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from services.domain.health import Biomarker, DataSource, DataState, HealthRecords, Score
from services.domain.schedule import seen_from

SLEEP_BOUND = timedelta(hours=36)
SCORE_BOUND = timedelta(hours=36)
VITALS_BOUND = timedelta(hours=72)

ALWAYS_EXPECTED = frozenset({"activity", "sleep"})
"""What every phone gives; any other category is expected of a person who has rows of it."""

OCCASIONAL = frozenset({"body", "characteristic", "device", "exercise", "nutrition", "reproductive"})
"""Recorded when something happens, not every day: their absence means nothing."""

NIGHT_EXPECTED_FROM = 4
"""Local hour from which the night that ends today is awaited."""
NIGHT_EXPECTED_UNTIL = 15
"""Local hour from which a night that is not there counts as missing, no longer as arriving (rule night.day)."""
ARRIVING = timedelta(hours=3)
"""Other rows as new as this, or word from the device, say that the person's devices are sending."""
EXPECTED_FOR = timedelta(days=7)
"""A category of which nothing came for so long is not expected any more: a watch that was put away."""
SETTLED = timedelta(hours=1)
"""An unfinished night read this long after its last sleep grows no more."""


def bound(category: str) -> timedelta:
    """The age up to which a biomarker of a category is fresh."""
    match category:
        case "sleep":
            return SLEEP_BOUND
        case "activity":
            return SCORE_BOUND
        case _:
            return VITALS_BOUND


def fresh_biomarker(row: Biomarker, now: datetime) -> bool:
    return now - row.measured_at <= bound(row.category)


def fresh_score(row: Score, now: datetime) -> bool:
    return now - row.measured_at <= SCORE_BOUND


def assess(records: HealthRecords, now: datetime) -> tuple[DataState, tuple[str, ...]]:
    """The state of a person's data at `now`, and the expected categories without a fresh value, by name.

    A day's sleep is missing from 15:00 local on when the night that ended today is not there. Local time is that of the
    newest row's own offset.
    """
    missing = set(_without_fresh(records.biomarkers, now))
    newest = newest_value_at(records)
    if newest is None:
        return DataState.NONE if records.older_value_at is None else DataState.STALE, tuple(sorted(missing))
    if now - newest > SCORE_BOUND:
        return DataState.STALE, tuple(sorted(missing))
    local_now = _local_now(records, now)
    night_awaited = local_now.hour >= NIGHT_EXPECTED_FROM and not _night_is_whole(records.biomarkers, local_now.date())
    arriving = now - max(newest, records.device_seen_at or newest) <= ARRIVING
    if night_awaited and local_now.hour < NIGHT_EXPECTED_UNTIL and arriving:
        return DataState.SYNCING, tuple(sorted(missing))
    if night_awaited:
        missing.add("sleep")
    return DataState.PARTIAL if missing else DataState.COMPLETE, tuple(sorted(missing))


def expected_categories(rows: Iterable[Biomarker]) -> frozenset[str]:
    """The categories this person is expected to have: the two of every phone and those there are rows of."""
    return ALWAYS_EXPECTED | ({row.category for row in rows} - OCCASIONAL)


def newest_value_at(records: HealthRecords) -> datetime | None:
    """When the newest value of a read was measured; `None` for an empty read."""
    moments = [row.measured_at for row in records.biomarkers] + [row.measured_at for row in records.scores]
    return max(moments, default=None)


def _without_fresh(rows: tuple[Biomarker, ...], now: datetime) -> frozenset[str]:
    recent = [row for row in rows if now - row.measured_at <= EXPECTED_FOR]
    return expected_categories(recent) - {row.category for row in recent if fresh_biomarker(row, now)}


def _local_now(records: HealthRecords, now: datetime) -> datetime:
    starts = [row.start_date_time for row in records.biomarkers] + [row.score_date_time for row in records.scores]
    return seen_from(now, max(starts))


def _night_is_whole(rows: tuple[Biomarker, ...], today: date) -> bool:
    """Whether the sleep day that ends today is there and has stopped growing. `daily` rows are final."""
    of_today = [row for row in rows if row.type in {"sleep_duration", "sleep_end_time", "sleep_in_bed_duration"}]
    of_today = [row for row in of_today if row.end_date_time.date() == today]
    return bool(of_today) and not any(_growing(row) for row in of_today)


def _growing(row: Biomarker) -> bool:
    if row.periodicity != "intraday" or row.type != "sleep_end_time":
        return False
    ended = parse_instant(row.value)
    seen = row.as_of if row.source is DataSource.LIVE else row.received_at
    return ended is not None and seen - ended < SETTLED


def parse_instant(value: str) -> datetime | None:
    """The instant a `datetime` biomarker holds, in its own offset; `None` for text that is none or has no offset."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None
