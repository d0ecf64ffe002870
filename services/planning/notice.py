"""The notice on a day that calls for care: neutral words, a professional named, no figure and never a diagnosis."""

from services.domain.routine import Condition
from services.planning.day_plan import Situation
from services.planning.goals import Concern
from services.planning.red_flags import ADVICE

EMERGENCY = "With chest pain, trouble breathing, fainting or confusion call the emergency number at once."
NO_EXERTION = "Until that is settled this day holds no exertion."
OWN_TRAINING = "One of your appointments looks like training: leave it out today."

CRISIS = (
    "Your own words sound as if things are very hard right now. Please talk to somebody today: a person close to you, "
    "your doctor or a crisis line. If you are in danger, call the emergency number. This day asks nothing of you."
)
STOP = (
    "Your own words mention something that a professional should hear about before you exert yourself, so this day holds no "
    f"exertion. {EMERGENCY}"
)
SICK = (
    "You say that you are ill, so this day holds no exertion: rest, drink and sleep. Ask a professional if you get worse, if a "
    "fever stays or if you are unsure. Exercise can wait until you have been free of fever for two days."
)
INJURED = (
    "You say that you are injured, so nothing in this day puts load or impact on you. If the pain is strong, if "
    "there is swelling, or if you cannot use the part as usual, have a professional look at it."
)


def safety_notice(situation: Situation) -> str | None:
    """What a person should know before they follow the day; `None` when nothing calls for it."""
    parts = [*_flags(situation), *_words(situation), *_condition(situation)]
    if parts and "training" in situation.taken:
        parts.append(OWN_TRAINING)
    return " ".join(parts) or None


def _flags(situation: Situation) -> list[str]:
    flags = situation.digest.flags
    if not flags:
        return []
    names = " and ".join(flag.name for flag in flags)
    again = "; ".join(dict.fromkeys(ADVICE[flag.name] for flag in flags))
    when = "today" if any(flag.urgent for flag in flags) else "soon"
    verb = "was" if len(flags) == 1 else "were"
    told = (
        f"Your {names} {verb} outside the usual range more than once. Devices err, so please {again}; if it stays like that, "
        f"ask a doctor or a medical advice line {when}."
    )
    return [told, NO_EXERTION, EMERGENCY]


def _words(situation: Situation) -> list[str]:
    if situation.concern is Concern.CRISIS:
        return [CRISIS]
    return [STOP] if situation.concern is Concern.STOP else []


def _condition(situation: Situation) -> list[str]:
    if situation.condition is Condition.SICK:
        return [SICK]
    return [INJURED] if situation.condition is Condition.INJURED else []
