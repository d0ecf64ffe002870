"""Running the cases against whatever makes plans."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from services.planning.evaluation.case import Case
from services.planning.evaluation.expectations import ALWAYS
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan
from services.planning.verifier import UnrepairablePlanError

PlanMaker = Callable[[PlanInputs], Awaitable[PlannedDay]]
"""What is judged: the draft, or a writer with a model of some temper behind it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case came out. `unmet` are the names of the expectations that did not hold; `error` says why there is no plan."""

    case: Case
    unmet: tuple[str, ...]
    error: str | None = None

    @property
    def met(self) -> bool:
        return not self.unmet and self.error is None


async def drafted(inputs: PlanInputs) -> PlannedDay:
    """The draft as a `PlanMaker`."""
    return make_plan(inputs)


async def evaluate(cases: Iterable[Case], make: PlanMaker = drafted) -> tuple[Outcome, ...]:
    """Each case once and in order. A plan that cannot be made is an outcome; anything else that is raised is a bug."""
    return tuple([await _outcome(case, make) for case in cases])


async def _outcome(case: Case, make: PlanMaker) -> Outcome:
    try:
        day = await make(case.inputs)
    except UnrepairablePlanError as error:
        return Outcome(case, (), str(error))
    unmet = [expectation.name for expectation in (*ALWAYS, *case.expected) if not expectation.holds(day)]
    return Outcome(case, tuple(unmet))
