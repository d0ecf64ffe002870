"""Arguments as the contract describes them, and their checks.

A scalar refuses what it cannot mean before a resolver runs. What is left, bounds and text that no store can hold, is refused here
with `BadUserInput` naming the argument.
"""

import datetime as dt
import re
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from resolvers.context import Info
from services.domain.ids import EventId, HeldJobId, RoutineId, UserId
from services.domain.routine import TaskStatus
from services.errors import BadUserInput

USER_ID_LENGTH = 128
CURSOR_LENGTH = 2048
PAGE_LIMIT = 100
RECORD_PAGE_LIMIT = 500
LIST_LIMIT = 100
NAME_LENGTH = 100
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Of instants that are asked for: no record is older, and every one of them has a UTC."""
WAIT_LIMIT_S = 120
JOB_RUN_LIMIT = 100

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
EVENT_ID = re.compile(r"\d{1,18}", re.ASCII)

PersonArgument: TypeAlias = Annotated[
    strawberry.ID,
    strawberry.argument(description="The person's externalId at Sahha: 1 to 128 characters, compared exactly."),
]
RoutineArgument: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="The routine's id.")]
JobArgument: TypeAlias = Annotated[
    strawberry.ID, strawberry.argument(description="The job's id, such as sahha_refresh_active_users.")
]
HeldJobArgument: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="The held job's id, as heldJobs tells it.")]
TaskArgument: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="The task's id.")]
TaskStatusArgument: TypeAlias = Annotated[TaskStatus, strawberry.argument(description="What became of it.")]
KeyArgument: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="1 to 128 characters. Same key and same routine: the same answer. Same key, other routine: "
        "IdempotencyKeyReused."
    ),
]
FirstArgument: TypeAlias = Annotated[int, strawberry.argument(description=f"How many at most; 1 to {PAGE_LIMIT}.")]
FirstRecordsArgument: TypeAlias = Annotated[int, strawberry.argument(description=f"How many at most; 1 to {RECORD_PAGE_LIMIT}.")]
CategoriesArgument: TypeAlias = Annotated[
    list[str] | None,
    strawberry.argument(
        description=f"Only Sahha's categories of these names, such as sleep; at most {LIST_LIMIT}. Left out: all; empty: none."
    ),
]
TypesArgument: TypeAlias = Annotated[
    list[str] | None,
    strawberry.argument(description=f"Only Sahha's types of these names; at most {LIST_LIMIT}. Left out: all; empty: none."),
]
FromArgument: TypeAlias = Annotated[
    dt.datetime | None,
    strawberry.argument(
        name="from",
        description="Only what was still going on at this instant or later. Left out: the 7 days before `to`; without `to`, the "
        "last 7 of the person's local days.",
    ),
]
ToArgument: TypeAlias = Annotated[
    dt.datetime | None, strawberry.argument(description="Only what began before this instant. Left out: up to now.")
]
RunsArgument: TypeAlias = Annotated[
    int, strawberry.argument(description=f"How many runs at most, the newest first; 1 to {JOB_RUN_LIMIT}.")
]
AfterCursorArgument: TypeAlias = Annotated[
    str | None, strawberry.argument(description="The endCursor of the page before; left out for the first page.")
]
AfterEventArgument: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The last event id seen, or the cursor of an acknowledgement; left out: only what is still to come. Events "
        "are kept for 72 hours; an older id gets CURSOR_EXPIRED."
    ),
]
WaitArgument: TypeAlias = Annotated[
    int, strawberry.argument(description=f"Seconds to wait until the routine is READY or FAILED; 0 to {WAIT_LIMIT_S}.")
]


def storable(value: str, *field: str, longest: int) -> str:
    """The text, when it holds 1 to `longest` characters, none of them NUL or half of a surrogate pair."""
    name = ".".join(field)
    if not 1 <= len(value) <= longest:
        raise BadUserInput(f"{name} must have 1 to {longest} characters.", field)
    if UNSTORABLE.search(value):
        raise BadUserInput(f"{name} holds a character that cannot be stored.", field)
    return value


def mentioned(info: Info, field: str) -> bool:
    """False where the document holds no such name anywhere: nobody can be asking for the field."""
    return info.query is None or field in info.query


def names(values: list[str] | None, field: str) -> tuple[str, ...] | None:
    """The names to look for; `None` for null and for left out: whatever there is."""
    if not isinstance(values, list):
        return None
    if len(values) > LIST_LIMIT:
        raise BadUserInput(f"{field} must have at most {LIST_LIMIT} entries.", (field,))
    return tuple(storable(value, field, str(index), longest=NAME_LENGTH) for index, value in enumerate(values))


def moment(value: dt.datetime | None, field: str) -> dt.datetime | None:
    """`None` for null and for left out."""
    if not isinstance(value, dt.datetime):
        return None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise BadUserInput(f"{field} must be in the years from {FIRST_YEAR} to {LAST_YEAR}.", (field,))
    return value


def person_id(value: str) -> UserId:
    return UserId(storable(value, "userId", longest=USER_ID_LENGTH))


def span(start: dt.datetime | None, end: dt.datetime | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The bounds `from` and `to`, in their order."""
    first, last = moment(start, "from"), moment(end, "to")
    if first is not None and last is not None and last < first:
        raise BadUserInput("to must not be before from.", ("to",))
    return first, last


def known_as_routine(value: str, field: str = "id") -> RoutineId | None:
    """`None` for text that is no routine's id: the same answer as for a routine that does not exist."""
    storable(value, field, longest=USER_ID_LENGTH)
    try:
        parsed = UUID(value)
    except ValueError:
        return None
    return RoutineId(parsed) if str(parsed) == value.lower() else None


def known_as_held_job(value: str) -> HeldJobId | None:
    """As `known_as_routine`."""
    storable(value, "id", longest=USER_ID_LENGTH)
    return HeldJobId(int(value)) if EVENT_ID.fullmatch(value) else None


def event_id(value: str | None) -> EventId | None:
    """`None` for null and for left out."""
    if not isinstance(value, str):
        return None
    if not EVENT_ID.fullmatch(value):
        raise BadUserInput("after must be an event id or a cursor of an acknowledgement.", ("after",))
    return EventId(int(value))


def page_cursor(value: str | None) -> str | None:
    """`None` for null and for left out."""
    return storable(value, "after", longest=CURSOR_LENGTH) if isinstance(value, str) else None


def within(value: int, field: str, lowest: int, highest: int) -> int:
    """The number, when it is from `lowest` to `highest`."""
    if not lowest <= value <= highest:
        raise BadUserInput(f"{field} must be from {lowest} to {highest}.", (field,))
    return value
