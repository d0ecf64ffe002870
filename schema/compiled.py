"""Operations as generated code: the ordinary executor's answer to a query, at a fraction of its cost.

A query whose fields below the root are plain attributes is turned, once for each document, operation and value of its
`@skip`/`@include` conditions, into one function for each selection set: a dict literal per object, no await and no call per leaf.
Root resolvers are called as ever, with their own arguments, authorisation and errors. What the compiler does not know
(arguments or resolvers below the root, introspection, other directives, mutations, subscriptions) is left to the ordinary
executor, and so is every value that its type does not take: that executor says what is wrong with it.
`tests/api/test_compiled.py` holds the two against each other.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
    located_error,
    type_from_ast,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values
from graphql.pyutils import Path
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective
from strawberry.schema.schema_converter import CustomGraphQLEnumType

CONDITIONS = {"include": GraphQLIncludeDirective, "skip": GraphQLSkipDirective}
INT_MIN, INT_MAX = -(2**31), 2**31 - 1

Complete = Callable[[Any], Any]


class NotCompilable(Exception):
    """The operation holds something that is left to the ordinary executor."""


class Unexpected(Exception):
    """A value that its type does not take: the ordinary executor says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class RootField:
    """A field of the operation itself: its resolver is called, its answer completed by generated code."""

    key: str
    nodes: list[FieldNode]
    definition: GraphQLField
    resolve: Callable[..., Any]
    complete: Complete
    nullable: bool


