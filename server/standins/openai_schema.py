"""What the provider accepts as a strict schema, as far as it is documented; it refuses the rest only when it is asked.

Limits: docs/openai-sdk.md, section "Strict schema limits".
"""

from collections.abc import Iterator
from typing import Any

MOST_PROPERTIES = 5_000
MOST_LEVELS = 10
MOST_CHARACTERS = 120_000
MOST_ENUM_VALUES = 1_000
LARGE_ENUM = 250
MOST_CHARACTERS_OF_A_LARGE_ENUM = 15_000
KEYWORDS = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    }
)
"""All that a schema may use: no default, no lengths, no allOf, not, if, dependent..."""

Schema = dict[str, Any]


def schema_problems(schema: object) -> list[str]:
    """Why the provider would refuse this schema; empty when it would not."""
    if not isinstance(schema, dict):
        return ["the schema is not an object"]
    found = list(_problems(schema, "#", 1))
    if schema.get("type") != "object" or "anyOf" in schema:
        found.append("#: the root has to be an object and no anyOf")
    nodes = list(_nodes(schema))
    if sum(len(node.get("properties", {})) for node in nodes) > MOST_PROPERTIES:
        found.append(f"#: more than {MOST_PROPERTIES} properties")
    enums = [node["enum"] for node in nodes if isinstance(node.get("enum"), list)]
    if sum(map(len, enums)) > MOST_ENUM_VALUES:
        found.append(f"#: more than {MOST_ENUM_VALUES} enum values")
    if any(len(enum) > LARGE_ENUM and sum(len(str(each)) for each in enum) > MOST_CHARACTERS_OF_A_LARGE_ENUM for enum in enums):
        found.append("#: a large enum with too many characters")
    if sum(_characters(node) for node in nodes) > MOST_CHARACTERS:
        found.append(f"#: more than {MOST_CHARACTERS} characters of names and values")
    return found


def _problems(schema: Schema, path: str, level: int) -> Iterator[str]:
    if level > MOST_LEVELS:
        yield f"{path}: deeper than {MOST_LEVELS} levels"
        return
    for keyword in sorted(schema.keys() - KEYWORDS):
        yield f"{path}: {keyword} is not permitted"
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            yield f"{path}: additionalProperties has to be false"
        if set(schema.get("required", ())) != set(properties):
            yield f"{path}: every property has to be required"
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        yield f"{path}: an array without items"
    for name, child in _children(schema):
        yield from _problems(child, f"{path}/{name}", level + 1)


def _children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for keyword in ("properties", "$defs"):
        held = schema.get(keyword)
        yield from held.items() if isinstance(held, dict) else ()
    if isinstance(schema.get("items"), dict):
        yield "items", schema["items"]
    for index, each in enumerate(schema.get("anyOf", ())):
        yield f"anyOf/{index}", each


def _nodes(schema: Schema) -> Iterator[Schema]:
    yield schema
    for _, child in _children(schema):
        yield from _nodes(child)


def _characters(node: Schema) -> int:
    names = sum(len(name) for keyword in ("properties", "$defs") for name in node.get(keyword, {}))
    return names + sum(len(str(value)) for value in node.get("enum", ())) + len(str(node.get("const", "")))
