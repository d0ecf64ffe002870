"""The rules of the house that no linter knows."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("server", "schema", "resolvers", "services", "scheduler")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Source:
    name: str
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))


Rule = Callable[[Source], Iterator[int]]


@cache
def sources(*folders: str) -> list[Source]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


def attributes(source: Source, names: set[str], *, of: set[str] | None = None) -> Iterator[int]:
    """Lines with `owner.name`; `of` limits the owners to plain names."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in names:
            owner = node.value.id if isinstance(node.value, ast.Name) else None
            if of is None or owner in of:
                yield node.lineno


def imported(source: Source, module: str) -> Iterator[int]:
    for node in source.nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] == module for name in names):
            yield node.lineno  # type: ignore[attr-defined]


def reads_the_environment(source: Source) -> Iterator[int]:
    if source.name != "services/config.py":
        yield from attributes(source, {"environ", "environb", "getenv"}, of={"os"})


def asks_the_machine_for_the_time(source: Source) -> Iterator[int]:
    if source.name != "services/clock.py":
        yield from attributes(source, {"now", "utcnow", "today"}, of={"datetime", "date"})
        yield from attributes(source, {"time", "time_ns", "monotonic"}, of={"time"})


def converts_time_zones(source: Source) -> Iterator[int]:
    if source.name not in {"services/clock.py", "services/domain/schedule.py"}:
        yield from attributes(source, {"astimezone"})


def starts_a_task_that_nobody_owns(source: Source) -> Iterator[int]:
    """A task that belongs to no TaskGroup of the same file, and whose handle is thrown away."""
    groups = {
        item.optional_vars.id
        for node in source.nodes
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and "TaskGroup" in ast.unparse(item.context_expr)
    }
    for node in source.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            owner, _, called = ast.unparse(node.value.func).rpartition(".")
            if called in {"create_task", "ensure_future"} and owner not in groups:
                yield node.lineno


def imports_inside_a_function(source: Source) -> Iterator[int]:
    for function in source.nodes:
        if isinstance(function, FUNCTIONS):
            yield from (node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))


def uses_connections_of_databases(source: Source) -> Iterator[int]:
    """Its transactions and iterations leak: one module knows the library, and asks it for the pool's life alone."""
    yield from attributes(source, {"iterate"})
    if source.name != "services/store/database.py":
        yield from imported(source, "databases")
        return
    for node in source.nodes:
        used = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._database"
        if isinstance(node, ast.Attribute) and used and node.attr not in {"connect", "disconnect", "_backend"}:
            yield node.lineno


PRODUCT_RULES = [
    asks_the_machine_for_the_time,
    converts_time_zones,
    imports_inside_a_function,
    reads_the_environment,
    starts_a_task_that_nobody_owns,
    uses_connections_of_databases,
]


@pytest.mark.parametrize("rule", PRODUCT_RULES, ids=lambda rule: rule.__name__)
def test_product_code_keeps_the_rule(rule: Rule) -> None:
    assert [f"{source.name}:{line}" for source in sources(*PRODUCT) for line in rule(source)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (asks_the_machine_for_the_time, "at = datetime.now(UTC)"),
        (converts_time_zones, "local = at.astimezone(tz)"),
        (imports_inside_a_function, "async def f():\n    import json"),
        (reads_the_environment, "port = os.environ['PORT']"),
        (starts_a_task_that_nobody_owns, "asyncio.create_task(work())"),
        (uses_connections_of_databases, "from databases import Database"),
        (uses_connections_of_databases, "async for row in database.iterate(sql): ..."),
    ],
)
def test_the_rule_sees_a_breach(rule: Rule, text: str) -> None:
    assert list(rule(Source("services/invented.py", text)))


def test_a_task_group_may_start_tasks() -> None:
    text = "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(work())"
    assert list(starts_a_task_that_nobody_owns(Source("services/invented.py", text))) == []


def test_no_file_is_too_long() -> None:
    lengths = {source.name: source.text.count("\n") for source in sources(*PRODUCT, "tests")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{source.name}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources(*PRODUCT, "tests")
        for node in source.nodes
        if isinstance(node, FUNCTIONS)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
