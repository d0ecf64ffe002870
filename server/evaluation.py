"""What `firstlight rules` and `firstlight evaluate` print."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from structlog.testing import capture_logs

from server.standins.openai_words import Mode, write_day
from services.domain.ids import UserId
from services.domain.routine import ModelUsage
from services.domain.writing import BlockText, SummaryText, WritingBrief
from services.openai.payloads import to_block, to_summary
from services.openai.prompt import document_of
from services.planning.evaluation import Outcome, PlanMaker, all_cases, drafted, evaluate
from services.planning.evaluation.example_days import example_days
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan
from services.planning.rules import RULES
from services.planning.writer import Writer, WrittenDay

WRITER_DEADLINE_S = 30.0
NOBODY = UserId("invented")
DRAFT = "draft"

console = Console()


class InventedModel:
    """A model that writes as the stand-in does in one of its modes, in this process and at once."""

    name = version = "stand-in"
    prompt_version = "1"

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    async def write(
        self, brief: WritingBrief, _user_id: UserId, *, within_s: float, attempts: int
    ) -> AsyncGenerator[BlockText | SummaryText | ModelUsage, None]:
        """Never fails: neither `within_s` nor `attempts` matters here."""
        del within_s, attempts
        document = write_day(document_of(brief), self._mode)
        for item in document["blocks"]:
            block = to_block(item)
            if block is not None:
                yield block
        summary = to_summary(document)
        if summary is not None:
            yield summary


def written_by(mode: Mode) -> PlanMaker:
    """The draft with words of a model in that mode, as far as they keep to the rules."""
    writer = Writer(InventedModel(mode), WRITER_DEADLINE_S)

    async def make(inputs: PlanInputs) -> PlannedDay:
        planned = make_plan(inputs)
        async with aclosing(writer.write(planned, NOBODY)) as events:
            async for event in events:
                if isinstance(event, WrittenDay):
                    planned = event.planned
        return planned

    return make


def planners() -> Mapping[str, PlanMaker]:
    """What is judged, by name."""
    return {DRAFT: drafted} | {mode.value: written_by(mode) for mode in Mode}


def rules_command() -> None:
    """Print every rule that plans are checked against: its number, its source, when it applies and what is done about it."""
    table = Table(title=f"{len(RULES)} rules", show_lines=True)
    table.add_column("rule", no_wrap=True)
    for heading in ("", "what", "number", "applies when", "when broken", "source"):
        table.add_column(heading, overflow="fold")
    for rule in RULES:
        table.add_row(rule.id, rule.strength.value, rule.statement, rule.number, rule.applies, rule.mending, rule.citation)
    console.print(table)


def evaluate_command(
    *,
    days: Annotated[bool, typer.Option("--days", help="Print two example days in Markdown instead.")] = False,
    unmet: Annotated[bool, typer.Option("--unmet", help="Show only the cases that are not met.")] = False,
    planner: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What to judge: {DRAFT}, or the draft with the words of a {', '.join(Mode)} model. Left out: each in turn."
        ),
    ] = None,
) -> None:
    """Judge the planner by a fixed set of invented cases. Exit code 1 when an expectation is not met."""
    if days:
        typer.echo(example_days(), nl=False)
        return
    known = planners()
    unknown = sorted(set(planner or ()) - known.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(known)}.")
    cases, failed = all_cases(), False
    for name in planner or known:
        with capture_logs():
            outcomes = asyncio.run(evaluate(cases, known[name]))
        shown = [outcome for outcome in outcomes if not (unmet and outcome.met)]
        if shown:
            console.print(outcome_table(name, shown))
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
