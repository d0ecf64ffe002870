"""From an acknowledged routine to a READY one: the draft at once, live data and the model beside it, the better plan last.

The draft on warm data is published within milliseconds of the job's start, and is what a person gets when everything else fails.
The model starts to write for it while the live read runs; where live data says the same its words stand, and only blocks that
rest on something else are written again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from services.background import owned_task
from services.clock import Clock
from services.config import Settings
from services.domain.health import BehaviourLabel, EarlierRecords, HealthRecords, ReadPolicy
from services.domain.ids import RoutineId
from services.domain.problems import Problem
from services.domain.routine import HealthDataUse, Plan, Planner, Routine, RoutineStatus, RoutineTiming, TimeBlock
from services.domain.schedule import zone
from services.health_data import HealthDataService
from services.metrics import Metrics
from services.planning.changes import Trigger
from services.planning.digest import COMPARED_BIOMARKERS, COMPARED_SCORES
from services.planning.fingerprint import CURRENT
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan, replan
from services.planning.reuse import adopted
from services.planning.speculation import material_difference
from services.planning.writer import Words, Writer, WrittenBlock
from services.store import days, events
from services.store import routines as store
from services.store.database import Database

REVISIONS_AN_ATTEMPT = 100
"""Revisions of a later attempt are higher than all of an earlier one's."""
COMPLETION_DAYS = 7

log = structlog.get_logger()


class TakenOver(Exception):
    """Another attempt has the routine: stop quietly."""


@dataclass(frozen=True, slots=True)
class Background:
    """What a plan needs to know besides readings; read once an attempt."""

    previous: Plan | None
    current: Routine | None
    completion: float | None
    labels: tuple[BehaviourLabel, ...]
    earlier: EarlierRecords


