"""No resolver without an `access` verb as its first statement: read from the source, so that none can be forgotten."""

import ast
from pathlib import Path

import pytest

RESOLVERS = Path(__file__).parents[2] / "resolvers"
NOT_RESOLVERS = {"__init__.py", "access.py", "arguments.py", "context.py"}
VERBS = {"authenticated", "acting_for", "owner", "admin"}
MODULES = sorted(path.name for path in RESOLVERS.glob("*.py") if path.name not in NOT_RESOLVERS)


@pytest.mark.parametrize("module", MODULES)
def test_the_first_statement_is_an_access_verb(module: str) -> None:
    tree = ast.parse((RESOLVERS / module).read_text())
    resolvers = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert resolvers
    assert [node.name for node in resolvers if verb_of(node) is None] == []


def test_every_module_is_read() -> None:
    assert set(MODULES) == {"account.py", "admin.py", "daily_routines.py", "health_data.py", "routines.py", "subscriptions.py"}


def verb_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """The verb that the first statement calls with `info`; its value may be kept."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    first = body[0]
    call = first.value if isinstance(first, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in VERBS:
        return None
    given = call.args[0] if call.args else None
    return call.func.id if isinstance(given, ast.Name) and given.id == "info" else None
