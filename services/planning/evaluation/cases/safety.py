"""Red flags, illness, injury, age, and words that call for care."""

from dataclasses import replace
from datetime import date, time

from services.domain.health import BehaviourLabel, DataSource
from services.domain.routine import Archetype, Condition, FixedEvent, Preferences
from services.planning.evaluation.case import Case, Expectation
from services.planning.evaluation.expectations import (
    HAS_TASKS,
    NO_COFFEE,
    NO_EXERTION,
    NO_NOTICE,
    NOTICE,
    count_between,
    effort_at_most,
    has,
    has_role,
    in_the_tone,
    lights_out_by,
    night_hours_at_least,
    says,
    says_nowhere,
)
from services.planning.evaluation.stage import Stage, ask, rested, worn_out
from services.planning.inputs import PlanInputs
from services.planning.library.template import Effort
from services.planning.tone import Tone

MORNING = Stage(date(2026, 5, 12), time(6, 40))
PEAK = Archetype.PEAK_PERFORMER
NHS = "Red flags: NHS wording at gpdirect.co.uk (secondary)"
PRESSURE = "Red flags: AHA/ACC 2025 (secondary)"
PULSE = "Red flags: sustained over 100 (secondary)"
FEVER = "Red flags: ottawaheart.ca, 48 h free of fever (secondary)"
ACSM = "Red flags: ACSM 10th ed., doi 10.1249/MSS.0000000000001331"
CARE = "Red flags: ours, conservative"
SICK = "Rule cond.sick"


def _flagged(kind: str, unit: str, *values: float, newest_h: float = 2) -> PlanInputs:
    """A rested peak performer with these readings, newest first, 20 hours apart."""
    rows = (MORNING.vital(kind, newest_h + 20 * number, value, unit) for number, value in enumerate(values))
    return ask(MORNING, rested(MORNING).plus(*rows), PEAK)


def _saying(goal: str) -> PlanInputs:
    return ask(MORNING, rested(MORNING), PEAK, Preferences(goal=goal))


def _flag(name: str, about: str, source: str, inputs: PlanInputs, *more: Expectation) -> Case:
    return Case(name, about, source, inputs, (NO_EXERTION, NO_COFFEE, NOTICE, *more))


def _flags() -> tuple[Case, ...]:
    return (
        _flag("spo2-94", "blood oxygen 94 % twice", NHS, _flagged("oxygen_saturation", "percent", 94, 94), says("blood oxygen")),
        _flag("spo2-low", "blood oxygen 91 % twice: today", NHS, _flagged("oxygen_saturation", "percent", 91, 91), says("today")),
        _flag("spo2-fraction", "blood oxygen as fractions", NHS, _flagged("oxygen_saturation_sleep", "percent", 0.93, 0.92)),
        _flag("pulse-104", "resting pulse over 100 twice", PULSE, _flagged("heart_rate_resting", "bpm", 104, 107)),
        _flag("pressure-186", "upper blood pressure over 180", PRESSURE, _flagged("blood_pressure_systolic", "mmHg", 186, 190)),
        _flag("pressure-124", "lower blood pressure over 120", PRESSURE, _flagged("blood_pressure_diastolic", "mmHg", 124, 122)),
        _flag("fever", "two readings of fever", FEVER, _flagged("body_temperature_basal", "celsius", 38.4, 38.2)),
        _flag(
            "fever-after",
            "fever, then an ordinary reading",
            FEVER,
            _flagged("body_temperature_basal", "celsius", 36.7, 38.4, 38.3),
        ),
    )


def _single_readings() -> tuple[Case, ...]:
    return (
        Case(
            "spo2-once",
            "one low sample of blood oxygen",
            NHS,
            _flagged("oxygen_saturation", "percent", 91),
            (NO_NOTICE, HAS_TASKS),
        ),
        Case(
            "pulse-settled",
            "a high pulse, then an ordinary one",
            PULSE,
            _flagged("heart_rate_resting", "bpm", 68, 104, 108),
            (NO_NOTICE, effort_at_most(Effort.HARD)),
        ),
        Case(
            "pulse-old",
            "two high readings, both more than 72 h old",
            "Rule data",
            _flagged("heart_rate_resting", "bpm", 104, 108, newest_h=80),
            (NO_NOTICE,),
        ),
    )


