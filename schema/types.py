"""Routines and their events: shapes that read the domain's attributes."""

import datetime as dt
from typing import Annotated

import strawberry

from schema.enums import (
    Archetype,
    ChangeKind,
    CheckVerdict,
    DataSource,
    DataState,
    EnergyZone,
    EvidenceKind,
    Planner,
    Priority,
    RoutineStatus,
    TaskStatus,
    TaskType,
)
from schema.pages import PageInfo
from schema.problems import IdempotencyKeyReused, InvalidInput, NotCancellable, NotFound, Problem, QuotaExceeded
from services.domain import outcomes


@strawberry.type(
    description="A stored value a task rests on. The number shown is read from the store, never written by the model."
)
class Evidence:
    kind: EvidenceKind = strawberry.field(description="What kind of stored value it is.")
    type: str = strawberry.field(description="Sahha's name of the biomarker, score or factor.")
    value: str = strawberry.field(description="The value as received, without loss, in `unit`.")
    unit: str | None = strawberry.field(description="Sahha's unit; null where there is none.")
    measured_at: dt.datetime = strawberry.field(description="When it was measured.")
    age_seconds: int = strawberry.field(description="Seconds from measuredAt to this answer.")
    source: DataSource = strawberry.field(description="Whether it came live or from the database.")


@strawberry.type(description="One thing to do, with its time and what it rests on.")
class RoutineTask:
    id: strawberry.ID = strawberry.field(description="The task's id; a replan leaves it to a task that stays.")
    title: str = strawberry.field(description="What to do, in a few words.")
    description: str = strawberry.field(description="How to do it.")
    type: TaskType = strawberry.field(description="What kind of thing it is.")
    priority: Priority = strawberry.field(description="How much it matters when the day gets short.")
    start_time: dt.datetime = strawberry.field(description="When it begins; on the 5-minute grid.")
    end_time: dt.datetime = strawberry.field(description="When it ends; on the 5-minute grid.")
    status: TaskStatus = strawberry.field(description="What became of it.")
    evidence: list[Evidence] = strawberry.field(
        description="The stored values it rests on; empty when it rests on preferences alone."
    )


@strawberry.type(description="A part of the day. Blocks follow each other without overlap.")
class TimeBlock:
    id: strawberry.ID = strawberry.field(
        description="The block's id; a replan leaves it to the block of the same place in the day."
    )
    title: str = strawberry.field(description="What the block is called.")
    energy_zone: EnergyZone = strawberry.field(description="What it asks of the body.")
    start_time: dt.datetime = strawberry.field(description="When it begins.")
    end_time: dt.datetime = strawberry.field(description="When it ends.")
    purpose: str = strawberry.field(description="What it is for.")
    why_it_matters: str | None = strawberry.field(description="Why it is worth keeping, for this person.")
    locked: bool = strawberry.field(description="True: a new plan of this day leaves it as it is.")
    tasks: list[RoutineTask] = strawberry.field(description="What to do in it, in the order of time.")


@strawberry.type(description="The verdict of one rule on this plan.")
class PlanCheck:
    rule: str = strawberry.field(description="Name of the rule.")
    verdict: CheckVerdict = strawberry.field(description="What the verifier found.")
    detail: str = strawberry.field(description="What was looked at, or changed.")
    citation: str | None = strawberry.field(description="The source of the rule's number; null where the rule has none.")


@strawberry.type(description="What a plan was made from.")
class HealthDataUse:
    source: DataSource = strawberry.field(description="DATABASE when Sahha failed, MIXED when it failed for some categories.")
    state: DataState = strawberry.field(description="How whole and how fresh the data was.")
    biomarkers: int = strawberry.field(description="How many biomarker rows were read.")
    scores: int = strawberry.field(description="How many scores were read.")
    newest_value_at: dt.datetime | None = strawberry.field(description="When the newest value was measured; null without values.")
    oldest_value_age_seconds: int | None = strawberry.field(
        description="Age in seconds, at this answer, of the oldest value used as evidence; null when none was used."
    )
    missing_categories: list[str] = strawberry.field(
        description="Categories expected of this person of which nothing fresh was there."
    )
    confidence: float = strawberry.field(description="How far the data carries the plan; 0 to 1.")


@strawberry.type(description="How long a routine took. Null: not measured, or not yet.")
class RoutineTiming:
    fetch_ms: int | None = strawberry.field(description="Milliseconds of reading health data from Sahha.")
    plan_ms: int | None = strawberry.field(description="Milliseconds of planning and verifying.")
    first_block_ms: int | None = strawberry.field(
        description="Milliseconds from the acknowledgement to the first block that a person could use."
    )
    total_ms: int | None = strawberry.field(description="Milliseconds from the acknowledgement to READY.")
    speculative: bool = strawberry.field(description="The plan was begun on warm data while the live fetch ran, and was kept.")


@strawberry.type(description="Tokens of every call of the model that a plan took.")
class ModelUsage:
    input_tokens: int = strawberry.field(description="Tokens sent, the cached ones among them.")
    cached_input_tokens: int = strawberry.field(description="Tokens sent that the model had read before.")
    output_tokens: int = strawberry.field(description="Tokens written.")


