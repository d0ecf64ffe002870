"""No resolver without an `access` verb as its first statement: read from the source, so that none can be forgotten."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schema.root import build_schema
from tests.api.clients import ADMIN_KEY, SERVICE_KEY, Api
from tests.tokens import token_of

RESOLVERS = Path(__file__).parents[2] / "resolvers"
NOT_RESOLVERS = {"__init__.py", "access.py", "arguments.py", "context.py"}
VERBS = {"authenticated", "acting_for", "owner", "admin"}
MODULES = sorted(path.name for path in RESOLVERS.glob("*.py") if path.name not in NOT_RESOLVERS)
DELEGATES = {"generate_routine": "generate_routine", "set_daily_routine": "set_daily_routine"}
"""Of schema/root.py: they make a command of an input and hand it on, and do nothing else."""


@pytest.mark.parametrize("module", MODULES)
def test_the_first_statement_is_an_access_verb(module: str) -> None:
    tree = ast.parse((RESOLVERS / module).read_text())
    resolvers = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert resolvers
    assert [node.name for node in resolvers if verb_of(node) is None] == []


def test_every_module_is_read() -> None:
    assert set(MODULES) == {"account.py", "admin.py", "daily_routines.py", "health_data.py", "routines.py", "subscriptions.py"}


def test_every_field_that_decides_anything_is_one_of_these() -> None:
    """Of the whole contract, fields of objects too. The others read an attribute of what was allowed."""
    found = {(function.__module__, function.__qualname__) for function in functions_of_fields()}
    assert len(found) > 20
    outside = {(module, name) for module, name in found if f"{module.removeprefix('resolvers.')}.py" not in MODULES}
    assert outside == {("schema.root", name) for name in DELEGATES}
    assert all("." not in name for _, name in found), "a resolver is a function of its module"


@pytest.mark.parametrize(("delegate", "resolver"), DELEGATES.items())
def test_what_makes_a_command_of_an_input_does_nothing_else(delegate: str, resolver: str) -> None:
    tree = ast.parse((RESOLVERS.parent / "schema" / "root.py").read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == delegate)
    _docstring, statement = function.body
    assert ast.unparse(statement).split("(")[0] in {f"return await {module[:-3]}.{resolver}" for module in MODULES}


def functions_of_fields() -> Iterator[Callable[..., object]]:
    for kind in build_schema()._schema.type_map.values():
        for field in getattr(kind.extensions.get("strawberry-definition"), "fields", ()):
            if field.base_resolver is not None:
                yield field.base_resolver.wrapped_func


def verb_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """The verb that the first statement calls with `info`; its value may be kept."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    first = body[0]
    call = first.value if isinstance(first, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in VERBS:
        return None
    given = call.args[0] if call.args else None
    return call.func.id if isinstance(given, ast.Name) and given.id == "info" else None


OF_ANNA = {
    "query": '{ dailyRoutine(userId: "anna") { nextAt } }',
    "mutation": 'mutation { stopDailyRoutine(userId: "anna") { __typename } }',
}


@pytest.mark.parametrize("query", OF_ANNA.values(), ids=OF_ANNA)
@pytest.mark.parametrize(("key", "lines"), [(ADMIN_KEY, 1), (SERVICE_KEY, 0), (token_of("anna"), 0), (token_of("ben"), 0)])
async def test_what_an_admin_does_with_a_persons_data_leaves_a_line(edge: Api, query: str, key: str, lines: int) -> None:
    with capture_logs() as records:
        await edge.graphql(query, key=key)
    told = [record for record in records if record["event"].startswith("[AUDIT]")]
    assert [(record["subject"], record["user"]) for record in told] == [("admin", "anna")] * lines


@pytest.mark.parametrize("path", ["/api/admin/refresh-sahha/anna", "/api/user/anna/routine/generate"])
async def test_so_it_does_at_the_old_urls(edge: Api, path: str) -> None:
    with capture_logs() as records:
        await edge.request("POST", path, key=ADMIN_KEY, body={"archetype": "Peak Performer", "timezone": "UTC"})
    assert [record["user"] for record in records if record["event"].startswith("[AUDIT]")] == ["anna"]


async def test_where_an_id_says_who_it_is_the_field_is_told(edge: Api) -> None:
    with capture_logs() as records:
        await edge.graphql('{ routine(id: "1b4e28ba-2fa1-41d2-883f-0016d3cca427") { id } }', key=ADMIN_KEY)
    assert [record["field"] for record in records if record["event"].startswith("[AUDIT]")] == ["routine"]
