"""Identifiers: one type each, so that the type checker refuses a mix-up."""

from typing import NewType
from uuid import UUID

UserId = NewType("UserId", str)
"""A person's externalId at Sahha: 1 to 128 characters, compared exactly."""

RoutineId = NewType("RoutineId", UUID)
"""UUIDv4: cannot be guessed."""

EventId = NewType("EventId", int)
"""The n-th event of one person, counted from 1 in commit order. It is the event's id, the `cursor` of an acknowledgement and
what every `after` means."""

JobRunId = NewType("JobRunId", UUID)

HeldJobId = NewType("HeldJobId", int)
"""The number of a durable job in the queue."""
