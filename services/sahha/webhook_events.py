"""Sahha's webhook events: whose an event is, that Sahha sent it, and what it says in the product's own objects."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum
from typing import Any, assert_never

import orjson

from services.domain.health import BehaviourLabel, Biomarker, RejectedRecord, Score
from services.errors import UpstreamMalformed
from services.sahha.lexical import moment_of
from services.sahha.payloads import Rejection, parse_archetypes, parse_biomarkers, parse_scores


class EventType(Enum):
    """The values of X-Event-Type that are known. `Created` is sent at every recalculation too."""

    SCORE = "ScoreCreatedIntegrationEvent"
    BIOMARKER = "BiomarkerCreatedIntegrationEvent"
    ARCHETYPE = "ArchetypeCreatedIntegrationEvent"
    DATA_LOG = "DataLogReceivedIntegrationEvent"


KNOWN = {each.value: each for each in EventType}


@dataclass(frozen=True, slots=True)
class Envelope:
    """`external_id`: whose the body says that it is; `None`: it does not say."""

    external_id: str | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventContent:
    """What an event says: one record, or that the device sent something, or nothing that can be used.

    `stated_at`: when Sahha made it; `None`: not told. `rejected` counts what could not be used; `records` is what is kept of it.
    """

    biomarkers: tuple[Biomarker, ...] = ()
    scores: tuple[Score, ...] = ()
    labels: tuple[BehaviourLabel, ...] = ()
    records: tuple[RejectedRecord, ...] = ()
    rejected: int = 0
    repaired: int = 0
    stated_at: datetime | None = None
    device_seen_at: datetime | None = None


def signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether `signature` is the HMAC-SHA256 of the raw body in hexadecimal of either case, the secret taken as text.

    The time it takes tells nothing of the right one (sahha-api.md, section 5).
    """
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode("utf-8", "surrogateescape"))


def open_envelope(body: bytes) -> Envelope:
    """Raises `UpstreamMalformed` when the body is no JSON object."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UpstreamMalformed("event: not JSON") from None
    if not isinstance(document, dict):
        raise UpstreamMalformed("event: not an object")
    external_id = document.get("externalId")
    return Envelope(external_id if isinstance(external_id, str) and external_id else None, document)


def essence(event_type: EventType, envelope: Envelope, body: bytes) -> bytes:
    """What has to be kept of a body until it is applied: of a data log that it came, and not the samples in it."""
    if event_type is EventType.DATA_LOG:
        return orjson.dumps({"receivedAtUtc": envelope.document.get("receivedAtUtc")})
    return body


def read_event(event_type: EventType, body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> EventContent:
    """What an event says. One that cannot be read is counted as rejected, as a row of a list would be."""
    match event_type:
        case EventType.BIOMARKER:
            biomarkers = parse_biomarkers(_listed(body), received_at=received_at, fallback_offset=fallback_offset)
            return EventContent(
                biomarkers=biomarkers.rows,
                records=_records(biomarkers.rejected),
                rejected=len(biomarkers.rejected),
                repaired=biomarkers.repaired,
                stated_at=_moment_in(body, "createdAtUtc"),
            )
        case EventType.SCORE:
            scores = parse_scores(_listed(body), received_at=received_at, fallback_offset=fallback_offset)
            return EventContent(scores=scores.rows, records=_records(scores.rejected), rejected=len(scores.rejected))
        case EventType.ARCHETYPE:
            labels = parse_archetypes(_listed(body), received_at=received_at, fallback_offset=fallback_offset)
            return EventContent(
                labels=labels.rows,
                records=_records(labels.rejected),
                rejected=len(labels.rejected),
                stated_at=_moment_in(body, "createdAtUtc"),
            )
        case EventType.DATA_LOG:
            return EventContent(device_seen_at=_moment_in(body, "receivedAtUtc") or received_at)
        case _:
            assert_never(event_type)


def _listed(body: bytes) -> bytes:
    return b"[" + body + b"]"


def _moment_in(body: bytes, name: str) -> datetime | None:
    text = open_envelope(body).document.get(name)
    try:
        return moment_of(text, UTC) if isinstance(text, str) else None
    except ValueError:
        return None


def _records(rejected: tuple[Rejection, ...]) -> tuple[RejectedRecord, ...]:
    return tuple(rejection.record for rejection in rejected if rejection.record is not None)
