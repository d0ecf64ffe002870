"""The contract's entry points: one statement for each field, its resolver, its type and what it promises."""

from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers import account, admin, daily_routines, health_data, routines, subscriptions
from resolvers.arguments import WaitArgument
from resolvers.context import Info
from schema.admin_types import HeldJob, JobRun, RequeueHeldJobResult, SchedulerJobResult, SchedulerStatus, Viewer
from schema.daily_types import DailyRoutine, SetDailyRoutineResult
from schema.event_types import EVENTS, PlanReadyEvent, RoutineEvent
from schema.execution import FirstlightSchema, HoldToRules, OperationRules
from schema.health_types import BiomarkerConnection, HealthSnapshot, RefreshSahhaResult, ScoreConnection
from schema.inputs import DailyRoutineInput, GenerateRoutineInput
from schema.problems import FAILURES
from schema.scalars import SCALARS
from schema.types import CancelRoutineResult, GenerateRoutineResult, Routine, RoutineConnection, SetTaskStatusResult
from services.domain import outcomes

InputArgument = Annotated[GenerateRoutineInput, strawberry.argument(description="Whose day to plan, and how.")]
DailyRoutineArgument = Annotated[DailyRoutineInput, strawberry.argument(description="For whom, and how.")]


async def generate_routine(
    info: Info,
    input: InputArgument,  # noqa: A002 - the contract's name
    wait_seconds: WaitArgument = 0,
) -> outcomes.GenerateRoutineResult:
    """Where an input becomes a command: resolvers do not know the contract's shapes."""
    return await routines.generate_routine(info, input.to_command(), wait_seconds)


async def set_daily_routine(
    info: Info,
    input: DailyRoutineArgument,  # noqa: A002 - the contract's name
) -> outcomes.SetDailyRoutineResult:
    """As `generate_routine`."""
    return await daily_routines.set_daily_routine(info, input.to_command())


@strawberry.type(description="What can be read.")
class Query:
    viewer = strawberry.field(resolver=account.viewer, graphql_type=Viewer, description="Who is calling and what they may do.")
    routine = strawberry.field(
        resolver=routines.routine,
        graphql_type=Routine | None,
        description="One routine. Somebody else's and one that does not exist: the same NOT_FOUND.",
    )
    routines = strawberry.field(
        resolver=routines.routines,
        graphql_type=RoutineConnection | None,
        description="A person's routines, newest first; at most 100 a page.",
    )
    biomarkers = strawberry.field(
        resolver=health_data.biomarkers,
        graphql_type=BiomarkerConnection | None,
        description="The last 7 local days unless from and to say otherwise; newest first; at most 500 a page. The first page of "
        "LIVE_FIRST asks Sahha once; later pages read what that read stored.",
    )
    scores = strawberry.field(resolver=health_data.scores, graphql_type=ScoreConnection | None, description="As biomarkers.")
    health_snapshot = strawberry.field(
        resolver=health_data.health_snapshot,
        graphql_type=HealthSnapshot | None,
        description="The newest value of every type, each with its own age: what a plan is made from.",
    )
    daily_routine = strawberry.field(
        resolver=daily_routines.daily_routine,
        graphql_type=DailyRoutine | None,
        description="The standing order of a person, if there is one.",
    )
    scheduler_status = strawberry.field(
        resolver=admin.scheduler_status, graphql_type=SchedulerStatus | None, description="Admin. The scheduler and its jobs."
    )
    held_jobs = strawberry.field(
        resolver=admin.held_jobs,
        graphql_type=list[HeldJob] | None,
        description="Admin. Durable jobs that ended in a bug, the newest first.",
    )


@strawberry.type(description="What can be done.")
class Mutation:
    generate_routine = strawberry.field(
        resolver=generate_routine,
        graphql_type=GenerateRoutineResult,
        description="Acknowledges at once with a durable QUEUED routine; waitSeconds (0-120) blocks until it is READY or FAILED.",
    )
    cancel_routine = strawberry.field(
        resolver=routines.cancel_routine,
        graphql_type=CancelRoutineResult,
        description="Calls a routine off that is not READY or FAILED yet, for everybody who asked for it.",
    )
    set_daily_routine = strawberry.field(
        resolver=set_daily_routine,
        graphql_type=SetDailyRoutineResult,
        description="A routine every morning: made before the person wakes, remade when the night turns out otherwise. One for "
        "each person; a second call replaces it.",
    )
    stop_daily_routine = strawberry.field(
        resolver=daily_routines.stop_daily_routine,
        graphql_type=SetDailyRoutineResult,
        description="Ends a person's standing order, if there is one. What it has asked for already is still made.",
    )
    replan_routine = strawberry.field(
        resolver=routines.replan_routine,
        graphql_type=GenerateRoutineResult,
        description="Moves what is left of today when new data or missed tasks arrive; done and locked blocks stay. The new "
        "routine supersedes the old one when it is READY.",
    )
    set_task_status = strawberry.field(
        resolver=routines.set_task_status,
        graphql_type=SetTaskStatusResult,
        description="Marks a task, whatever its status was before. The newest routine of a day alone can be marked.",
    )
    refresh_sahha = strawberry.field(
        resolver=health_data.refresh_sahha,
        graphql_type=RefreshSahhaResult,
        description="Admin. Fetches from Sahha now; force ignores the freshness window.",
    )
    run_scheduler_job = strawberry.field(
        resolver=admin.run_scheduler_job,
        graphql_type=SchedulerJobResult,
        description="Admin. Runs the job once, now and in full, whatever was read lately.",
    )
    pause_scheduler_job = strawberry.field(
        resolver=admin.pause_scheduler_job,
        graphql_type=SchedulerJobResult,
        description="Admin. Fires the job no more, on any replica and over restarts, until it is resumed.",
    )
    resume_scheduler_job = strawberry.field(
        resolver=admin.resume_scheduler_job,
        graphql_type=SchedulerJobResult,
        description="Admin. Fires the job again from its next occurrence on; what was due meanwhile is not made up for.",
    )
    requeue_held_job = strawberry.field(
        resolver=admin.requeue_held_job,
        graphql_type=RequeueHeldJobResult,
        description="Admin. Does a held job again, once the bug is mended.",
    )


@strawberry.type(description="What is pushed, over graphql-transport-ws.")
class Subscription:
    plan_ready = strawberry.subscription(
        resolver=subscriptions.plan_ready,
        graphql_type=PlanReadyEvent,
        description="Each routine of this person that becomes READY or FAILED. after = the last event id seen: nothing in "
        "between is lost.",
    )
    routine_progress = strawberry.subscription(
        resolver=subscriptions.routine_progress,
        graphql_type=RoutineEvent,
        description="The stages of one routine and its time blocks as they become usable, the draft first; from its "
        "acknowledgement on unless `after` says otherwise. Ends with the event that ends the routine.",
    )
    scheduler_events = strawberry.subscription(
        resolver=subscriptions.scheduler_events,
        graphql_type=JobRun,
        description="Admin. Job runs, on whichever replica, as they start and end.",
    )


def build_schema(rules: OperationRules | None = None) -> FirstlightSchema:
    """The whole contract, ready to run operations. Takes a tenth of a second: build it once a process.

    Raises `InvalidPersistedDocument`.
    """
    return FirstlightSchema(
        rules=rules,
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*FAILURES, *EVENTS],
        extensions=[HoldToRules],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
