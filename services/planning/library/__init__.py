"""The task library: what a planner chooses from. Each key and each title stands for one entry."""

from services.planning.library.care import CARE
from services.planning.library.meals import MEALS
from services.planning.library.mind import MIND
from services.planning.library.movement import MOVEMENT
from services.planning.library.people import PEOPLE
from services.planning.library.rest import REST

LIBRARY = (*MEALS, *MOVEMENT, *MIND, *REST, *CARE, *PEOPLE)

__all__ = ["LIBRARY"]
