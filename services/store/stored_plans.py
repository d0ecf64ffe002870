"""Plans as they lie in the database, and the domain's own made of them.

A stored plan reads like the domain's: each class has the attributes of its namesake, with the same values, and makes nothing of
the document before somebody asks for it. That is what a plan that is only shown is read by. Documents from before a field was
added read as if it were empty.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar, TypeVar, cast

from services.domain.health import DataSource
from services.domain.routine import (
    ChangeKind,
    CheckVerdict,
    EnergyZone,
    Evidence,
    EvidenceKind,
    ModelUsage,
    Plan,
    PlanCheck,
    Planner,
    Priority,
    RoutineChange,
    RoutineTask,
    TaskStatus,
    TaskType,
    TimeBlock,
)
from services.store.plan_document import Document, load_instant

E = TypeVar("E", bound=Enum)


def _by_value(enum: type[E]) -> Mapping[str, E]:
    """As `enum(value)`, in a tenth of the time: a plan holds hundreds of them."""
    return {member.value: member for member in enum}


VERDICTS, ZONES, PRIORITIES = _by_value(CheckVerdict), _by_value(EnergyZone), _by_value(Priority)
TYPES, STATUSES = _by_value(TaskType), _by_value(TaskStatus)
KINDS, SOURCES = _by_value(EvidenceKind), _by_value(DataSource)

_instant = lru_cache(maxsize=4096)(datetime.fromisoformat)
"""Remembered: most instants of a plan lie on a grid of 5 minutes."""


class Stored(dict[str, Any]):
    """A document, and the moment at which it is read."""

    __slots__ = ("as_of",)
    namesake: ClassVar[type]
    as_of: datetime

    def whole(self) -> Any:  # noqa: ANN401 - its namesake
        """The domain's own object, with everything in it."""
        return self.namesake(*[_whole(getattr(self, each.name)) for each in fields(self.namesake)])


S = TypeVar("S", bound=Stored)


def _each(kind: type[S], documents: list[Document], as_of: datetime) -> tuple[S, ...]:
    """Of every document one of these; a copy of its members takes a fraction of the time that a call of our own would."""
    made = tuple(map(kind, documents))
    for each in made:
        each.as_of = as_of
    return made


def _whole(value: object) -> object:
    return tuple([each.whole() if isinstance(each, Stored) else each for each in value]) if isinstance(value, tuple) else value


class StoredEvidence(Stored):
    __slots__ = ()
    namesake = Evidence

    kind = property(lambda stored: KINDS[stored["kind"]])
    type = property(itemgetter("type"))
    value = property(itemgetter("value"))
    unit = property(itemgetter("unit"))
    measured_at = property(lambda stored: _instant(stored["measured_at"]))
    source = property(lambda stored: SOURCES[stored["source"]])
    age_seconds = Evidence.age_seconds


class StoredTask(Stored):
    __slots__ = ()
    namesake = RoutineTask

    id = property(itemgetter("id"))
    title = property(itemgetter("title"))
    description = property(itemgetter("description"))
    type = property(lambda stored: TYPES[stored["type"]])
    priority = property(lambda stored: PRIORITIES[stored["priority"]])
    start_time = property(lambda stored: _instant(stored["start_time"]))
    end_time = property(lambda stored: _instant(stored["end_time"]))
    evidence = property(lambda stored: _each(StoredEvidence, stored["evidence"], stored.as_of))
    status = property(lambda stored: STATUSES[stored["status"]])
    key = property(lambda stored: stored.get("key"))


class StoredBlock(Stored):
    __slots__ = ()
    namesake = TimeBlock

    id = property(itemgetter("id"))
    title = property(itemgetter("title"))
    energy_zone = property(lambda stored: ZONES[stored["energy_zone"]])
    start_time = property(lambda stored: _instant(stored["start_time"]))
    end_time = property(lambda stored: _instant(stored["end_time"]))
    purpose = property(itemgetter("purpose"))
    why_it_matters = property(itemgetter("why_it_matters"))
    tasks = property(lambda stored: _each(StoredTask, stored["tasks"], stored.as_of))
    locked = property(itemgetter("locked"))


class StoredPlan(Stored):
    __slots__ = ()
    namesake = Plan

    planner = property(lambda stored: Planner(stored["planner"]))
    summary = property(itemgetter("summary"))
    time_blocks = property(lambda stored: _each(StoredBlock, stored["time_blocks"], stored.as_of))
    checks = property(lambda stored: tuple([_check(each) for each in stored["checks"]]))
    inputs_hash = property(itemgetter("inputs_hash"))
    safety_notice = property(lambda stored: stored.get("safety_notice"))
    changes = property(lambda stored: tuple([_change(each) for each in stored.get("changes", ())]))
    model = property(lambda stored: stored.get("model"))
    usage = property(lambda stored: ModelUsage(**stored["usage"]) if stored.get("usage") else None)
    tasks = Plan.tasks


def load_plan(stored: Document, as_of: datetime) -> Plan:
    """The plan that `dump_plan` made this of."""
    plan: Plan = _each(StoredPlan, [stored], as_of)[0].whole()
    return plan


def load_block(stored: Document, as_of: datetime) -> TimeBlock:
    """The block that `dump_block` made this of."""
    block: TimeBlock = _each(StoredBlock, [stored], as_of)[0].whole()
    return block


def view_plan(stored: Document, as_of: datetime) -> Plan:
    """As `load_plan`, for whoever reads parts of it, once, and compares or changes nothing."""
    return cast("Plan", _each(StoredPlan, [stored], as_of)[0])


def _check(stored: Document) -> PlanCheck:
    return PlanCheck(stored["rule"], VERDICTS[stored["verdict"]], stored["detail"], stored["citation"])


def _change(stored: Document) -> RoutineChange:
    return RoutineChange(
        kind=ChangeKind(stored["kind"]),
        task_id=stored["task_id"],
        task_title=stored["task_title"],
        moved_from=load_instant(stored["moved_from"]),
        moved_to=load_instant(stored["moved_to"]),
        because=stored["because"],
    )