@strawberry.type(description="What a replan did to one task, and why.")
class RoutineChange:
    kind: ChangeKind = strawberry.field(description="What was done.")
    task_id: strawberry.ID | None = strawberry.field(description="The task's id; of one that is gone, the one that it had.")
    task_title: str = strawberry.field(description="What the task is called.")
    moved_from: dt.datetime | None = strawberry.field(name="from", description="When it began before; null for a new task.")
    moved_to: dt.datetime | None = strawberry.field(name="to", description="When it begins now; null for one that is gone.")
    because: str = strawberry.field(description="Why, for a person to read.")


@strawberry.type(description="A requested day of a person, from its acknowledgement on.")
class Routine:
    id: strawberry.ID = strawberry.field(description="The routine's id; it cannot be guessed.")
    user_id: strawberry.ID = strawberry.field(description="Whose day it is: their externalId at Sahha.")
    date: dt.date = strawberry.field(description="The planned day, in `timezone`.")
    timezone: str = strawberry.field(description="IANA name of the person's zone.")
    archetype: Archetype = strawberry.field(description="How the person asked to be led.")
    status: RoutineStatus = strawberry.field(description="Where it stands.")
    failure: Problem | None = strawberry.field(description="Why it is FAILED; null otherwise.")
    created_at: dt.datetime = strawberry.field(description="When it was acknowledged.")
    ready_at: dt.datetime | None = strawberry.field(description="When it became READY; nothing in it lies before that.")
    planner: Planner | None = strawberry.field(
        description="Which planner wrote what is in it; RULES when no model is configured or the model failed."
    )
    model: str | None = strawberry.field(description="Name of the model that wrote in it; null where none did.")
    health_data: HealthDataUse | None = strawberry.field(
        description="Null until data was read. Its source is DATABASE when Sahha failed; the age of what was used is always told."
    )
    summary: str | None = strawberry.field(description="The day in a few sentences.")
    time_blocks: list[TimeBlock] = strawberry.field(description="The plan, in the order of time; empty until it is READY.")
    checks: list[PlanCheck] = strawberry.field(description="The verifier's verdicts, one for each rule.")
    safety_notice: str | None = strawberry.field(
        description="Set when a reading calls for a professional, or the person is sick or injured; such a day holds no exertion."
    )
    timing: RoutineTiming | None = strawberry.field(description="How long it took.")
    usage: ModelUsage | None = strawberry.field(description="What the model was asked; null where none was.")
    inputs_hash: str | None = strawberry.field(
        description="SHA-256 of everything the plan was made from: data digest, preferences, condition, archetype, date, zone, "
        "the 5-minute step from which the day is still open, and the versions of rules, prompt and model."
    )
    reused_from: strawberry.ID | None = strawberry.field(
        description="Set when nothing had changed since that routine: its plan stands and no model was asked."
    )
    supersedes: strawberry.ID | None = strawberry.field(
        description="The routine it replaces. Of one person and date at most one READY routine is not superseded: the newest."
    )
    superseded_by: strawberry.ID | None = strawberry.field(description="The routine that replaces it.")
    changes: list[RoutineChange] = strawberry.field(
        description="What a replan changed against the routine that it supersedes; empty for a first plan."
    )


@strawberry.type(description="One routine at its place in a list.")
class RoutineEdge:
    cursor: str = strawberry.field(description="Opaque; give it as `after`. Stays valid while routines arrive.")
    node: Routine = strawberry.field(description="The routine.")


@strawberry.type(description="A page of a person's routines, newest first.")
class RoutineConnection:
    edges: list[RoutineEdge] = strawberry.field(description="The page, each with its cursor.")
    nodes: list[Routine] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type(
    description="joined: an identical request was already running and this is its routine. cursor: give it to planReady as "
    "`after`, and no event from the acknowledgement on can be missed."
)
class GenerateRoutineSuccess:
    routine: Routine = strawberry.field(description="The routine, as far as it is.")
    joined: bool = strawberry.field(description="An identical request was already running.")
    cursor: strawberry.ID = strawberry.field(description="An event id to follow from.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.GenerateRoutineSuccess)


GenerateRoutineResult = Annotated[
    GenerateRoutineSuccess | InvalidInput | NotFound | QuotaExceeded | IdempotencyKeyReused,
    strawberry.union("GenerateRoutineResult", description="The acknowledged routine, or why there is none."),
]


@strawberry.type(description="The routine, CANCELLED: by this call or by an earlier one.")
class CancelRoutineSuccess:
    routine: Routine = strawberry.field(description="The routine, as it is now.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.CancelRoutineSuccess)


CancelRoutineResult = Annotated[
    CancelRoutineSuccess | NotFound | NotCancellable,
    strawberry.union("CancelRoutineResult", description="The routine, or why it was not called off."),
]


@strawberry.type(description="The task as it is now, and its routine.")
class SetTaskStatusSuccess:
    task: RoutineTask = strawberry.field(description="The task.")
    routine: Routine = strawberry.field(description="Its routine.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.SetTaskStatusSuccess)


SetTaskStatusResult = Annotated[
    SetTaskStatusSuccess | NotFound | InvalidInput,
    strawberry.union("SetTaskStatusResult", description="The task, or why it was not marked."),
]
