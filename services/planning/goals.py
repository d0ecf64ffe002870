"""A person's own words about what they want, as a few plain tags.

The text is data: it is matched against keywords, never repeated in a plan and never followed. What matches nothing changes
nothing.
"""

import re
from collections.abc import Mapping
from enum import Enum


class Goal(Enum):
    SLEEP = "sleep"
    STRESS = "stress"
    STRENGTH = "strength"
    ENDURANCE = "endurance"
    WEIGHT = "weight"
    ENERGY = "energy"
    FOCUS = "focus"
    SOCIAL = "social"
    MOBILITY = "mobility"
    MOOD = "mood"
    FOOD = "food"


class Concern(Enum):
    """What in a person's own words calls for care.

    CRISIS: somebody should be talked to today. STOP: signs at which exertion ends and a professional is asked (planning-rules.md,
    "Red flags"). GENTLE: states in which nothing vigorous is planned and eating less is no aim.
    """

    CRISIS = "CRISIS"
    STOP = "STOP"
    GENTLE = "GENTLE"


GOAL_WORDS: Mapping[Goal, str] = {
    Goal.SLEEP: r"sleep|insomnia|rested|bedtime|night|fall asleep|wake up tired|snor",
    Goal.STRESS: r"stress|calm|relax|anxi|overwhelm|burn-?out|unwind|pressure at|breath|meditat|mindful|wind down",
    Goal.STRENGTH: r"strength|strong|muscle|lift|tone|squat|push-?up|pull-?up|weights\b|bench",
    Goal.ENDURANCE: r"endurance|cardio|run|marathon|10k|5k|stamina|fitness|cycl|swim|vo2|fitter",
    Goal.WEIGHT: r"weight\b|lose (?:weight|fat|some|a few|\d)|fat\b|slim|kilos|pounds|belly|waist|get lean",
    Goal.ENERGY: r"energ|tired|fatigue|exhaust|vitality|afternoon slump|alert",
    Goal.FOCUS: r"focus|concentrat|productiv|attention|exam|study|deep work|procrastinat|distract",
    Goal.SOCIAL: r"social|friend|lonely|loneliness|family|partner|kids|connect|people|communit",
    Goal.MOBILITY: r"mobil|flexib|stretch|posture|back pain|stiff|yoga|joint|neck",
    Goal.MOOD: r"mood|happ|joy|depress|sad\b|motivat|grateful|gratitude|wellbeing|well-being",
    Goal.FOOD: r"eat|food|diet|nutrition|vegetab|protein|cook|snack|sugar|fibre|fiber|meal",
}

CONCERN_WORDS: Mapping[Concern, str] = {
    Concern.CRISIS: r"suicid|self-?harm|kill myself|end my life|hurt myself",
    Concern.STOP: (
        r"chest (?:pain|tight|pressure)|pain in (?:my|the) chest|faint(?:ed|ing)|pass(?:ed|ing) out|black(?:ed)? out|"
        r"short(?:ness)? of breath|breathless|can(?:no|')?t breathe"
    ),
    Concern.GENTLE: (
        r"pregnan|postpartum|miscarr|heart (?:condition|disease|failure|attack|surgery)|cardiac|kidney|dialysis|diabet|insulin|"
        r"anorexi|bulimi|eating disorder|binge|purg|starv|surgery|operation|chemo|cancer|stroke|epilep"
    ),
}

_GOALS = {goal: re.compile(rf"\b(?:{words})", re.IGNORECASE) for goal, words in GOAL_WORDS.items()}
_CONCERNS = {concern: re.compile(rf"\b(?:{words})", re.IGNORECASE) for concern, words in CONCERN_WORDS.items()}


def goals(text: str | None) -> frozenset[Goal]:
    """The tags that a goal speaks of; eating less is no aim where the words call for care."""
    if text is None:
        return frozenset()
    found = {goal for goal, words in _GOALS.items() if words.search(text)}
    return frozenset(found - {Goal.WEIGHT} if concern(text) is not None else found)


def concern(text: str | None) -> Concern | None:
    """The graver of what the words mention. A word is enough: "no chest pain" is taken as care too."""
    if text is None:
        return None
    return next((each for each in Concern if _CONCERNS[each].search(text)), None)
