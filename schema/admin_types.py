"""The caller, the scheduler and the durable work: shapes that read attributes."""

import datetime as dt
from typing import Annotated

import strawberry

from resolvers import admin
from schema.enums import JobRunStatus, SchedulerHealth
from schema.problems import NotFound
from services.domain import outcomes


@strawberry.type(description="Who is calling and what they may do.")
class Viewer:
    subject: str = strawberry.field(description="Name of the key; never the key.")
    scopes: list[str] = strawberry.field(description="admin: everything. service: on behalf of any person, no admin fields.")
    user_id: strawberry.ID | None = strawberry.field(description="Set for a caller who is one person.")


@strawberry.type(description="One occurrence of a job.")
class JobRun:
    id: strawberry.ID = strawberry.field(description="The run's id.")
    job_id: strawberry.ID = strawberry.field(description="The job it is a run of.")
    instance_id: strawberry.ID = strawberry.field(description="The process that runs it.")
    scheduled_at: dt.datetime = strawberry.field(description="When it was due, or asked for by hand.")
    started_at: dt.datetime = strawberry.field(description="When it began.")
    finished_at: dt.datetime | None = strawberry.field(description="When it ended; null while it runs.")
    duration_ms: int | None = strawberry.field(description="Milliseconds from start to end; null while it runs.")
    late_ms: int | None = strawberry.field(description="Milliseconds from due to start.")
    status: JobRunStatus = strawberry.field(description="How it stands.")
    detail: str | None = strawberry.field(description="What it did, or why it failed.")


@strawberry.type(description="A job of the scheduler. nextRun is null while paused.")
class SchedulerJob:
    id: strawberry.ID = strawberry.field(description="The job's id.")
    name: str = strawberry.field(description="What it does.")
    trigger: str = strawberry.field(description="When it is due, as APScheduler prints it.")
    timezone: str = strawberry.field(description="IANA name of the zone in which the trigger counts.")
    next_run: dt.datetime | None = strawberry.field(description="When it is due next; null while paused.")
    paused: bool = strawberry.field(description="It is not fired until it is resumed.")
    overdue: bool = strawberry.field(description="It was due and has not been run.")
    last_run: JobRun | None = strawberry.field(description="The newest run; null before the first.")
    success_rate: float | None = strawberry.field(
        description="Share of its finished runs that succeeded; 0 to 1, null without runs."
    )
    runs = strawberry.field(resolver=admin.job_runs, graphql_type=list[JobRun], description="Its runs, newest first.")


@strawberry.type(description="The scheduler as this process sees it.")
class SchedulerStatus:
    health: SchedulerHealth = strawberry.field(description="How it is.")
    running: bool = strawberry.field(description="The scheduler of this process is started.")
    leader: bool = strawberry.field(description="This process holds the leadership and fires the jobs.")
    instance_id: strawberry.ID = strawberry.field(description="The name of this process.")
    started_at: dt.datetime | None = strawberry.field(description="When the scheduler of this process was started.")
    last_heartbeat_at: dt.datetime | None = strawberry.field(description="When it last gave a sign of life.")
    total_jobs: int = strawberry.field(description="How many jobs there are.")
    jobs: list[SchedulerJob] = strawberry.field(description="The jobs.")
    success_rate: float | None = strawberry.field(description="Share of finished runs that succeeded; 0 to 1, null without runs.")


@strawberry.type(description="run: the run just started, for runSchedulerJob.")
class SchedulerJobSuccess:
    job: SchedulerJob = strawberry.field(description="The job, as it is now.")
    run: JobRun | None = strawberry.field(description="The run just started.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.SchedulerJobSuccess)


SchedulerJobResult = Annotated[
    SchedulerJobSuccess | NotFound,
    strawberry.union("SchedulerJobResult", description="The job, or that there is no such job."),
]


@strawberry.type(
    description="A durable job that ended in a bug of ours. It does nothing until an admin requeues it; kept for 30 days."
)
class HeldJob:
    id: strawberry.ID = strawberry.field(description="The job's id.")
    kind: str = strawberry.field(description="What it does, such as GENERATE_ROUTINE.")
    subject: str = strawberry.field(description="The id of the routine or person that it is about.")
    reason: str | None = strawberry.field(description="The type of the error; its text is in the log alone.")
    attempts: int = strawberry.field(description="How many times it was tried.")
    queued_at: dt.datetime = strawberry.field(description="When it was queued.")
    held_at: dt.datetime = strawberry.field(description="When it ended.")


@strawberry.type(description="The job is no longer held: it is done again at once, or its work has been queued again since.")
class RequeueHeldJobSuccess:
    id: strawberry.ID = strawberry.field(description="The job's id.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.RequeueHeldJobSuccess)


RequeueHeldJobResult = Annotated[
    RequeueHeldJobSuccess | NotFound,
    strawberry.union("RequeueHeldJobResult", description="That it is done again, or that no such job is held."),
]
