"""The second wall: every statement on personal rows has the owner in its `where` (docs/decisions.md, "Whose rows").

Read from the statements themselves. One that touches a table of personal rows binds the owner, or writes the owner with every
row, or stands in `ACROSS_PEOPLE` with its reason; a new statement does the one or the other, or fails here.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scheduler
import server
import services
from services.store.migrations import read_migrations

TABLE = re.compile(r"create table (\w+) \(\n(.*?)\n\)", re.DOTALL)
PERSONAL_COLUMN = re.compile(r"^\s+user_id\b|^\s+like \w+", re.MULTILINE)
STATEMENT = re.compile(r"\s*(?:with|select|insert|update|delete)\b")
OWNER_BOUND = re.compile(r"\buser_id = (?:any\()?\$\d")
OWNER_WRITTEN = re.compile(r"\binsert into \w+ \([^)]*\buser_id\b|\bconflict \(user_id\b")

JOB = "durable work: the routine's id comes from the job, whose attempt number is the fence"
AGE = "upkeep by age alone; gives back numbers, or nothing"
CLOCK = "the scheduler and the worker looking for whose turn it is; gives ids to themselves"
SUM = "counts and durations of everybody; names nobody"
ACROSS_PEOPLE = {
    "daily_routines.DUE": CLOCK,
    "daily_routines.PRUNE": AGE,
    "daily_routines.RESCHEDULE": CLOCK,
    "events.PRUNE": AGE,
    "idempotency.PRUNE": AGE,
    "model_spend.PRUNE": AGE,
    "people.CLAIM_REFRESH": CLOCK,
    "people.COUNT": SUM,
    "people.COUNT_ACTIVE": SUM,
    "people.LOST_SYNCS": CLOCK,
    "people.PAGE": CLOCK,
    "queue.ORPHANS": CLOCK,
    "retention.BIOMARKERS": AGE,
    "retention.SCORES": AGE,
    "routines.FAIL": JOB,
    "routines.FENCE": JOB,
    "routines.PLANNING": JOB,
    "routines.READY": JOB,
    "routines.TAKE": JOB,
    "service_levels.MEASURE": SUM,
    "webhooks.COUNT_WAITING": SUM,
    "webhooks.NEWEST": CLOCK,
    "webhooks.TAKE_PERSON": CLOCK,
}

TABLES = {
    name for migration in read_migrations() for name, columns in TABLE.findall(migration.sql) if PERSONAL_COLUMN.search(columns)
}
TOUCHING = re.compile(rf"\b(?:from|join|into|update|using)\s+(?:{'|'.join(sorted(TABLES))})\b")


def modules() -> Iterator[str]:
    for package in (scheduler, server, services):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield found.name


def statements() -> Iterator[tuple[str, str]]:
    """Every constant that touches personal rows, as it is once its parts are put together."""
    for name in modules():
        for constant, value in vars(importlib.import_module(name)).items():
            if constant.isupper() and isinstance(value, str) and STATEMENT.match(value) and TOUCHING.search(value):
                yield f"{name.removeprefix('services.store.')}.{constant}", value


STATEMENTS = dict(statements())


def test_the_tables_of_personal_rows() -> None:
    assert sorted(TABLES) == [
        "backfills", "behaviour_labels", "biomarkers", "daily_requests", "daily_routines", "events", "idempotency_keys",
        "latest_biomarkers", "latest_scores", "model_spend", "people", "rejected_records", "routine_tasks", "routines", "scores",
        "webhook_inbox",
    ]  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_on_personal_rows_names_the_owner(name: str) -> None:
    statement = STATEMENTS[name]
    bound = OWNER_BOUND.search(statement) or OWNER_WRITTEN.search(statement)
    assert bound or name in ACROSS_PEOPLE, statement
    assert not (bound and name in ACROSS_PEOPLE), "it names the owner: it needs no reason"


def test_no_reason_is_left_over() -> None:
    assert set(ACROSS_PEOPLE) <= set(STATEMENTS)


@pytest.mark.parametrize("package", ["scheduler", "server", "services"])
def test_no_statement_hides_in_a_function(package: str) -> None:
    """Only constants are read here, so there may be no others."""
    hidden = [
        f"{path.name}:{text.lineno}"
        for path in (Path(__file__).parents[2] / package).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for text in ast.walk(function)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        if STATEMENT.match(text.value) and TOUCHING.search(text.value)
    ]
    assert hidden == []
