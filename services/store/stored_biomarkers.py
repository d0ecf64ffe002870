"""Biomarkers of long lists as they lie in the database: nothing is made of a row before somebody asks for it."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter

import asyncpg

from services.domain.health import Biomarker, DataSource, TimestampRepair
from services.domain.schedule import at_offset

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STORED_BIOMARKER = """
sahha_id, category, type, periodicity, aggregation, value, number, unit, value_type, received_unit, repair, extra,
start_offset_s, end_offset_s, date_part('epoch', start_at) as start_s, date_part('epoch', end_at) as end_s,
date_part('epoch', received_at) as received_s"""
"""The columns of a `StoredBiomarker`, beside `as_of_s`. Seconds are read in a tenth of the time that an instant takes."""


@lru_cache(maxsize=4096)
def _instant(epoch_s: float, offset_s: int) -> datetime:
    """To the microsecond. Remembered, since people share the beginnings and ends of their days."""
    return at_offset(EPOCH + timedelta(seconds=epoch_s), timedelta(seconds=offset_s))


class StoredBiomarker(asyncpg.Record):  # type: ignore[misc]
    """Reads like the `Biomarker` that the row is: the same attributes with the same values."""

    __slots__ = ()

    id = property(itemgetter("sahha_id"))
    category = property(itemgetter("category"))
    type = property(itemgetter("type"))
    periodicity = property(itemgetter("periodicity"))
    aggregation = property(itemgetter("aggregation"))
    value = property(itemgetter("value"))
    number = property(itemgetter("number"))
    unit = property(itemgetter("unit"))
    value_type = property(itemgetter("value_type"))
    received_unit = property(itemgetter("received_unit"))
    extra = property(itemgetter("extra"))
    start_date_time = property(lambda row: _instant(row["start_s"], row["start_offset_s"]))
    end_date_time = property(lambda row: _instant(row["end_s"], row["end_offset_s"]))
    received_at = property(lambda row: _instant(row["received_s"], 0))
    as_of = property(lambda row: _instant(row["as_of_s"], 0))
    source = DataSource.DATABASE
    repair = property(lambda row: TimestampRepair(row["repair"]))

    value_unit = Biomarker.value_unit
    meaning = Biomarker.meaning
    measured_at = Biomarker.measured_at
    age_seconds = Biomarker.age_seconds
