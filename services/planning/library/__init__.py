"""The task library: what a planner chooses from. Each key and each title stands for one entry."""

from services.planning.library.care import CARE
from services.planning.library.company import COMPANY
from services.planning.library.craft import CRAFT
from services.planning.library.evening import EVENING_REST
from services.planning.library.food import FOOD
from services.planning.library.habits import HABITS
from services.planning.library.meals import MEALS
from services.planning.library.mind import MIND
from services.planning.library.motion import MOTION
from services.planning.library.movement import MOVEMENT
from services.planning.library.people import PEOPLE
from services.planning.library.rest import REST
from services.planning.library.training import TRAINING
from services.planning.library.unwell import UNWELL_DAYS

LIBRARY = (
    *MEALS,
    *FOOD,
    *TRAINING,
    *MOVEMENT,
    *MOTION,
    *MIND,
    *CRAFT,
    *REST,
    *EVENING_REST,
    *CARE,
    *HABITS,
    *PEOPLE,
    *COMPANY,
    *UNWELL_DAYS,
)
BY_KEY = {template.key: template for template in LIBRARY}

__all__ = ["BY_KEY", "LIBRARY"]
