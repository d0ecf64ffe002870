"""Where a value stands among the arguments of a document: the path that a refusal names. Used on errors only."""

from collections.abc import Callable
from functools import cached_property

from graphql import BREAK, DocumentNode, Node, VariableNode, Visitor, VisitorAction, parse, visit
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


class ValuePaths:
    """The values of one document, which is valid."""

    def __init__(self, query: str | None) -> None:
        self._query = query

    @cached_property
    def _document(self) -> DocumentNode:
        return parse(self._query or "{ __typename }")

    def to_variable(self, name: str) -> list[str | int]:
        """To the first place at which the variable is used; its own name when it is used nowhere."""
        return self._find(lambda node: isinstance(node, VariableNode) and node.name.value == name) or [name]

    def to_node(self, wanted: Node) -> list[str | int]:
        """To a value node of this document, recognised by its position."""
        start = wanted.loc.start if wanted.loc else -1
        kind = wanted.kind
        return self._find(lambda node: node.kind == kind and node.loc is not None and node.loc.start == start)

    def _find(self, matches: Matches) -> list[str | int]:
        finder = _Finder(matches)
        visit(self._document, finder)
        return finder.path
