"""What the library knows of a task: what it asks of a person, when it fits and when it must not be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from enum import Enum, IntEnum

from services.domain.routine import Archetype, Condition, TaskType
from services.planning.facts import FactKey
from services.planning.goals import Goal
from services.planning.recovery import Need


class Effort(IntEnum):
    """Bodily effort, in order."""

    NONE = 0
    LIGHT = 1
    MODERATE = 2
    HARD = 3


class Caffeine(Enum):
    """Rules caf.coffee and caf.pre."""

    NONE = "none"
    COFFEE = "coffee"
    PRE_WORKOUT = "pre-workout drink"


class Place(Enum):
    """Where in the day a task can be: in working hours only, out of them only, or wherever."""

    WORK = "WORK"
    FREE = "FREE"
    ANY = "ANY"


class Contra(Enum):
    """When a task must not be, whatever else speaks for it. LATE: in the last two hours before lights out."""

    SICK = "SICK"
    INJURED = "INJURED"
    LOW_READINESS = "LOW_READINESS"
    LATE = "LATE"


class Anchor(Enum):
    """What a window is counted from.

    Minutes from waking, minutes before lights out, hundredths of the waking day, or minutes from a meal's end.
    """

    WAKE = "WAKE"
    LIGHTS_OUT = "LIGHTS_OUT"
    DAY = "DAY"
    AFTER_MEAL = "AFTER_MEAL"


@dataclass(frozen=True, slots=True)
class Window:
    """When a task may start (before lights out: end), and when it is best. `earliest` <= `ideal` <= `latest` in time.

    `meal` is the role of the meal that AFTER_MEAL counts from the end of.
    """

    anchor: Anchor
    earliest: int
    ideal: int
    latest: int
    meal: str | None = None


@dataclass(frozen=True, slots=True)
class Hours24:
    """Wall-clock hours that a task has to lie in, whatever a person's rhythm: daylight, other people's waking hours."""

    start: time
    end: time


DAYLIGHT = Hours24(time(7), time(18))
SOCIABLE = Hours24(time(9), time(21))
OPEN = Hours24(time(9), time(18))
"""When a shop, a market or an office answers."""


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """One entry. `text` holds no number that is not its own; `{minutes}` in it becomes the task's own duration.

    `minutes` are the least and the most, multiples of 5. `role`: of tasks with the same role a day holds one. `facts` are what
    its choice can rest on, the most telling first. `rules` are those it follows and whose numbers its text may quote. `goals` are
    those of a person's own that it serves.

    `off_hours` is the title where the wall clock makes the usual one odd (breakfast at 16:00). `anchor` tasks are chosen before
    all others. One that is `only_for` a need never comes without it, one that is for `conditions` only on such days. `impact`
    says that it loads the joints. `contra` adds to what `against` reads from type and effort.
    """

    key: str
    title: str
    text: str
    type: TaskType
    minutes: tuple[int, int]
    window: Window
    weights: Mapping[Archetype, float]
    effort: Effort = Effort.NONE
    facts: tuple[FactKey, ...] = ()
    role: str | None = None
    rules: tuple[str, ...] = ()
    suits: frozenset[Need] = frozenset()
    goals: frozenset[Goal] = frozenset()
    place: Place = Place.ANY
    hours: Hours24 | None = None
    caffeine: Caffeine = Caffeine.NONE
    meal: bool = False
    impact: bool = False
    anchor: bool = False
    only_for: Need | None = None
    conditions: frozenset[Condition] = frozenset()
    contra: frozenset[Contra] = frozenset()
    off_hours: str | None = None
    usual_hours: Hours24 | None = None

    @property
    def demanding(self) -> bool:
        """What rule load counts: bodily effort, or focus over 20 minutes."""
        focused = self.type in {TaskType.FOCUS, TaskType.WORK} and self.minutes[0] > 20
        return self.effort >= Effort.MODERATE or focused

    @property
    def against(self) -> frozenset[Contra]:
        """All that speaks against it. Exercise, work and focus are nothing for a sick person, load nothing for an injury."""
        found = set(self.contra)
        moving = self.effort > Effort.NONE or self.type is TaskType.EXERCISE
        if moving or self.type in {TaskType.FOCUS, TaskType.WORK}:
            found.add(Contra.SICK)
        if moving or self.impact:
            found.add(Contra.INJURED)
        if self.effort is Effort.HARD:
            found.add(Contra.LOW_READINESS)
        if self.demanding:
            found.add(Contra.LATE)
        return frozenset(found - {Contra(condition.value) for condition in self.conditions if condition in UNWELL})


UNWELL = frozenset({Condition.SICK, Condition.INJURED})

ARCHETYPES = (
    Archetype.FOUNDATION_BUILDER,
    Archetype.TRANSFORMATION_SEEKER,
    Archetype.SYSTEMATIC_IMPROVER,
    Archetype.PEAK_PERFORMER,
    Archetype.RESILIENCE_REBUILDER,
    Archetype.CONNECTED_EXPLORER,
)


def weights(*values: float) -> Mapping[Archetype, float]:
    """Weights 0 to 1 in the order of `ARCHETYPES`: foundation, transformation, systematic, peak, resilience, connected."""
    return dict(zip(ARCHETYPES, values, strict=True))


ALL = weights(1, 1, 1, 1, 1, 1)


def after_waking(earliest: int, ideal: int, latest: int) -> Window:
    return Window(Anchor.WAKE, earliest, ideal, latest)


def before_lights_out(earliest: int, ideal: int, latest: int) -> Window:
    """Minutes before lights out at which the task ends."""
    return Window(Anchor.LIGHTS_OUT, earliest, ideal, latest)


def in_day(earliest: int, ideal: int, latest: int) -> Window:
    """Hundredths of the time from waking to lights out."""
    return Window(Anchor.DAY, earliest, ideal, latest)


def after_meal(role: str, latest: int) -> Window:
    """Minutes after the end of the day's meal of that role; without it, never."""
    return Window(Anchor.AFTER_MEAL, 0, 0, latest, role)
