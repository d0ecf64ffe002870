"""The contract's entry points: one statement for each field, its resolver, its type and what it promises."""

from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers import account, admin, health_data, routines, subscriptions
from resolvers.arguments import WaitArgument
from resolvers.context import Info
from schema.admin_types import SchedulerJobResult, SchedulerStatus, Viewer
from schema.execution import FirstlightSchema, HoldToRules
from schema.health_types import HealthSnapshot, RefreshSahhaResult
from schema.inputs import GenerateRoutineInput
from schema.problems import FAILURES
from schema.scalars import SCALARS
from schema.types import GenerateRoutineResult, PlanReadyEvent, Routine, RoutineConnection
from services.domain import outcomes

InputArgument = Annotated[GenerateRoutineInput, strawberry.argument(description="Whose day to plan, and how.")]


async def generate_routine(
    info: Info,
    input: InputArgument,  # noqa: A002 - the contract's name
    wait_seconds: WaitArgument = 0,
) -> outcomes.GenerateRoutineResult:
    """Where an input becomes a command: resolvers do not know the contract's shapes."""
    return await routines.generate_routine(info, input.to_command(), wait_seconds)


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
    health_snapshot = strawberry.field(
        resolver=health_data.health_snapshot,
        graphql_type=HealthSnapshot | None,
        description="The newest value of every type, each with its own age: what a plan is made from.",
    )
    scheduler_status = strawberry.field(
        resolver=admin.scheduler_status, graphql_type=SchedulerStatus | None, description="Admin. The scheduler and its jobs."
    )


@strawberry.type(description="What can be done.")
class Mutation:
    generate_routine = strawberry.field(
        resolver=generate_routine,
        graphql_type=GenerateRoutineResult,
        description="Acknowledges at once with a durable QUEUED routine; waitSeconds (0-120) blocks until it is READY or FAILED.",
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


@strawberry.type(description="What is pushed, over graphql-transport-ws.")
class Subscription:
    plan_ready = strawberry.subscription(
        resolver=subscriptions.plan_ready,
        graphql_type=PlanReadyEvent,
        description="Each routine of this person that becomes READY or FAILED. after = the last event id seen: nothing in "
        "between is lost.",
    )


def build_schema() -> FirstlightSchema:
    """The whole contract, ready to run operations. Takes a tenth of a second: build it once a process."""
    return FirstlightSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=FAILURES,
        extensions=[HoldToRules],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
