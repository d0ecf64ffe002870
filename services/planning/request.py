"""A request for a routine, checked before anything is stored; each message says what to change and repeats no value."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.domain.problems import InvalidInput
from services.domain.routine import FixedEvent, Preferences, RoutineRequest
from services.domain.schedule import DAY_MINUTES, UnknownTimezone, local_date, local_day, minute_of_day, zone
from services.planning.hours import asked_hours

MOST_DAYS_AHEAD = 366
MOST_EVENTS = 50
MOST_KINDS = 100
LONGEST_TITLE = 120
LONGEST_GOAL = 500
LONGEST_USER_ID = 128
LONGEST_KEY = 128
TOO_LATE = timedelta(minutes=30)
"""With less of today left before sleep a plan is made for tomorrow."""

PREFERENCES = ("input", "preferences")


def default_date(now: datetime, tz: ZoneInfo, preferences: Preferences) -> date:
    """Today in that zone; tomorrow when less than 30 minutes of today are left before sleep."""
    today = local_date(now, tz)
    wake, sleep = asked_hours(preferences)
    waking_day = local_day(today, tz, wake, sleep)
    return today if waking_day.end - now >= TOO_LATE else today + timedelta(days=1)


def validate_request(request: RoutineRequest, now: datetime) -> InvalidInput | None:
    """The first thing that the caller has to change, or `None`."""
    return next(_problems(request, now), None)


def _problems(request: RoutineRequest, now: datetime) -> Iterator[InvalidInput]:
    """In the order of the public input's fields; texts before what is computed from them."""
    yield from _text(request.user_id, "userId", ("input", "userId"), LONGEST_USER_ID)
    yield from _text(request.timezone, "timezone", ("input", "timezone"), LONGEST_TITLE)
    if request.idempotency_key is not None:
        yield from _text(request.idempotency_key, "idempotencyKey", ("input", "idempotencyKey"), LONGEST_KEY)
    preferences = request.preferences or Preferences()
    yield from _clock_problems(preferences)
    yield from _event_problems(preferences.fixed_events)
    yield from _wish_problems(preferences)
    try:
        tz = zone(request.timezone)
    except UnknownTimezone:
        yield _invalid(("input", "timezone"), "timezone is not a known IANA name: send one such as America/New_York.")
        return
    yield from _date_problems(request.date, local_date(now, tz))


def _text(value: str, name: str, field: tuple[str, ...], longest: int) -> Iterator[InvalidInput]:
    if not value.strip():
        yield _invalid(field, f"{name} is empty: send at least one character.")
    else:
        yield from _characters(value, name, field, longest)


def _characters(value: str, name: str, field: tuple[str, ...], longest: int) -> Iterator[InvalidInput]:
    if len(value) > longest:
        yield _invalid(field, f"{name} is too long: send at most {longest} characters.")
    elif any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        yield _invalid(field, f"{name} holds a character that cannot be stored (NUL or half of a surrogate pair): remove it.")


def _clock_problems(preferences: Preferences) -> Iterator[InvalidInput]:
    if preferences.wake_time is not None and preferences.wake_time == preferences.sleep_time:
        yield _invalid((*PREFERENCES, "sleepTime"), "sleepTime equals wakeTime: send two different times.")
    if preferences.work_start is None and preferences.work_end is not None:
        yield _invalid((*PREFERENCES, "workStart"), "workEnd is set and workStart is not: send both or neither.")
    if preferences.work_start is not None and preferences.work_end is None:
        yield _invalid((*PREFERENCES, "workEnd"), "workStart is set and workEnd is not: send both or neither.")
    if preferences.work_start is not None and preferences.work_start == preferences.work_end:
        yield _invalid((*PREFERENCES, "workEnd"), "workEnd equals workStart: send two different times.")


def _event_problems(events: tuple[FixedEvent, ...]) -> Iterator[InvalidInput]:
    field = (*PREFERENCES, "fixedEvents")
    if len(events) > MOST_EVENTS:
        yield _invalid(field, f"fixedEvents holds too many entries: send at most {MOST_EVENTS}.")
        return
    for index, event in enumerate(events):
        yield from _text(event.title, "title", (*field, str(index), "title"), LONGEST_TITLE)
        if event.start_time == event.end_time:
            yield _invalid((*field, str(index)), "endTime equals startTime: send two different times.")
        elif any(_overlap(event, earlier) for earlier in events[:index]):
            yield _invalid(
                (*field, str(index)), "this event overlaps with an earlier one of the list: move or remove one of them."
            )


def _wish_problems(preferences: Preferences) -> Iterator[InvalidInput]:
    """A blank goal is none."""
    if len(preferences.avoid_task_types) > MOST_KINDS:
        yield _invalid((*PREFERENCES, "avoidTaskTypes"), f"avoidTaskTypes holds too many entries: send at most {MOST_KINDS}.")
    yield from _characters(preferences.goal or "", "goal", (*PREFERENCES, "goal"), LONGEST_GOAL)


def _overlap(one: FixedEvent, other: FixedEvent) -> bool:
    """Whether two daily events share a minute, around midnight too."""
    first, second = minute_of_day(one.start_time), minute_of_day(other.start_time)
    return (second - first) % DAY_MINUTES < _length(one) or (first - second) % DAY_MINUTES < _length(other)


def _length(event: FixedEvent) -> int:
    return (minute_of_day(event.end_time) - minute_of_day(event.start_time)) % DAY_MINUTES


def _date_problems(day: date | None, today: date) -> Iterator[InvalidInput]:
    if day is not None and day < today:
        yield _invalid(("input", "date"), "date is in the past in that time zone: send today or a later day.")
    if day is not None and day > today + timedelta(days=MOST_DAYS_AHEAD):
        yield _invalid(("input", "date"), f"date is too far ahead: send one within {MOST_DAYS_AHEAD} days.")


def _invalid(field: tuple[str, ...], message: str) -> InvalidInput:
    return InvalidInput(message=message, field=field)
