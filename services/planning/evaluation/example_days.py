"""Two days of one invented person, after a good and after a bad night, as the README shows them."""

from collections.abc import Iterator
from datetime import date, datetime, time

from services.domain.routine import Archetype, Preferences
from services.domain.schedule import local_time
from services.planning.evaluation.stage import Person, Stage, ask, rested
from services.planning.planner import PlannedDay, make_plan
from services.planning.reasons import reasons

STAGE = Stage(date(2026, 5, 12), time(6, 40), "Europe/Vienna")
OFFICE = Preferences(wake_time=time(6, 30), work_start=time(9), work_end=time(17), goal="Sleep better and have more energy")
TOLD_RULES = ("sleep.len", "effort.one", "count", "sleep.debt")


def example_days() -> str:
    """Markdown that ends with a line break, each day folded away. Always the same."""
    parts = [*_day("After a good night", rested(STAGE)), *_day("After a bad night", _after_a_bad_night())]
    return "\n\n".join(parts) + "\n"


def _after_a_bad_night() -> Person:
    """The same weeks, but a last night of four hours and the scores that go with it."""
    usual = rested(STAGE)
    earlier = tuple(row for row in usual.biomarkers if row.category != "sleep" or row.end_date_time.date() != STAGE.day)
    low = (STAGE.score("readiness", 0.36, "low"), STAGE.score("sleep", 0.31, "minimal"), STAGE.score("activity", 0.7, "medium"))
    return Person((*STAGE.night(0, time(2, 5), time(6, 25), asleep=238), *earlier), low)


def _day(title: str, person: Person) -> Iterator[str]:
    day = make_plan(ask(STAGE, person, Archetype.SYSTEMATIC_IMPROVER, OFFICE))
    yield f"<details><summary><b>{title}.</b> {day.plan.summary}</summary>"
    yield "\n".join(_table(day))
    told = {check.rule: check.detail for check in day.plan.checks}
    yield "\n".join(f"* `{rule}`: {told[rule]}" for rule in TOLD_RULES)
    yield "</details>"


def _table(day: PlannedDay) -> Iterator[str]:
    yield "| time | task | why |"
    yield "| --- | --- | --- |"
    for block in day.day.blocks:
        yield f"| **{_clock(block.start)}** | **{block.kind.title}** | {block.purpose} |"
        for task in block.tasks:
            why = "; ".join(reasons(task, day.situation))
            yield f"| {_clock(task.start)}-{_clock(task.end)} | {task.title} | {why} |"


def _clock(moment: datetime) -> str:
    return f"{local_time(moment, STAGE.tz):%H:%M}"
