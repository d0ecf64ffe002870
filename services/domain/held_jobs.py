"""Durable jobs that ended in a bug of ours and wait for an admin."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.ids import HeldJobId


@dataclass(frozen=True, slots=True)
class HeldJob:
    """`subject` is the id of the routine or person that the job is about, `reason` the type of the error. Database's clock."""

    id: HeldJobId
    kind: str
    subject: str
    reason: str | None
    attempts: int
    queued_at: datetime
    held_at: datetime
