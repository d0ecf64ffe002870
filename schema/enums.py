"""The domain's enums with their public descriptions. The enums themselves stay free of GraphQL; types take them from here."""

from enum import Enum
from typing import Any, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from services.domain.health import DataSource, DataState, ReadPolicy
from services.domain.job_runs import JobRunStatus, SchedulerHealth
from services.domain.routine import (
    Archetype,
    ChangeKind,
    CheckVerdict,
    Condition,
    EnergyZone,
    EvidenceKind,
    Planner,
    Priority,
    RoutineStatus,
    TaskStatus,
    TaskType,
)

__all__ = [
    "Archetype",
    "ChangeKind",
    "CheckVerdict",
    "Condition",
    "DataSource",
    "DataState",
    "EnergyZone",
    "EvidenceKind",
    "JobRunStatus",
    "Planner",
    "Priority",
    "ReadPolicy",
    "RoutineStatus",
    "SchedulerHealth",
    "TaskStatus",
    "TaskType",
]


def _publish(enum: type[Enum], description: str, **values: str) -> None:
    """Register a domain enum, each value with its description. Raises `KeyError` for a value without one."""
    published = strawberry.enum(enum, description=description)
    definition: StrawberryEnumDefinition = cast("Any", published).__strawberry_definition__
    for value in definition.values:
        value.description = values[value.name]


_publish(
    Archetype,
    "How a person wants to be led. Sahha's own archetypes are other things: labels of behaviour.",
    FOUNDATION_BUILDER="Few and simple tasks: first habits that last.",
    TRANSFORMATION_SEEKER="Wants to change much, soon, and is willing to work for it.",
    SYSTEMATIC_IMPROVER="Small steady steps, measured.",
    PEAK_PERFORMER="Already fit; looks for the last few percent.",
    RESILIENCE_REBUILDER="Recovering: rest first, load with care.",
    CONNECTED_EXPLORER="Keeps at it best with other people and with variety.",
)
_publish(
    Condition,
    "How the person says they are today. SICK and INJURED days hold no hard effort, whatever the readings say.",
    WELL="As usual.",
    TIRED="Short of energy.",
    SICK="Ill: no effort, gentle wording.",
    INJURED="Hurt: no effort, gentle wording.",
)
_publish(
    DataSource,
    "Where a value, or a whole read, came from. A single value is LIVE or DATABASE.",
    LIVE="Sahha answered.",
    DATABASE="Sahha failed or was not asked: our own copy.",
    MIXED="On a whole read only: some categories came live, the others from the database.",
)
_publish(
    ReadPolicy,
    "Where a read begins.",
    LIVE_FIRST="Asks Sahha and falls back to the database.",
    DATABASE="Never calls Sahha.",
)
_publish(
    DataState,
    "How whole and how fresh a person's data is: four different things that an empty list would hide, and COMPLETE.",
    COMPLETE="Every category expected of this person is fresh.",
    PARTIAL="Some categories are missing or old.",
    SYNCING="Last night is still arriving.",
    STALE="Nothing new for longer than the freshness bound.",
    NONE="Nothing has ever arrived.",
)
_publish(
    RoutineStatus,
    "Where a routine stands. READY, FAILED and CANCELLED are final.",
    QUEUED="Acknowledged and durable; no worker has begun.",
    FETCHING="Health data is being read.",
    PLANNING="The plan is being made and verified.",
    READY="The plan stands.",
    FAILED="No plan could be made; `failure` says why.",
    CANCELLED="Called off before it was ready.",
)
_publish(
    Planner,
    "Which planner wrote a plan.",
    RULES="The deterministic planner: named rules with sources.",
    OPENAI="A language model, within the frame that the rules set and verify.",
)
_publish(
    EnergyZone,
    "What a block of the day asks of the body.",
    PEAK="The hours of most energy.",
    MAINTENANCE="Steady, light demand.",
    RECOVERY="Winding down and rest.",
)
_publish(
    TaskType,
    "What kind of thing a task is.",
    EXERCISE="Movement and training.",
    NUTRITION="Eating and drinking.",
    WORK="Work, and the person's fixed events.",
    FOCUS="Concentrated work without interruption.",
    RECOVERY="Rest and sleep.",
    WELLNESS="Light, breath, mind.",
    SOCIAL="Other people.",
)
_publish(
    Priority,
    "What to keep when the day gets short.",
    HIGH="Keep it.",
    MEDIUM="Keep it if there is room.",
    LOW="The first to drop.",
)
_publish(
    TaskStatus,
    "What became of a task.",
    PENDING="Not yet done.",
    DONE="Done.",
    SKIPPED="Left out by the person.",
)
_publish(
    CheckVerdict,
    "What the verifier found for one rule.",
    PASSED="The plan kept the rule as made.",
    REPAIRED="The plan broke the rule and was changed until it kept it.",
    NOT_APPLICABLE="Nothing in this plan or this data calls for the rule.",
)
_publish(
    ChangeKind,
    "What a replan did to a task.",
    ADDED="It is new.",
    MOVED="It is at another time.",
    REMOVED="It is gone.",
    REWRITTEN="It is at its time, in other words or of another length.",
)
_publish(
    EvidenceKind,
    "What kind of stored value a task rests on.",
    BIOMARKER="A measured value.",
    SCORE="A score of a day, 0 to 1.",
    FACTOR="One factor of a score.",
)
_publish(
    JobRunStatus,
    "How a run of a job stands.",
    RUNNING="Not finished yet.",
    SUCCEEDED="Finished; `detail` says what was done.",
    FAILED="Ended by an error; `detail` says which.",
    TIMED_OUT="Ended at its deadline.",
)
_publish(
    SchedulerHealth,
    "How the scheduler is. Nothing due and nobody running are never the same answer.",
    RUNNING="Jobs are fired when they are due.",
    STANDBY="Another replica leads.",
    STALLED="No heartbeat in time.",
    OFF="Switched off by setting.",
)
