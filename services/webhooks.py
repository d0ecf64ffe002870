"""Sahha's webhooks: durable before they are acknowledged, applied afterwards, in any order, as often as they come."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import TypeVar

import asyncpg
import structlog
from pydantic import SecretStr

from services.archive import HealthArchive, Told
from services.clock import Clock
from services.domain.health import BehaviourLabel, Biomarker, RejectedRecord, Score
from services.domain.ids import UserId
from services.errors import BadUserInput, Forbidden, Unauthenticated, Unavailable, UpstreamMalformed
from services.live_first import fixed
from services.metrics import Metrics
from services.sahha.webhook_events import KNOWN, EventContent, EventType, essence, open_envelope, read_event, signed
from services.store import people
from services.store import webhooks as store
from services.store.database import Database, store_unavailable
from services.store.labels import LabelKey, archive_labels, label_key
from services.store.people import Heard
from services.store.record_rows import BiomarkerKey, ScoreKey, biomarker_key, score_key
from services.store.webhooks import InboxEvent, WaitingEvent
from services.webhook_inbox import WebhookInbox

LONGEST_NAME = 128
UNKNOWN = "unknown"
"""What events of unknown types are counted under: their names are not ours to bound."""
AT_ONCE = 500
"""Events of a person that are applied in one transaction."""
APPLIERS = 2
BREATH = 20
"""Events that are read in one go, about 2 ms: those that arrive meanwhile are to be acknowledged."""

Key = TypeVar("Key")
Row = TypeVar("Row")

log = structlog.get_logger()


class Receipt(Enum):
    """ACCEPTED: durable, and applied soon. DUPLICATE: it waits already. KEPT: of an unknown type, kept to be looked at."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    KEPT = "kept"


@dataclass(slots=True)
class _News:
    """What a person's events say together: of each key the record that was made last."""

    biomarkers: dict[BiomarkerKey, tuple[datetime, Biomarker]] = field(default_factory=dict)
    scores: dict[ScoreKey, tuple[datetime, Score]] = field(default_factory=dict)
    labels: dict[LabelKey, tuple[datetime, BehaviourLabel]] = field(default_factory=dict)
    records: list[RejectedRecord] = field(default_factory=list)
    rejected: int = 0
    repaired: int = 0
    device_seen_at: datetime | None = None

    def add(self, content: EventContent, received_at: datetime) -> None:
        stated_at = min(content.stated_at or received_at, received_at)
        for biomarker in content.biomarkers:
            _add(self.biomarkers, biomarker_key(biomarker), stated_at, biomarker)
        for score in content.scores:
            _add(self.scores, score_key(score), score.created_at or received_at, score)
        for label in content.labels:
            _add(self.labels, label_key(label), stated_at, label)
        self.records += content.records
        self.rejected += content.rejected
        self.repaired += content.repaired
        if content.device_seen_at is not None:
            self.device_seen_at = max(self.device_seen_at or content.device_seen_at, content.device_seen_at)

    @property
    def offset(self) -> timedelta | None:
        moments = [start for start, *_ in self.biomarkers] + [start for start, _ in self.scores]
        return max(moments).utcoffset() if moments else None