def _conditions() -> tuple[Case, ...]:
    return (
        Case(
            "sick",
            "a peak performer who says that they are ill, on good readings",
            SICK,
            ask(MORNING, rested(MORNING), PEAK, Preferences(work_start=time(9), work_end=time(17)), Condition.SICK),
            (NO_EXERTION, NOTICE, in_the_tone(Tone.SICK), has("sick-fluids"), has_role("sick-rest"), count_between(6, 9)),
        ),
        Case(
            "sick-earlier-bed",
            "ill, with a usual bedtime of 22:40",
            SICK,
            ask(MORNING, rested(MORNING), condition=Condition.SICK),
            (lights_out_by(time(22, 10)), NO_COFFEE),
        ),
        Case(
            "sick-gym",
            "ill, with a gym appointment in the evening",
            SICK,
            ask(
                MORNING, rested(MORNING), PEAK, Preferences(fixed_events=(FixedEvent("Gym", time(18), time(19)),)), Condition.SICK
            ),
            (NO_EXERTION, says("leave it out")),
        ),
        Case(
            "injured",
            "an injured systematic improver",
            SICK,
            ask(MORNING, rested(MORNING), Archetype.SYSTEMATIC_IMPROVER, condition=Condition.INJURED),
            (effort_at_most(Effort.LIGHT), NOTICE, has("injured-rest"), in_the_tone(Tone.INJURED)),
        ),
        Case(
            "says-tired",
            "good readings, but the person says that they are tired",
            "Condition before readings: ours",
            ask(MORNING, rested(MORNING), condition=Condition.TIRED),
            (effort_at_most(Effort.MODERATE), NO_NOTICE, in_the_tone(Tone.TIRED), lights_out_by(time(22, 10))),
        ),
        Case(
            "sick-and-flagged",
            "ill and with fever readings",
            FEVER,
            replace(_flagged("body_temperature_basal", "celsius", 38.6, 38.9), condition=Condition.SICK),
            (NO_EXERTION, NOTICE, in_the_tone(Tone.SICK)),
        ),
    )


def _rare_exerciser() -> BehaviourLabel:
    return BehaviourLabel(
        id="label",
        name="exercise_frequency",
        value="rare_exerciser",
        data_type="ordinal",
        periodicity="monthly",
        ordinality=0,
        start_date_time=MORNING.at(time(0), 40),
        end_date_time=MORNING.at(time(0), 12),
        received_at=MORNING.now,
        as_of=MORNING.now,
        source=DataSource.LIVE,
    )


def _people() -> tuple[Case, ...]:
    return (
        Case(
            "minor",
            "a person of 15",
            CARE,
            ask(MORNING, rested(MORNING).plus(MORNING.age(15)), PEAK),
            (effort_at_most(Effort.MODERATE), NO_COFFEE, night_hours_at_least(8)),
        ),
        Case(
            "senior",
            "a person of 71",
            "Rule ex.str: WHO 2020, balance from 65",
            ask(MORNING, rested(MORNING).plus(MORNING.age(71)), Archetype.FOUNDATION_BUILDER),
            (has("balance"),),
        ),
        Case(
            "untrained",
            "Sahha calls the person a rare exerciser",
            "Ours: hard training is nothing to begin with",
            replace(ask(MORNING, rested(MORNING), PEAK), labels=(_rare_exerciser(),)),
            (effort_at_most(Effort.MODERATE),),
        ),
        Case(
            "worn-out",
            "short nights, a sleep debt and low readiness",
            "Rules ex.hrv, sleep.debt",
            ask(MORNING, worn_out(MORNING), PEAK),
            (effort_at_most(Effort.MODERATE), in_the_tone(Tone.LOW), night_hours_at_least(7)),
        ),
    )


def _own_words() -> tuple[Case, ...]:
    return (
        _flag("chest-pain", "the goal mentions chest pain", ACSM, _saying("Get fit again, although I have chest pain on stairs")),
        _flag("faint", "the goal mentions fainting", ACSM, _saying("I fainted at the gym, want to be stronger")),
        Case(
            "crisis",
            "the goal sounds like a crisis",
            CARE,
            _saying("I feel suicidal and want to sleep"),
            (NO_EXERTION, NOTICE, says("talk to somebody"), says_nowhere("suicidal")),
        ),
        Case(
            "pregnant",
            "the goal mentions a pregnancy",
            CARE,
            _saying("Stay active while pregnant and lose weight"),
            (effort_at_most(Effort.MODERATE), says_nowhere("pregnan", "weight loss")),
        ),
        Case(
            "eating-disorder",
            "the goal mentions an eating disorder",
            CARE,
            _saying("I have anorexia and want to lose weight and be thin"),
            (effort_at_most(Effort.MODERATE), has_role("breakfast"), has_role("lunch"), has_role("dinner")),
        ),
    )


def safety() -> tuple[Case, ...]:
    return (*_flags(), *_single_readings(), *_conditions(), *_people(), *_own_words())
