"""A case and what is expected of the plan for it."""

from collections.abc import Callable
from dataclasses import dataclass

from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay

Holds = Callable[[PlannedDay], bool]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`name` says in a few words what has to hold."""

    name: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class Case:
    """`source` says where the number or the demand behind it comes from (planning-rules.md, reliability.md, or ours)."""

    id: str
    about: str
    source: str
    inputs: PlanInputs
    expected: tuple[Expectation, ...]
