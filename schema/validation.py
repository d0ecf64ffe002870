"""The validation of a document, each once: the limits first, then the rules of the specification, with bounds of our own."""

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    ValueNode,
    VariableDefinitionNode,
    specified_rules,
    validate,
)
from graphql.language import SKIP, ArgumentNode, VisitorAction
from graphql.utilities.validate_input_value import validate_input_literal
from graphql.validation import ASTValidationRule, OverlappingFieldsCanBeMergedRule, ValidationContext, ValuesOfCorrectTypeRule
from graphql.validation.validate import ValidationAbortedError

from schema.errors import MOST_ERRORS, refusal
from schema.limits import Limits, check_document, exceeded

MOST_COMPARISONS = 20_000
"""Units of graphql-core's own budget, which is 500,000: this one lasts for some 15 ms. Real documents need a few hundred."""
GIVEN_UP = "Validation aborted."
"""What graphql-core says when that budget, or the one for fragments, is spent."""


class RefuseValues(ValuesOfCorrectTypeRule):
    """GraphQL's own rule for literals; what it refuses says where, as `InvalidInput.field` does."""

    outermost = ""

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        self.outermost = node.name.value

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: object) -> None:
        self.outermost = node.variable.name.value

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        if input_type is not None:
            validate_input_literal(node, input_type, self._refuse, None, None, self.context.hide_suggestions)
        return SKIP

    def _refuse(self, error: GraphQLError, path: list[str | int]) -> None:
        self.report_error(refusal(error, [self.outermost, *path]))


class CompareFields(OverlappingFieldsCanBeMergedRule):
    """GraphQL's own rule, which compares fields pair by pair, given up early."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MOST_COMPARISONS


OURS: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
    ValuesOfCorrectTypeRule: RefuseValues,
    OverlappingFieldsCanBeMergedRule: CompareFields,
}
RULES: tuple[type[ASTValidationRule], ...] = tuple(OURS.get(rule, rule) for rule in specified_rules)


def check(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits, *, introspection: bool, suggestions: bool
) -> list[GraphQLError]:
    """Why a document is not run; at most `MOST_ERRORS` reasons, and one more that says so.

    `suggestions`: errors may name what is there where something is not.
    """
    too_much = check_document(document, limits, introspection=introspection)
    if too_much is not None:
        return [too_much]
    errors = validate(schema, document, RULES, MOST_ERRORS, hide_suggestions=not suggestions)
    return [_told(error) for error in errors]


def _told(error: GraphQLError) -> GraphQLError:
    if isinstance(error, ValidationAbortedError) and error.message == GIVEN_UP:
        return exceeded(
            "comparisons", None, MOST_COMPARISONS, "The same fields or fragments are asked for too often to compare them."
        )
    return error
