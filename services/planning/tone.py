"""How a day speaks to a person: in the words of what matters most about them today."""

from collections.abc import Mapping
from enum import Enum

from services.domain.routine import Condition
from services.planning.day_plan import Situation
from services.planning.recovery import Energy
from services.planning.skeleton import EVENING, MORNING, PEAK, SLUMP, WIND_DOWN, BlockKind


class Tone(Enum):
    ORDINARY = "ORDINARY"
    LOW = "LOW"
    TIRED = "TIRED"
    INJURED = "INJURED"
    SICK = "SICK"
    FLAGGED = "FLAGGED"


def tone(situation: Situation) -> Tone:
    """What the person says of themselves comes before what a device says, but for readings that call for rest."""
    match situation.condition:
        case Condition.SICK:
            return Tone.SICK
        case _ if situation.forbids_exertion:
            return Tone.FLAGGED
        case Condition.INJURED:
            return Tone.INJURED
        case Condition.TIRED:
            return Tone.TIRED
        case _:
            return Tone.LOW if situation.energy is Energy.LOW else Tone.ORDINARY


WHY: Mapping[BlockKind, str] = {
    MORNING: "What you do after waking sets your body clock and the tone of the hours that follow.",
    PEAK: "A few hours after waking, attention is at its best for most people.",
    SLUMP: "Energy falls in the middle of the day whatever you do; a pause works better than pushing on.",
    EVENING: "Effort and big meals sit better here than shortly before bed.",
    WIND_DOWN: "Dim light, quiet and a steady bedtime make it easier to fall asleep.",
}

UNWELL_WHY: Mapping[BlockKind, str] = {
    MORNING: "A slow start leaves your strength where it is needed.",
    PEAK: "Being awake is no reason to get things done; healing costs energy too.",
    SLUMP: "Lying down in the middle of the day is part of getting well.",
    EVENING: "Little and often is easier to eat and drink than much at once.",
    WIND_DOWN: "Sleep is when the body does most of its repair.",
}

PURPOSES: Mapping[Tone, Mapping[BlockKind, str]] = {
    Tone.ORDINARY: {
        MORNING: "Arrive in the day: light, water, food and a first bit of movement.",
        PEAK: "Use your clearest hours for what matters most.",
        SLUMP: "Eat, move a little and let the dip pass.",
        EVENING: "Move, finish what is open and have dinner in good time.",
        WIND_DOWN: "Slow down step by step until lights out.",
    },
    Tone.LOW: {
        MORNING: "Start gently: light, water and food before anything else.",
        PEAK: "Do the one thing that matters and leave the rest; your readings ask for an easier day.",
        SLUMP: "Rest on purpose: this is where a tired day is won back.",
        EVENING: "Keep it light and let the day end early.",
        WIND_DOWN: "Go to bed early: sleep is what helps most today.",
    },
    Tone.TIRED: {
        MORNING: "Start gently: light, water and food before anything else.",
        PEAK: "You say that you are tired, so do the one thing that matters and leave the rest.",
        SLUMP: "Rest on purpose: this is where a tired day is won back.",
        EVENING: "Keep it light and let the day end early.",
        WIND_DOWN: "Go to bed early: sleep is what helps most today.",
    },
    Tone.INJURED: {
        MORNING: "Start without hurry, and let the injured part rest.",
        PEAK: "Your head is not injured: a calm hour for what matters does no harm.",
        SLUMP: "Eat well and rest; healing takes energy.",
        EVENING: "Keep weight and impact off today; there is enough else to do.",
        WIND_DOWN: "Lie comfortably and give the night its full length.",
    },
    Tone.SICK: {
        MORNING: "Nothing has to be done this morning but drinking and resting.",
        PEAK: "Leave everything that can wait, and keep others posted.",
        SLUMP: "Eat what you feel like and lie down again.",
        EVENING: "Drink, eat a little, and see how you feel.",
        WIND_DOWN: "Let the day end early; sleep is the best that you can do.",
    },
    Tone.FLAGGED: {
        MORNING: "Start quietly; a reading of yours asks for a calm day.",
        PEAK: "Calm work is fine; exertion can wait until the reading is settled.",
        SLUMP: "Eat, rest, and leave out whatever makes you breathe hard.",
        EVENING: "Keep it quiet and near home.",
        WIND_DOWN: "Slow down early and give the night its full length.",
    },
}


def purpose(kind: BlockKind, situation: Situation) -> str:
    """What a block of this day is for; holds no number."""
    return PURPOSES[tone(situation)][kind]


def why(kind: BlockKind, situation: Situation) -> str:
    """Why it matters; holds no number."""
    unwell = tone(situation) in {Tone.SICK, Tone.INJURED}
    return (UNWELL_WHY if unwell else WHY)[kind]
