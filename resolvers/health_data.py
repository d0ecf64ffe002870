"""A person's health data."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from resolvers.access import acting_for, admin
from resolvers.arguments import (
    RECORD_PAGE_LIMIT,
    AfterCursorArgument,
    CategoriesArgument,
    FirstRecordsArgument,
    FromArgument,
    PersonArgument,
    ToArgument,
    TypesArgument,
    mentioned,
    names,
    page_cursor,
    person_id,
    span,
    within,
)
from resolvers.context import Info
from services.domain.health import Biomarker, HealthSnapshot, ReadPolicy, Score
from services.domain.outcomes import RefreshSahhaResult
from services.domain.record_pages import RecordPage

PolicyArgument = Annotated[ReadPolicy, strawberry.argument(description="Whether Sahha is asked first.")]
ForceArgument = Annotated[bool, strawberry.argument(description="Fetch even what was read within the freshness window.")]


async def biomarkers(
    info: Info,
    user_id: PersonArgument,
    categories: CategoriesArgument = UNSET,
    types: TypesArgument = UNSET,
    from_: FromArgument = UNSET,
    to: ToArgument = UNSET,
    policy: PolicyArgument = ReadPolicy.LIVE_FIRST,
    first: FirstRecordsArgument = 200,
    after: AfterCursorArgument = UNSET,
) -> RecordPage[Biomarker]:
    person = acting_for(info, person_id(user_id))
    start, end = span(from_, to)
    return await info.context.services.health_data.biomarkers(
        person,
        categories=names(categories, "categories"),
        types=names(types, "types"),
        start=start,
        end=end,
        policy=policy,
        first=within(first, "first", 1, RECORD_PAGE_LIMIT),
        after=page_cursor(after),
        counted=mentioned(info, "totalCount"),
    )


async def scores(
    info: Info,
    user_id: PersonArgument,
    types: TypesArgument = UNSET,
    from_: FromArgument = UNSET,
    to: ToArgument = UNSET,
    policy: PolicyArgument = ReadPolicy.LIVE_FIRST,
    first: FirstRecordsArgument = 100,
    after: AfterCursorArgument = UNSET,
) -> RecordPage[Score]:
    person = acting_for(info, person_id(user_id))
    start, end = span(from_, to)
    return await info.context.services.health_data.scores(
        person,
        types=names(types, "types"),
        start=start,
        end=end,
        policy=policy,
        first=within(first, "first", 1, RECORD_PAGE_LIMIT),
        after=page_cursor(after),
        counted=mentioned(info, "totalCount"),
    )


async def health_snapshot(info: Info, user_id: PersonArgument, policy: PolicyArgument = ReadPolicy.LIVE_FIRST) -> HealthSnapshot:
    person = acting_for(info, person_id(user_id))
    return await info.context.services.health_data.snapshot(person, policy)


async def refresh_sahha(info: Info, user_id: PersonArgument, force: ForceArgument = False) -> RefreshSahhaResult:  # noqa: FBT002 - the contract's argument
    admin(info)
    person = acting_for(info, person_id(user_id))
    info.context.services.rate_limits.work(person)
    return await info.context.services.health_data.refresh(person, force=force)