class WebhookService:
    """`secret` signs the events; without one every event is refused."""

    def __init__(
        self, database: Database, archive: HealthArchive, secret: SecretStr | None, clock: Clock, metrics: Metrics
    ) -> None:
        self._database = database
        self._archive = archive
        self._secret = secret
        self._clock = clock
        self._metrics = metrics
        self._inbox = WebhookInbox(database)
        self._arrived = asyncio.Event()

    async def aclose(self) -> None:
        """Ends a write that nobody waits for any more."""
        await self._inbox.aclose()

    async def receive(self, body: bytes, *, signature: str | None, external_id: str | None, event_type: str | None) -> Receipt:
        """Make an event durable. When this returns it is, and 2xx may be said.

        The body itself must name the person of the header, because the body alone is signed. Raises `Unauthenticated` without a
        right signature, `BadUserInput` for what is no event, `Forbidden` for one that names another person, `Unavailable` when
        it could not be stored: Sahha sends it again.
        """
        if self._secret is None or signature is None or not signed(body, signature, self._secret.get_secret_value()):
            self._metrics.webhook_events.labels("unsigned").inc()
            raise Unauthenticated("The signature is not that of this body.")
        try:
            event = self._opened(body, external_id, event_type)
        except BadUserInput:
            self._metrics.webhook_events.labels("malformed").inc()
            raise
        new = await self._inbox.put(event)
        receipt = Receipt.DUPLICATE if not new else Receipt.KEPT if event.kept_for else Receipt.ACCEPTED
        self._metrics.webhook_events.labels(receipt.value).inc()
        self._arrived.set()
        return receipt

    async def arrived(self, within_s: float) -> None:
        """Returns when this process has received an event since the last call, and after `within_s` at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._arrived.wait()
        self._arrived.clear()

    async def apply_waiting(self) -> int:
        """Apply what waits at this moment, whichever process received it; how many events. Raises `Unavailable`.

        Events of a person are applied together: called now and then rather than for each event, it does a fraction of the work.
        """
        async with self._database.connection() as connection:
            newest = await store.newest_waiting(connection)
        if newest is None:
            return 0
        try:
            async with asyncio.TaskGroup() as group:
                appliers = [group.create_task(self._apply_in_turn(newest)) for _ in range(APPLIERS)]
        except* Unavailable:
            raise Unavailable from None
        return sum(applier.result() for applier in appliers)

    def _opened(self, body: bytes, external_id: str | None, event_type: str | None) -> InboxEvent:
        person, name = _header(external_id, "X-External-Id"), _header(event_type, "X-Event-Type")
        try:
            envelope = open_envelope(body)
        except UpstreamMalformed as error:
            raise BadUserInput(f"{error.reason}.", field=("body",)) from None
        known = KNOWN.get(name)
        if envelope.external_id != person and (known is not None or envelope.external_id is not None):
            self._metrics.webhook_events.labels("misattributed").inc()
            log.error("[WEBHOOK] An event is not of the person in its header: refused", header=person[:8], type=name[:40])
            raise Forbidden("The body is not of the person in X-External-Id.")
        digest = sha256(b"\0".join((person.encode(), name.encode(), body))).digest()
        kept = body if known is None else essence(known, envelope, body)
        return InboxEvent(UserId(person), name, kept, digest, self._clock.now(), UNKNOWN if known is None else None)

    async def _apply_in_turn(self, up_to: int) -> int:
        applied = 0
        while (done := await self._apply_some(up_to)) > 0:
            applied += done
        return applied

    async def _apply_some(self, up_to: int) -> int:
        """Somebody's waiting events, in one transaction with what they change; how many were taken.

        When they cannot be applied together each is tried by itself, and one that cannot be applied at all is kept.
        """
        async with self._database.transaction() as connection:
            taken = await store.take(connection, up_to, AT_ONCE)
            if taken is None:
                return 0
            user_id, events = taken
            if not await self._apply(connection, user_id, events):
                for event in events:
                    if not await self._apply(connection, user_id, [event]):
                        await store.keep(connection, user_id, [event.id], "cannot be applied")
                        self._metrics.webhook_events.labels("kept").inc()
        return len(events)

    async def _apply(self, connection: asyncpg.Connection, user_id: UserId, events: Sequence[WaitingEvent]) -> bool:
        """True: what these events say is stored, and they are gone. False: nothing was changed."""
        try:
            async with connection.transaction():
                await self._store(connection, user_id, events)
                await store.settle(connection, user_id, [event.id for event in events])
        except Exception as error:
            if store_unavailable(error):
                raise
            log.exception("[WEBHOOK] Events cannot be applied", events=len(events))
            return False
        self._metrics.webhook_events.labels("applied").inc(len(events))
        return True

    async def _store(self, connection: asyncpg.Connection, user_id: UserId, events: Sequence[WaitingEvent]) -> None:
        person = await people.read(connection, user_id)
        received_at = max(event.received_at for event in events)
        news = _News()
        for number, event in enumerate(events, start=1):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            content = read_event(
                EventType(event.event_type),
                event.body,
                received_at=event.received_at,
                fallback_offset=fixed(person.offset) or UTC,
            )
            news.add(content, event.received_at)
        # The offset of an event can be that of a day long gone: a live read knows better.
        offset = news.offset if person.offset is None else None
        heard = Heard(device_seen_at=news.device_seen_at, webhook_at=received_at, offset=offset)
        stated_at, biomarkers = _split(news.biomarkers)
        _, scores = _split(news.scores)
        kept = await self._archive.write(
            connection, user_id, Told(heard, biomarkers, scores, news.records, received_at, stated_at)
        )
        labels_stated_at, labels = _split(news.labels)
        changed = await archive_labels(connection, user_id, labels, received_at, stated_at=labels_stated_at)
        if changed and not kept.changed:
            await self._archive.announce(connection, user_id, received_at)
        self._metrics.records.labels("rejected").inc(news.rejected)
        self._metrics.records.labels("repaired").inc(news.repaired)


def _header(value: str | None, name: str) -> str:
    """A header's text, which may be sent as UTF-8. Raises `BadUserInput` for none, and for one that cannot be stored."""
    text = value or ""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    if not 1 <= len(text) <= LONGEST_NAME or not text.isprintable():
        raise BadUserInput(f"{name} is missing, too long or not text.", field=(name,))
    return text


def _add(held: dict[Key, tuple[datetime, Row]], key: Key, stated_at: datetime, row: Row) -> None:
    if key not in held or stated_at >= held[key][0]:
        held[key] = (stated_at, row)


def _split(held: Mapping[Key, tuple[datetime, Row]]) -> tuple[dict[Key, datetime], list[Row]]:
    return {key: stated_at for key, (stated_at, _) in held.items()}, [row for _, row in held.values()]
