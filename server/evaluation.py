"""What `firstlight rules` and `firstlight evaluate` print."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.planning.evaluation import Outcome, PlanMaker, all_cases, drafted, evaluate
from services.planning.evaluation.example_days import example_days
from services.planning.rules import RULES

PLANNERS: Mapping[str, PlanMaker] = {"draft": drafted}
"""What is judged, by name."""

console = Console()


def rules_command() -> None:
    """Print every rule that plans are checked against: its number, its source, when it applies and what is done about it."""
    table = Table(
        "rule", "", "what", "number", "applies when", "when broken", "source", title=f"{len(RULES)} rules", show_lines=True
    )
    for rule in RULES:
        table.add_row(rule.id, rule.strength.value, rule.statement, rule.number, rule.applies, rule.mending, rule.citation)
    console.print(table)


def evaluate_command(
    *,
    days: Annotated[bool, typer.Option("--days", help="Print two example days in Markdown instead.")] = False,
    unmet: Annotated[bool, typer.Option("--unmet", help="Show only the cases that are not met.")] = False,
) -> None:
    """Judge the planner by a fixed set of invented cases. Exit code 1 when an expectation is not met."""
    if days:
        typer.echo(example_days(), nl=False)
        return
    cases, failed = all_cases(), False
    for name, planner in PLANNERS.items():
        outcomes = asyncio.run(evaluate(cases, planner))
        console.print(outcome_table(name, [outcome for outcome in outcomes if not (unmet and outcome.met)]))
        met = sum(outcome.met for outcome in outcomes)
        console.print(f"{name}: {met} of {len(outcomes)} cases met")
        failed = failed or met < len(outcomes)
    if failed:
        raise typer.Exit(1)


def outcome_table(name: str, outcomes: Iterable[Outcome]) -> Table:
    """A row for each case: what it is about, where it comes from, and what was expected or is missing."""
    table = Table("", "case", "about", "source", "expected", title=name)
    for outcome in outcomes:
        expected = "; ".join(expectation.name for expectation in outcome.case.expected)
        said = expected if outcome.met else f"NOT MET: {outcome.error or '; '.join(outcome.unmet)}"
        table.add_row("✅" if outcome.met else "❌", outcome.case.id, outcome.case.about, outcome.case.source, said)
    return table
