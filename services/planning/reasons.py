"""Why a task is in a day, in plain words: for people who read a plan to judge it."""

from services.domain.routine import Archetype, Condition
from services.planning.day_plan import PlannedTask, Situation
from services.planning.recovery import Need
from services.planning.rules import RULES, Rule
from services.planning.wording import sentence

WORTH_A_WORD = 0.75
"""From this weight on an entry suits an archetype well enough to say so."""

SHORT_NUMBER = 40

NEEDS = {
    Need.REST: "rest is what the readings call for",
    Need.MOVEMENT: "there was little movement of late",
    Need.RHYTHM: "bed and wake times are irregular",
    Need.CHALLENGE: "recovery is good enough for a challenge",
    Need.CALM: "the mind has a lot to carry",
}
OWN_NEEDS = {Need.REST: "rest comes first on such a day"}

CONDITIONS = {
    Condition.SICK: "meant for a day of illness",
    Condition.INJURED: "meant for a day with an injury",
    Condition.TIRED: "meant for a tired day",
    Condition.WELL: "meant for any day",
}


def reasons(task: PlannedTask, situation: Situation) -> tuple[str, ...]:
    """What speaks for a task on this day, the strongest first: condition, needs, readings, goals, rules, archetype."""
    template, found = task.template, []
    if situation.condition in template.conditions:
        found.append(CONDITIONS[situation.condition])
    by_readings = situation.condition is Condition.WELL
    needs = sorted(template.suits & situation.needs, key=lambda need: list(Need).index(need))
    found += [NEEDS[need] if by_readings else OWN_NEEDS.get(need, NEEDS[need]) for need in needs]
    found += _values(task, situation)
    wishes = sorted(goal.value for goal in template.goals & situation.goals)
    found += [f"serves the wish for {' and '.join(wishes)}"] if wishes else []
    found += [_rule(rule) for rule in RULES if rule.id in template.rules]
    if not found and template.weights[situation.inputs.archetype] >= WORTH_A_WORD:
        found.append(f"suits a {_spoken(situation.inputs.archetype)}")
    if template.anchor and not found:
        found.append("part of every day")
    return tuple(found) or ("fills a free place well",)


def _rule(rule: Rule) -> str:
    """By its id, with its number where that is short."""
    return f"rule {rule.id} ({rule.number})" if len(rule.number) <= SHORT_NUMBER else f"rule {rule.id}"


def _values(task: PlannedTask, situation: Situation) -> list[str]:
    """The cited readings, as a plan says them."""
    cited = (fact for fact in situation.digest.facts.values() if fact.evidence in task.evidence)
    told = (sentence(fact, situation).rstrip(".") for fact in cited)
    return [f"{words[0].lower()}{words[1:]}" for words in told]


def _spoken(archetype: Archetype) -> str:
    return archetype.value.replace("_", " ").title()