class Answer(NamedTuple):
    """As `graphql.ExecutionResult`."""

    data: dict[str, Any] | None
    errors: list[GraphQLError] | None


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """A query, ready to be run any number of times."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root_type: GraphQLObjectType
    fields: tuple[RootField, ...]

    async def run(self, context: object, root_value: object, variables: VariableValues) -> Answer:
        """The answer. Raises `Unexpected`: the same operation has to be run by the ordinary executor."""
        calls = [self._call(root, context, root_value, variables) for root in self.fields]
        results = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
        data: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for root, result in zip(self.fields, results, strict=True):
            if isinstance(result, GraphQLError):
                errors.append(result)
                if not root.nullable:
                    return Answer(None, errors)
                data[root.key] = None
            else:
                data[root.key] = root.complete(result)
        return Answer(data, errors or None)

    async def _call(self, root: RootField, context: object, root_value: object, variables: VariableValues) -> object:
        """What a root resolver gives, or its error, located as the specification asks."""
        path = Path(None, root.key, self.root_type.name)
        try:
            arguments = get_argument_values(root.definition, root.nodes[0], variables)
            info = self._info(root, path, context, root_value, variables)
            result = root.resolve(root_value, info, **arguments)
            return await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises is an error of its field
            return located_error(error, root.nodes, path.as_list())

    def _info(
        self, root: RootField, path: Path, context: object, root_value: object, variables: VariableValues
    ) -> GraphQLResolveInfo[Any]:
        known: dict[str, Any] = {
            "field_name": root.nodes[0].name.value,
            "field_nodes": root.nodes,
            "return_type": root.definition.type,
            "parent_type": self.root_type,
            "path": path,
            "schema": self.schema,
            "fragments": self.fragments,
            "root_value": root_value,
            "operation": self.operation,
            "variable_values": variables,
            "context": context,
            "is_awaitable": inspect.isawaitable,
        }
        fields: dict[str, Any] = {name: known.get(name) for name in GraphQLResolveInfo._fields}
        return GraphQLResolveInfo(**fields)


def compile_operation(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
) -> CompiledOperation:
    """The code of a validated query. Raises `NotCompilable`.

    `variables` decide conditions only: operations with the same `condition_values` share their code.
    """
    if operation.operation is not OperationType.QUERY or operation.directives or schema.query_type is None:
        raise NotCompilable
    compiler = _Compiler(schema, document, variables)
    fields = tuple(
        compiler.root_field(schema.query_type, key, nodes)
        for key, nodes in compiler.collect(schema.query_type, [operation]).items()
    )
    return CompiledOperation(schema, operation, compiler.fragments, schema.query_type, fields)


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """The variables that `@skip` and `@include` read anywhere in a document."""
    names: set[str] = set()

    def walk(nodes: Iterable[Any]) -> None:
        for node in nodes:
            for directive in getattr(node, "directives", None) or ():
                names.update(argument.value.name.value for argument in directive.arguments if argument.value.kind == "variable")
            selections = getattr(node, "selection_set", None)
            if selections is not None:
                walk(selections.selections)

    walk(document.definitions)
    return tuple(sorted(names))


@dataclass(slots=True)
class _Compiler:
    schema: GraphQLSchema
    document: DocumentNode
    variables: VariableValues
    fragments: dict[str, FragmentDefinitionNode] = field(init=False)

    def __post_init__(self) -> None:
        definitions = self.document.definitions
        self.fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}

    def root_field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> RootField:
        definition = self.definition(parent, nodes[0])
        if definition.resolve is None:
            raise NotCompilable
        nullable = not isinstance(definition.type, GraphQLNonNull)
        return RootField(key, nodes, definition, definition.resolve, self.function(definition.type, nodes), nullable)

    def definition(self, parent: GraphQLObjectType, node: FieldNode) -> GraphQLField:
        """The field's definition; introspection is not compiled."""
        found: GraphQLField | None = parent.fields.get(node.name.value)
        if found is None:
            raise NotCompilable
        return found

    def collect(self, parent: GraphQLObjectType, nodes: Iterable[Any]) -> dict[str, list[FieldNode]]:
        """The fields of these nodes' selection sets on a concrete type, by response key, in the order of the document."""
        grouped: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for node in nodes:
            self._collect(parent, node.selection_set.selections, grouped, seen)
        return grouped

    def _collect(
        self,
        parent: GraphQLObjectType,
        selections: Iterable[SelectionNode],
        grouped: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                grouped.setdefault((node.alias or node.name).value, []).append(node)
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in seen:
                    continue
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
            elif isinstance(node, InlineFragmentNode):
                fragment = node
            else:
                raise NotCompilable
            if self._applies(parent, fragment):
                self._collect(parent, fragment.selection_set.selections, grouped, seen)

    def _included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value not in CONDITIONS:
                raise NotCompilable
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))

    def _applies(self, parent: GraphQLObjectType, fragment: InlineFragmentNode | FragmentDefinitionNode) -> bool:
        if fragment.type_condition is None:
            return True
        condition = type_from_ast(self.schema, fragment.type_condition)
        if condition is parent:
            return True
        return is_abstract_type(condition) and self.schema.is_sub_type(condition, parent)

    def function(self, output: GraphQLOutputType, nodes: list[FieldNode]) -> Complete:
        """A function from what a resolver gives to what is sent."""
        source = _Source(self)
        source.add("complete", f"return {source.expression('value', output, nodes)}")
        return source.function("complete")


