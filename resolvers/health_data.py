"""A person's health data."""

from typing import Annotated

import strawberry

from resolvers.access import acting_for, admin
from resolvers.arguments import PersonArgument, person_id
from resolvers.context import Info
from services.domain.health import HealthSnapshot, ReadPolicy
from services.domain.outcomes import RefreshSahhaResult

PolicyArgument = Annotated[ReadPolicy, strawberry.argument(description="Whether Sahha is asked first.")]
ForceArgument = Annotated[bool, strawberry.argument(description="Fetch even what was read within the freshness window.")]


async def health_snapshot(info: Info, user_id: PersonArgument, policy: PolicyArgument = ReadPolicy.LIVE_FIRST) -> HealthSnapshot:
    person = acting_for(info, person_id(user_id))
    return await info.context.services.health_data.snapshot(person, policy)


async def refresh_sahha(info: Info, user_id: PersonArgument, force: ForceArgument = False) -> RefreshSahhaResult:  # noqa: FBT002 - the contract's argument
    admin(info)
    return await info.context.services.health_data.refresh(person_id(user_id), force=force)
