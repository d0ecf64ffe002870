"""The contract in GraphQL's own language. `schema.graphql` holds what this prints; a test fails when they differ."""

from schema.root import build_schema


def print_schema() -> str:
    """The same text on every machine: types by name, fields in the order of the contract."""
    return build_schema().as_str().rstrip() + "\n"
