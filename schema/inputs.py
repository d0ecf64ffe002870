"""Inputs: shapes, and how each becomes a command of the domain."""

import datetime as dt
from typing import TypeVar

import strawberry

from schema.enums import Archetype, Condition, TaskType
from services.domain.daily_routine import DEFAULT_LEAD, DailyRoutineOrder
from services.domain.ids import UserId
from services.domain.routine import FixedEvent, Preferences, RoutineRequest

T = TypeVar("T")


def given(value: T | None) -> T | None:
    """The value; `None` for null and for left out, which mean the same in every input here."""
    return None if value is strawberry.UNSET else value


@strawberry.input(description="Something the person has to be at. An end before the start is on the next day.")
class FixedEventInput:
    title: str = strawberry.field(description="What it is called in the plan.")
    start_time: dt.time = strawberry.field(description="When it begins, on the person's clock.")
    end_time: dt.time = strawberry.field(description="When it ends, on the person's clock.")

    def to_command(self) -> FixedEvent:
        return FixedEvent(self.title, self.start_time, self.end_time)


@strawberry.input(description="How the person's day is framed. What is left out is read from their habits, else a default.")
class RoutinePreferencesInput:
    wake_time: dt.time | None = strawberry.field(default=strawberry.UNSET, description="When the person gets up.")
    sleep_time: dt.time | None = strawberry.field(
        default=strawberry.UNSET,
        description="When the person goes to sleep; before wakeTime: after midnight. Not the same as wakeTime.",
    )
    work_start: dt.time | None = strawberry.field(default=strawberry.UNSET, description="When work begins; goes with workEnd.")
    work_end: dt.time | None = strawberry.field(default=strawberry.UNSET, description="When work ends; goes with workStart.")
    fixed_events: list[FixedEventInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What the plan has to go around; at most 50. They may not overlap."
    )
    avoid_task_types: list[TaskType] | None = strawberry.field(
        default=strawberry.UNSET, description="Kinds of tasks that the person does not want today; at most 100."
    )
    goal: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Free text, at most 500 characters; blank: none. Treated as data, never as instructions to the model.",
    )

    def to_command(self) -> Preferences:
        return Preferences(
            wake_time=given(self.wake_time),
            sleep_time=given(self.sleep_time),
            work_start=given(self.work_start),
            work_end=given(self.work_end),
            fixed_events=tuple(event.to_command() for event in given(self.fixed_events) or ()),
            avoid_task_types=tuple(given(self.avoid_task_types) or ()),
            goal=given(self.goal),
        )


@strawberry.input(description="Whose day to plan, and how.")
class GenerateRoutineInput:
    user_id: strawberry.ID = strawberry.field(
        description="The person's externalId at Sahha: 1 to 128 characters, compared exactly."
    )
    archetype: Archetype = strawberry.field(description="How the person wants to be led.")
    preferences: RoutinePreferencesInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="Left out: those of the person's daily routine; without one, their habits as read from the data.",
    )
    timezone: str = strawberry.field(
        description="IANA name, e.g. America/New_York. An unknown zone is an InvalidInput, never a guess."
    )
    date: dt.date | None = strawberry.field(
        default=strawberry.UNSET,
        description="Defaults to today in that zone, or to tomorrow when less than 30 minutes of today are left before sleep. "
        "Not in the past; up to 366 days ahead.",
    )
    condition: Condition = strawberry.field(default=Condition.WELL, description="How the person says they are.")
    auto_replan: bool = strawberry.field(
        default=False,
        description="When new readings change today's picture, what is left of the day is planned again and announced on "
        "planReady.",
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="1 to 128 characters. Same key and same input: the same routine. Same key, other input: "
        "IdempotencyKeyReused.",
    )

    def to_command(self) -> RoutineRequest:
        return RoutineRequest(
            user_id=UserId(self.user_id),
            archetype=self.archetype,
            timezone=self.timezone,
            date=given(self.date),
            preferences=self.preferences.to_command() if self.preferences else None,
            condition=self.condition,
            auto_replan=self.auto_replan,
            idempotency_key=given(self.idempotency_key),
        )


@strawberry.input(description="A routine every morning: for whom, and how.")
class DailyRoutineInput:
    user_id: strawberry.ID = strawberry.field(
        description="The person's externalId at Sahha: 1 to 128 characters, compared exactly."
    )
    archetype: Archetype = strawberry.field(description="How the person wants to be led.")
    preferences: RoutinePreferencesInput | None = strawberry.field(
        default=strawberry.UNSET, description="Left out: the person's habits as read from the data."
    )
    timezone: str = strawberry.field(
        description="IANA name, e.g. America/New_York. An unknown zone is an InvalidInput, never a guess."
    )
    lead_minutes: int = strawberry.field(
        default=DEFAULT_LEAD, description="Minutes before the person's wake time at which the plan is made; 5 to 240."
    )

    def to_command(self) -> DailyRoutineOrder:
        return DailyRoutineOrder(
            user_id=UserId(self.user_id),
            archetype=self.archetype,
            timezone=self.timezone,
            preferences=self.preferences.to_command() if self.preferences else Preferences(),
            lead_minutes=self.lead_minutes,
        )
