"""Rows of invented people as the events that Sahha posts: one object each, told apart by a header alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import cycle

import orjson

from server.standins.archetypes import archetype_rows
from server.standins.forms import Row, identity
from server.standins.people import Person, today_of
from server.standins.rows import biomarker_rows
from server.standins.scores import score_rows
from services.clock import Clock

HISTORY_DAYS = 365
LOGS = 3

RowsOfDay = Callable[[Person, date, datetime], list[Row]]


class EventKind(StrEnum):
    """Named as in the header `X-Event-Type`."""

    SCORE = "ScoreCreatedIntegrationEvent"
    BIOMARKER = "BiomarkerCreatedIntegrationEvent"
    ARCHETYPE = "ArchetypeCreatedIntegrationEvent"
    DATA_LOG = "DataLogReceivedIntegrationEvent"


@dataclass(frozen=True, slots=True)
class Event:
    """`body` is posted as it is; `external_id` is whose it is."""

    kind: EventKind
    external_id: str
    body: bytes


def events_of(person: Person, kinds: frozenset[EventKind], clock: Clock, days: int = HISTORY_DAYS) -> Iterator[Event]:
    """What Sahha knows of a person's last `days` days, the newest first; when they are through, begun again as it stands then.

    Ends when there is nothing of these kinds.
    """
    for back in cycle(range(days)):
        now = clock.now()
        today = today_of(person, now)
        last_days = (today - timedelta(days=each) for each in range(days))
        if back == 0 and not any(_events_of_day(person, kinds, day, now) for day in last_days):
            return
        yield from _events_of_day(person, kinds, today - timedelta(days=back), now)


def _events_of_day(person: Person, kinds: frozenset[EventKind], day: date, now: datetime) -> list[Event]:
    if person.silent:
        return []
    sources: tuple[tuple[EventKind, RowsOfDay], ...] = (
        (EventKind.SCORE, score_rows),
        (EventKind.BIOMARKER, biomarker_rows),
        (EventKind.ARCHETYPE, archetype_rows),
        (EventKind.DATA_LOG, _logs),
    )
    return [
        Event(kind, person.id, _body(kind, person, row, now))
        for kind, rows_of in sources
        if kind in kinds
        for row in rows_of(person, day, now)
    ]


def _body(kind: EventKind, person: Person, row: Row, now: datetime) -> bytes:
    whose = {"profileId": f"profile-{person.id}", "accountId": "account-sandbox", "externalId": person.id}
    created_at = now.isoformat().replace("+00:00", "Z")
    match kind:
        case EventKind.BIOMARKER:
            added = {"createdAtUtc": created_at, "version": 1}
        case EventKind.ARCHETYPE:
            added = {"createdAtUtc": created_at}
        case _:
            added = {}
    return orjson.dumps({**row, **whose, **added})


def _logs(person: Person, day: date, now: datetime) -> list[Row]:
    """The steps of the last minutes of the running day, as the phone counted them."""
    if day != today_of(person, now):
        return []
    minutes = [now.replace(second=0, microsecond=0) - timedelta(minutes=back) for back in range(LOGS)]
    log = {
        "logType": "activity",
        "dataType": "steps",
        "receivedAtUtc": now.isoformat().replace("+00:00", "Z"),
        "dataLogs": [
            {
                "id": identity(person, "log", "steps", minute.isoformat()),
                "parentId": None,
                "value": 40 + minute.minute,
                "unit": "count",
                "source": "phone",
                "recordingMethod": "RECORDING_METHOD_AUTOMATICALLY_RECORDED",
                "deviceType": "iPhone",
                "startDateTime": (minute - timedelta(minutes=1)).isoformat(),
                "endDateTime": minute.isoformat(),
                "additionalProperties": {},
            }
            for minute in minutes
        ],
    }
    return [log]