class _Source:
    """The text of one generated function and of those it calls, and the names that they refer to."""

    def __init__(self, compiler: _Compiler) -> None:
        self._compiler = compiler
        self._names: dict[str, Any] = {"Unexpected": Unexpected, "raise_unexpected": _raise_unexpected}
        self._functions: list[str] = []
        self._count = 0

    def add(self, name: str, body: str) -> None:
        self._functions.append(f"def {name}(value):\n    {body}\n")

    def function(self, name: str) -> Complete:
        exec("\n".join(self._functions), self._names)  # noqa: S102 - made of names of our own schema, never of a caller's text
        generated: Complete = self._names[name]

        def complete(value: object) -> object:
            try:
                return generated(value)
            except (AttributeError, KeyError, TypeError) as error:
                raise Unexpected from error

        return complete

    def expression(self, value: str, output: GraphQLOutputType, nodes: list[FieldNode]) -> str:
        """An expression that completes the expression `value`."""
        if isinstance(output, GraphQLNonNull):
            return self._present(value, output.of_type, nodes)
        held = self._fresh("n")
        return f"(None if ({held} := {value}) is None else {self._present(held, output, nodes)})"

    def _present(self, value: str, output: GraphQLOutputType, nodes: list[FieldNode]) -> str:
        """As `expression`, for a type whose null has been dealt with; an unexpected null is `Unexpected`."""
        if isinstance(output, GraphQLList):
            item = self._fresh("i")
            return f"[{self.expression(item, output.of_type, nodes)} for {item} in {value}]"
        if is_leaf_type(output):
            return self._leaf(value, output)
        if is_object_type(output):
            return f"{self._object(output, nodes)}({value})"
        return f"{self._abstract(output, nodes)}({value})"

    def _object(self, output: GraphQLObjectType, nodes: list[FieldNode]) -> str:
        """The name of a function from a domain object to its dict."""
        name = self._fresh("complete_")
        members = []
        for key, selected in self._compiler.collect(output, nodes).items():
            if selected[0].name.value == "__typename":
                members.append(f"{key!r}: {output.name!r}")
                continue
            definition = self._compiler.definition(output, selected[0])
            attribute = f"value.{_attribute(definition)}"
            members.append(f"{key!r}: {self.expression(attribute, definition.type, selected)}")
        body = "if value is None: raise Unexpected\n    return {" + ", ".join(members) + "}"
        self.add(name, body)
        return name

    def _abstract(self, output: Any, nodes: list[FieldNode]) -> str:  # noqa: ANN401 - an interface or a union
        """The name of a function that finds the concrete type of an object by its class, and completes it as that."""
        name = self._fresh("complete_")
        possible = [
            (concrete.is_type_of, self._object(concrete, nodes)) for concrete in self._compiler.schema.get_possible_types(output)
        ]
        by_class: dict[type, str] = {}
        names = self._names

        def complete(value: object) -> object:
            found = by_class.get(type(value))
            if found is None:
                found = next((each for is_type_of, each in possible if is_type_of and is_type_of(value, NO_INFO)), None)
                if found is None:
                    raise Unexpected
                by_class[type(value)] = found
            return names[found](value)

        self._names[name] = complete
        return name

    def _leaf(self, value: str, output: GraphQLLeafType) -> str:
        """Values of the type itself go through; the type's own `serialize` judges all others."""
        judged = self._fresh("judge_")
        self._names[judged] = _judge(output)
        held = self._fresh("v")
        test = EXACT.get(output.name)
        if isinstance(output, CustomGraphQLEnumType):
            members = self._fresh("names_")
            wrapped: Iterable[Any] = output.wrapped_cls
            self._names[members] = {member: output.serialize(member) for member in wrapped}
            return f"({held} if ({held} := {members}.get({value})) is not None else raise_unexpected())"
        if test is None:
            return f"{judged}({value})"
        return f"({held} if {test.format(f'({held} := {value})', held)} else {judged}({held}))"

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


NO_INFO: Any = None
"""Our `is_type_of` look at the object alone."""
EXACT = {
    "String": "type({0}) is str",
    "ID": "type({0}) is str",
    "Boolean": "type({0}) is bool",
    "Int": f"type({{0}}) is int and {INT_MIN} <= {{1}} <= {INT_MAX}",
    "Float": "type({0}) is float and {1} - {1} == 0",
}
"""Tests under which a leaf is already what is sent: {0} binds it, {1} reads it."""


def _judge(output: GraphQLLeafType) -> Callable[[Any], Any]:
    serialize = output.serialize

    def judge(value: object) -> object:
        if value is None:
            raise Unexpected
        try:
            return serialize(value)
        except Exception as error:
            raise Unexpected from error

    return judge


def _attribute(definition: GraphQLField) -> str:
    """The attribute that a field reads. Raises `NotCompilable` for fields with arguments or a resolver."""
    plain = getattr(definition.resolve, "_is_default", False)
    if definition.args or not plain:
        raise NotCompilable
    name: str = definition.extensions["strawberry-definition"].python_name
    if not name.isidentifier():
        raise NotCompilable
    return name


def _raise_unexpected() -> None:
    raise Unexpected
