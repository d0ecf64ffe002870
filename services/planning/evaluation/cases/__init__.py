"""The fixed set of cases, by what they are about."""

from services.planning.evaluation.case import Case
from services.planning.evaluation.cases.again import again
from services.planning.evaluation.cases.lives import lives
from services.planning.evaluation.cases.readings import readings
from services.planning.evaluation.cases.safety import safety
from services.planning.evaluation.cases.wishes import wishes


def all_cases() -> tuple[Case, ...]:
    """Every case, in a fixed order; ids are unique."""
    return (*safety(), *readings(), *lives(), *wishes(), *again())
