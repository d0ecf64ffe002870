"""Plans as they lie in the database, and the domain's own made of them.

A stored plan reads like the domain's: each class has the attributes of its namesake, with the same values. A plan that is only
shown is one of these, made of the text of its document: that takes less time than to make dicts of it, and a seventh of the time
of the domain's own. Documents from before a field was added read as if it were empty.
"""

from datetime import UTC, datetime
from typing import cast

import msgspec

from services.domain.health import DataSource
from services.domain.routine import (
    EnergyZone,
    Evidence,
    EvidenceKind,
    ModelUsage,
    Plan,
    PlanCheck,
    Planner,
    Priority,
    RoutineChange,
    TaskStatus,
    TaskType,
    TimeBlock,
)
from services.store.plan_document import Document

UNREAD = datetime.max.replace(tzinfo=UTC)


class StoredEvidence(msgspec.Struct):
    """`as_of` is not part of a document: it is the moment at which that is read."""

    kind: EvidenceKind
    type: str
    value: str
    unit: str | None
    measured_at: datetime
    source: DataSource
    as_of: datetime = UNREAD

    age_seconds = Evidence.age_seconds


class StoredTask(msgspec.Struct):
    id: str
    title: str
    description: str
    type: TaskType
    priority: Priority
    start_time: datetime
    end_time: datetime
    evidence: tuple[StoredEvidence, ...]
    status: TaskStatus
    key: str | None = None


class StoredBlock(msgspec.Struct):
    id: str
    title: str
    energy_zone: EnergyZone
    start_time: datetime
    end_time: datetime
    purpose: str
    why_it_matters: str | None
    tasks: tuple[StoredTask, ...]
    locked: bool

    def read_at(self, as_of: datetime) -> None:
        """Ages in it are counted up to this moment."""
        for task in self.tasks:
            for evidence in task.evidence:
                evidence.as_of = as_of


class StoredPlan(msgspec.Struct):
    planner: Planner
    summary: str
    time_blocks: tuple[StoredBlock, ...]
    checks: tuple[PlanCheck, ...]
    inputs_hash: str
    safety_notice: str | None = None
    changes: tuple[RoutineChange, ...] = ()
    model: str | None = None
    usage: ModelUsage | None = None

    tasks = Plan.tasks

    def read_at(self, as_of: datetime) -> None:
        """As `StoredBlock.read_at`."""
        for block in self.time_blocks:
            block.read_at(as_of)


def load_plan(stored: Document, as_of: datetime) -> Plan:
    """The plan that `dump_plan` made this of."""
    plan = msgspec.convert(stored, StoredPlan)
    plan.read_at(as_of)
    return msgspec.convert(plan, Plan, from_attributes=True)


def load_block(stored: Document, as_of: datetime) -> TimeBlock:
    """The block that `dump_block` made this of."""
    block = msgspec.convert(stored, StoredBlock)
    block.read_at(as_of)
    return msgspec.convert(block, TimeBlock, from_attributes=True)


def view_plan(text: str, as_of: datetime) -> Plan:
    """As `load_plan`, of the document's text, for whoever reads parts of it, and compares or changes nothing."""
    plan = msgspec.json.decode(text, type=StoredPlan)
    plan.read_at(as_of)
    return cast("Plan", plan)
