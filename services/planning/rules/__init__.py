"""Every rule that the planner follows and the verifier checks (planning-rules.md). Standard library only."""

from services.planning.day_plan import DayPlan, Situation
from services.planning.rules.body_rules import BODY_RULES
from services.planning.rules.hours_rules import HOURS_RULES, OURS
from services.planning.rules.rule import Rule, Strength, Violation
from services.planning.rules.word_rules import DATA, NIGHT_DAY, number_violations, numbers_kept, plain_words

RULES_VERSION = "1"
"""Part of `inputs_hash`: raised when a rule or its number changes."""

_NUMBERS = {rule.id: rule.numbers for rule in (*HOURS_RULES, *BODY_RULES)}


def _loose_numbers(plan: DayPlan, situation: Situation) -> list[Violation]:
    return number_violations(plan, situation, _NUMBERS)


TEXT_NUMBERS = Rule(
    id="text.numbers",
    strength=Strength.HARD,
    statement="A number in a text stands in the task's evidence, its own times, its library entry or its rule.",
    number="exact after rounding as shown",
    citation=OURS,
    explain=numbers_kept,
    violations=_loose_numbers,
    repair=plain_words,
)

RULES: tuple[Rule, ...] = (*HOURS_RULES, *BODY_RULES, NIGHT_DAY, DATA, TEXT_NUMBERS)

__all__ = ["RULES", "RULES_VERSION", "Rule", "Strength", "Violation"]
