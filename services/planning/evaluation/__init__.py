"""Invented cases that a planner has to get right, and what is expected of each. Nobody in them is real."""

from services.planning.evaluation.case import Case, Expectation
from services.planning.evaluation.cases import all_cases
from services.planning.evaluation.run import Outcome, PlanMaker, drafted, evaluate

__all__ = ["Case", "Expectation", "Outcome", "PlanMaker", "all_cases", "drafted", "evaluate"]
