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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
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
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
    located_error,
    type_from_ast,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values
from graphql.pyutils import Path
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective
from strawberry import Info
from strawberry.schema.schema_converter import CustomGraphQLEnumType
from strawberry.types.field import StrawberryField

from schema.scalars import write_date_time

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

    definition: GraphQLField
    info: GraphQLResolveInfo[Any]
    """What a resolver is told, but for what differs from one run to the next."""
    resolve: Callable[..., Any]
    complete: Complete

    @property
    def key(self) -> str:
        return str(self.info.path.key)

    @property
    def nullable(self) -> bool:
        return not isinstance(self.definition.type, GraphQLNonNull)


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """A query, ready to be run any number of times."""

    fields: tuple[RootField, ...]

    async def run(self, context: object, root_value: object, variables: VariableValues) -> ExecutionResult:
        """The answer. Raises `Unexpected`: the same operation has to be run by the ordinary executor."""
        calls = [self._call(root, context, root_value, variables) for root in self.fields]
        results = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
        data: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for root, result in zip(self.fields, results, strict=True):
            if isinstance(result, GraphQLError):
                errors.append(result)
                if not root.nullable:
                    return ExecutionResult(None, errors)
                data[root.key] = None
            else:
                data[root.key] = root.complete(result)
        return ExecutionResult(data, errors or None)

    async def _call(self, root: RootField, context: object, root_value: object, variables: VariableValues) -> object:
        """What a root resolver gives, or its error, located as the specification asks."""
        nodes = root.info.field_nodes
        try:
            arguments = get_argument_values(root.definition, nodes[0], variables)
            info = root.info._replace(context=context, root_value=root_value, variable_values=variables)
            result = root.resolve(info, **arguments)
            return await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises is an error of its field
            return located_error(error, nodes, root.info.path.as_list())


def compile_operation(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
) -> CompiledOperation:
    """The code of a validated query. Raises `NotCompilable`.

    `variables` decide conditions only: operations with the same `condition_values` share their code.
    """
    if operation.operation is not OperationType.QUERY or operation.directives or schema.query_type is None:
        raise NotCompilable
    compiler = _Compiler(schema, document, operation, variables)
    selected = compiler.collect(schema.query_type, [operation])
    return CompiledOperation(tuple(compiler.root_field(schema.query_type, key, nodes) for key, nodes in selected.items()))


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
    operation: OperationDefinitionNode
    variables: VariableValues
    fragments: dict[str, FragmentDefinitionNode] = field(init=False)

    def __post_init__(self) -> None:
        definitions = self.document.definitions
        self.fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}

    def root_field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> RootField:
        definition = self.definition(parent, nodes[0])
        known = {
            "field_name": nodes[0].name.value,
            "field_nodes": nodes,
            "return_type": definition.type,
            "parent_type": parent,
            "path": Path(None, key, parent.name),
            "schema": self.schema,
            "fragments": self.fragments,
            "operation": self.operation,
        }
        told: dict[str, Any] = {name: known.get(name) for name in GraphQLResolveInfo._fields}
        resolve, complete = _resolver(definition), self.function(definition.type, nodes)
        return RootField(definition, GraphQLResolveInfo(**told), resolve, complete)

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
            for selected in self._selected(parent, node.selection_set.selections, seen):
                grouped.setdefault((selected.alias or selected.name).value, []).append(selected)
        return grouped

    def _selected(self, parent: GraphQLObjectType, nodes: Iterable[SelectionNode], seen: set[str]) -> Iterator[FieldNode]:
        """The fields among these nodes and in their fragments, of which each that has a name is opened once."""
        for node in filter(self._included, nodes):
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._opened(parent, node, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                yield from self._opened(parent, self.fragments[node.name.value], seen)

    def _opened(
        self, parent: GraphQLObjectType, fragment: InlineFragmentNode | FragmentDefinitionNode, seen: set[str]
    ) -> Iterator[FieldNode]:
        condition = parent if fragment.type_condition is None else type_from_ast(self.schema, fragment.type_condition)
        if condition is parent or (is_abstract_type(condition) and self.schema.is_sub_type(condition, parent)):
            yield from self._selected(parent, fragment.selection_set.selections, seen)

    def _included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value not in CONDITIONS:
                raise NotCompilable
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))

    def function(self, output: GraphQLOutputType, nodes: list[FieldNode]) -> Complete:
        """A function from what a resolver gives to what is sent."""
        source = _Source(self)
        source.add("complete", f"return {source.expression('value', output, nodes)}")
        return source.function("complete")


class _Source:
    """The text of one generated function and of those it calls, and the names that they refer to."""

    def __init__(self, compiler: _Compiler) -> None:
        self._compiler = compiler
        self._names: dict[str, Any] = {"Unexpected": Unexpected, "datetime": datetime, "timezone": timezone, "written": _written}
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
        judged, held = self._fresh("judge_"), self._fresh("v")
        self._names[judged] = _judge(output)
        test, sent = EXACT.get(output.name), held
        if isinstance(output, CustomGraphQLEnumType):
            members: Iterable[Any] = output.wrapped_cls
            if all(output.serialize(member) == member.name for member in members):
                kind = self._fresh("kind_")
                self._names[kind] = output.wrapped_cls
                test, sent = f"type({{0}}) is {kind}", f"{held}._name_"
        if output.name == "DateTime":
            test, sent = "type({0}) is datetime and type({1}.tzinfo) is timezone", f"written({held}, {held}.tzinfo)"
        if test is None:
            return f"{judged}({value})"
        return f"({sent} if {test.format(f'({held} := {value})', held)} else {judged}({held}))"

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


@lru_cache(maxsize=4096)
def _written(moment: datetime, _offset: timezone) -> str:
    """Remembered, since most instants of a day are asked for again; equal ones of another offset are written otherwise."""
    return write_date_time(moment)


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


def _resolver(definition: GraphQLField) -> Callable[..., object]:
    """The function behind a root field: what Strawberry does on the way to it changes nothing in arguments that are leaves."""
    field: StrawberryField = definition.extensions["strawberry-definition"]
    names = {name: argument.extensions["strawberry-definition"].python_name for name, argument in definition.args.items()}
    leaves = all(is_leaf_type(get_named_type(argument.type)) for argument in definition.args.values())
    if field.base_resolver is None or field.extensions or not leaves:
        raise NotCompilable
    function = cast("Callable[..., object]", field.base_resolver.wrapped_func)
    if inspect.signature(function).parameters.keys() != {"info", *names.values()}:
        raise NotCompilable

    def resolve(info: GraphQLResolveInfo[Any], **arguments: object) -> object:
        return function(info=Info(info, field), **{names[name]: value for name, value in arguments.items()})

    return resolve


def _attribute(definition: GraphQLField) -> str:
    """The attribute that a field reads. Raises `NotCompilable` for fields with arguments or a resolver."""
    plain = getattr(definition.resolve, "_is_default", False)
    if definition.args or not plain:
        raise NotCompilable
    name: str = definition.extensions["strawberry-definition"].python_name
    if not name.isidentifier():
        raise NotCompilable
    return name
