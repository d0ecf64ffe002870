"""Every rule that the planner follows and the verifier checks (planning-rules.md). Standard library only."""

from services.planning.rules.body_rules import BODY_RULES
from services.planning.rules.effort_rules import EFFORT_RULES
from services.planning.rules.hours_rules import HOURS_RULES
from services.planning.rules.numbers import allowed_numbers, stray_numbers
from services.planning.rules.plan_rules import PLAN_RULES
from services.planning.rules.rule import Rule, Strength, Violation
from services.planning.rules.text_rules import TEXT_PLAIN, TEXT_SAFE, text_claims
from services.planning.rules.word_rules import WORD_RULES

RULES_VERSION = "2"
"""Part of `inputs_hash`: raised when a rule or its number changes."""

_FIGURED = (*PLAN_RULES, *HOURS_RULES, *EFFORT_RULES, *BODY_RULES, *WORD_RULES)

RULES: tuple[Rule, ...] = (*_FIGURED, TEXT_PLAIN, TEXT_SAFE, text_claims(_FIGURED))

__all__ = ["RULES", "RULES_VERSION", "Rule", "Strength", "Violation", "allowed_numbers", "stray_numbers"]