@dataclass(slots=True)
class Publication:
    """What subscribers of a routine have been given so far."""

    attempt: store.Attempt
    revision: int
    blocks: dict[str, TimeBlock] = field(default_factory=dict)
    first_block_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The plan that an attempt came to. `speculative`: what was begun on warm data was kept."""

    plan: Plan
    health_data: HealthDataUse
    draft: PlannedDay
    words: Words | None = None
    reused_from: RoutineId | None = None
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class Speculation:
    """The model writing for the warm draft."""

    warm: PlannedDay
    task: asyncio.Task[Outcome]

    async def words_for(self, planned: PlannedDay) -> Words | None:
        """Its words, when some of them still hold for the live plan; given up at once when none can."""
        moved = material_difference(self.warm, planned)
        if all(block.title in moved for block in planned.plan.time_blocks):
            self.task.cancel()
            return None
        return (await self.task).words


class Fulfilment:
    """One attempt after the other at making a routine READY. Without a `writer` the draft's own words stand."""

    def __init__(
        self,
        database: Database,
        health_data: HealthDataService,
        writer: Writer | None,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._health_data = health_data
        self._writer = writer
        self._versions = CURRENT if writer is None else writer.versions
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def make(self, attempt: store.Attempt) -> None:
        """READY, with its event. Raises `TakenOver`, `PersonNotFound`, `HealthDataUnavailableError`, `Unavailable`."""
        routine = attempt.routine
        published = Publication(attempt, (attempt.number - 1) * REVISIONS_AN_ATTEMPT)
        async with owned_task(self._read(routine, ReadPolicy.LIVE_FIRST), "live read") as live:
            known = await self._background(routine)
            warm = await self._draft_on_warm_data(published, known)
            async with self._speculation(published, warm, known) as words:
                records = await live
                # The read has stored what it brought, older days among it.
                known = replace(known, earlier=await self._earlier(routine))
                started = self._clock.monotonic()
                planned = self._plan(routine, records, known)
                plan_ms = round((self._clock.monotonic() - started) * 1000)
                outcome = self._reused(routine, planned, known) or await self._worded(published, planned, words)
                outcome = await self._still_open(published, outcome, known)
            kept = warm is not None and not material_difference(warm, planned)
        await self._finish(published, replace(outcome, speculative=kept), records, plan_ms)

    async def fail(self, attempt: store.Attempt, problem: Problem) -> None:
        """FAILED with its reason, and its event. Raises `TakenOver`."""
        routine = attempt.routine
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            if not await store.fail(connection, attempt, problem):
                raise TakenOver
            failed = events.NewEvent(events.EventKind.FAILED)
            await events.append(connection, routine.user_id, routine.id, self._clock.now(), [failed])
        self._metrics.routines.labels(RoutineStatus.FAILED.value).inc()
        log.warning("[ROUTINE] FAILED", routine=str(routine.id), code=problem.code)

    async def preview(self, routine: Routine) -> PlannedDay:
        """What a replan of a READY routine would come to on stored data, now. Changes nothing."""
        if routine.plan is None:
            raise LookupError("a routine without a plan")
        known = replace(await self._background(routine), previous=routine.plan)
        records = await self._read(routine, ReadPolicy.DATABASE)
        return self._plan(routine, records, known, Trigger.READINGS)

    async def _read(self, routine: Routine, policy: ReadPolicy) -> HealthRecords:
        deadline_s = self._settings.sahha_plan_deadline_s
        return await self._health_data.read_week(routine.user_id, zone(routine.timezone), policy, deadline_s)

    async def _background(self, routine: Routine) -> Background:
        now = self._clock.now()
        first, last = routine.date - timedelta(days=COMPLETION_DAYS), routine.date - timedelta(days=1)
        async with self._database.connection() as connection:
            before = None
            if routine.replan_of is not None:
                before = await store.read(connection, routine.replan_of, routine.user_id, now)
            current = await days.current(connection, routine.user_id, routine.date, now)
            completion = await days.completion(connection, routine.user_id, first, last)
        labels = await self._health_data.labels(routine.user_id)
        return Background(before.plan if before else None, current, completion, labels, await self._earlier(routine))

    async def _earlier(self, routine: Routine) -> EarlierRecords:
        return await self._health_data.earlier(
            routine.user_id, zone(routine.timezone), biomarkers=COMPARED_BIOMARKERS, scores=COMPARED_SCORES
        )

    async def _draft_on_warm_data(self, published: Publication, known: Background) -> PlannedDay | None:
        """The draft on what is stored, published; `None` for a person of whom nothing is stored."""
        stage = events.stage(RoutineStatus.FETCHING)
        records = await self._read(published.attempt.routine, ReadPolicy.DATABASE)
        if records.empty:
            await self._publish(published, [stage])
            return None
        draft = self._plan(published.attempt.routine, records, known)
        blocks = draft.plan.time_blocks
        await self._publish(published, [stage, *_news_of(published, blocks, Planner.RULES, final=False)])
        return draft

    def _plan(self, routine: Routine, records: HealthRecords, known: Background, trigger: Trigger | None = None) -> PlannedDay:
        now = self._clock.now()
        inputs = PlanInputs(
            routine_id=routine.id,
            archetype=routine.archetype,
            preferences=routine.preferences,
            timezone=routine.timezone,
            date=routine.date,
            records=records,
            ready_at=now,
            condition=routine.condition,
            labels=known.labels,
            completion=known.completion,
            earlier=known.earlier,
        )
        if known.previous is None:
            return make_plan(inputs, self._versions)
        return replan(inputs, known.previous, now, trigger or _trigger(routine))

    @asynccontextmanager
    async def _speculation(
        self, published: Publication, warm: PlannedDay | None, known: Background
    ) -> AsyncIterator[Speculation | None]:
        """The model at work on the warm draft, beside the block; given up with it. `None` where it would be for nothing."""
        routine = published.attempt.routine
        if self._writer is None or warm is None or self._reused(routine, warm, known) is not None:
            yield None
            return
        async with owned_task(self._write(published, warm, self._writer, None), "speculation") as task:
            yield Speculation(warm, task)

    def _reused(self, routine: Routine, planned: PlannedDay, known: Background) -> Outcome | None:
        """The newest plan of this day, where nothing that it was made from has changed since; the model is not asked then."""
        current = known.current
        if current is None or current.plan is None or known.previous is not None:
            return None
        if self._writer is not None and current.plan.planner is not Planner.OPENAI:
            return None
        if current.plan.inputs_hash != planned.plan.inputs_hash:
            return None
        return Outcome(adopted(current.plan, planned, routine.id), planned.health_data, planned, reused_from=current.id)

    async def _worded(
        self,
        published: Publication,
        planned: PlannedDay,
        speculation: Speculation | None,
    ) -> Outcome:
        """The plan with the model's words where there is a model: those for the warm draft as far as they still hold."""
        if self._writer is None:
            return Outcome(planned.plan, planned.health_data, planned)
        await self._publish(published, [events.stage(RoutineStatus.PLANNING)], planning=True)
        words = None if speculation is None else await speculation.words_for(planned)
        return await self._write(published, planned, self._writer, words)

    async def _still_open(self, published: Publication, outcome: Outcome, known: Background) -> Outcome:
        """The same plan, when the day is still open from where it begins; else planned anew for now, in the words there are.

        Rule time.ready: a model takes its time, and nothing of today may lie before the moment at which the plan is ready.
        """
        if self._writer is None:
            return outcome
        anew = self._plan(published.attempt.routine, outcome.draft.situation.inputs.records, known)
        if anew.plan.inputs_hash == outcome.draft.plan.inputs_hash:
            return outcome
        return await self._write(published, anew, self._writer.without_asking(), outcome.words)

    async def _write(self, published: Publication, planned: PlannedDay, writer: Writer, earlier: Words | None) -> Outcome:
        """The day in the model's words, each block published as soon as it is settled."""
        user_id = published.attempt.routine.user_id
        async with aclosing(writer.write(planned, user_id, earlier=earlier, trigger=_trigger(published.attempt.routine))) as told:
            async for part in told:
                if not isinstance(part, WrittenBlock):
                    return Outcome(part.plan, part.planned.health_data, planned, part.words)
                await self._publish(published, _news_of(published, (part.block,), part.planner, final=False))
        raise RuntimeError("the writer ended without a day")

    async def _publish(self, published: Publication, new: list[events.NewEvent], *, planning: bool = False) -> None:
        """Write events of this attempt; raises `TakenOver` when it is no longer the newest."""
        if not new:
            return
        routine = published.attempt.routine
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            if not await store.holds(connection, published.attempt):
                raise TakenOver
            if planning:
                await store.mark_planning(connection, published.attempt)
            await events.append(connection, routine.user_id, routine.id, self._clock.now(), new)
        if published.blocks and published.first_block_at is None:
            published.first_block_at = self._clock.now()

    async def _finish(self, published: Publication, outcome: Outcome, records: HealthRecords, plan_ms: int) -> None:
        """READY with its final blocks, its event and its wake-up, in one transaction."""
        attempt, routine = published.attempt, published.attempt.routine
        now = self._clock.now()
        timing = RoutineTiming(
            fetch_ms=records.fetch_ms,
            plan_ms=plan_ms,
            total_ms=_ms(routine.created_at, now),
            first_block_ms=_ms(routine.created_at, published.first_block_at or now),
            speculative=outcome.speculative,
        )
        plan = outcome.plan
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            result = store.Result(now, plan, outcome.health_data, timing, outcome.reused_from)
            if not await store.finish(connection, attempt, result):
                raise TakenOver
            last = _news_of(published, plan.time_blocks, plan.planner, final=True)
            ready = events.NewEvent(events.EventKind.READY)
            await events.append(connection, routine.user_id, routine.id, now, [*last, ready])
        self._metrics.routines.labels(RoutineStatus.READY.value).inc()
        self._metrics.routine_seconds.observe((now - routine.created_at).total_seconds())
        log.info(
            "[ROUTINE] READY",
            routine=str(routine.id),
            source=records.source.value,
            planner=plan.planner.value,
            total_ms=timing.total_ms,
            first_block_ms=timing.first_block_ms,
            speculative=outcome.speculative,
            reused=outcome.reused_from is not None,
        )


def _news_of(published: Publication, blocks: tuple[TimeBlock, ...], planner: Planner, *, final: bool) -> list[events.NewEvent]:
    """An event for each block that is new or different; for each of all when they are final, since that is news too."""
    told = [block for block in blocks if final or published.blocks.get(block.id) != block]
    published.revision += bool(told)
    published.blocks |= {block.id: block for block in told}
    return [events.block(events.PublishedBlock(block, planner, published.revision, final)) for block in told]


def _trigger(routine: Routine) -> Trigger:
    return Trigger(routine.replan_trigger) if routine.replan_trigger else Trigger.ASKED


def _ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
