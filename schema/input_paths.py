"""Where a value stands among the arguments of a document: the path that a refusal names. Used on errors only."""

from collections.abc import Callable

from graphql import BREAK, Node, VariableNode, Visitor, VisitorAction, parse, visit
from graphql.language import ArgumentNode, ObjectFieldNode, VariableDefinitionNode

Matches = Callable[[Node], bool]


class _Finder(Visitor):
    def __init__(self, matches: Matches) -> None:
        super().__init__()
        self.path: list[str | int] = []
        self._matches = matches

    def enter(
        self, node: Node, _key: str | int | None, parent: object, keys: list[str | int], ancestors: list[object]
    ) -> VisitorAction:
        if isinstance(parent, VariableDefinitionNode) or not self._matches(node):
            return None
        line = [*ancestors, parent, node][1:]
        for before, key, each in zip(["", *keys], keys, line, strict=False):
            if isinstance(each, ArgumentNode | ObjectFieldNode):
                self.path.append(each.name.value)
            elif before == "values" and isinstance(key, int):
                self.path.append(key)
        return BREAK


def path_to_variable(query: str | None, name: str) -> list[str | int]:
    """Of the first place at which the variable is used; its own name when it is used nowhere."""
    found = _find(query, lambda node: isinstance(node, VariableNode) and node.name.value == name)
    return found or [name]


def path_to_node(query: str | None, wanted: Node) -> list[str | int]:
    """Of a value node of this document, recognised by its position."""
    start = wanted.loc.start if wanted.loc else -1
    kind = wanted.kind
    return _find(query, lambda node: node.kind == kind and node.loc is not None and node.loc.start == start)


def _find(query: str | None, matches: Matches) -> list[str | int]:
    finder = _Finder(matches)
    visit(parse(query or "{ __typename }"), finder)
    return finder.path
