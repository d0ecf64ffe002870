"""The schema as the settings want it, and the file of persisted documents: `firstlight persist` makes it, the start reads it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from schema.execution import FirstlightSchema, InvalidPersistedDocument, OperationRules
from schema.limits import Limits
from schema.persisted import PersistedDocuments, hash_of
from schema.root import build_schema
from server.starting import StartError
from services.config import Settings, Switch


def open_schema(settings: Settings) -> FirstlightSchema:
    """Raises `StartError` where a persisted document is not what its hash says or could not be run, and names the entry."""
    path = settings.persisted_documents
    rules = OperationRules(
        limits=Limits(tokens=settings.max_tokens, depth=settings.max_depth, aliases=settings.max_aliases, cost=settings.max_cost),
        introspection=settings.introspects,
        deadline_s=settings.operation_deadline_s,
        persisted=PersistedDocuments(read_documents(path) if path else {}, only=settings.persisted_only is Switch.ON),
    )
    try:
        return build_schema(rules)
    except InvalidPersistedDocument as error:
        raise StartError(f"PERSISTED_DOCUMENTS: {error}") from None


def read_documents(path: Path) -> dict[str, str]:
    """The documents of a file, by their hashes. Raises `StartError`."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StartError(f"PERSISTED_DOCUMENTS: {path} cannot be read as JSON: {type(error).__name__}.") from None
    if not isinstance(held, dict) or not all(isinstance(document, str) for document in held.values()):
        raise StartError(f"PERSISTED_DOCUMENTS: {path} has to be an object of documents by their hashes.")
    for name, document in held.items():
        if hash_of(document) != name:
            raise StartError(f"PERSISTED_DOCUMENTS: {name} is not the SHA-256 of its document.")
    return held


def persist_command(
    files: Annotated[list[Path], typer.Argument(help="Files of one GraphQL document each, with the fragments that it uses.")],
) -> None:
    """Print the documents of these files by their hashes, for PERSISTED_DOCUMENTS. Exit code 2 for one that could not be run."""
    try:
        by_file = {str(file): file.read_text("utf-8") for file in files}
        build_schema(OperationRules(persisted=PersistedDocuments(by_file)))
    except (OSError, UnicodeDecodeError, InvalidPersistedDocument) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    documents = {hash_of(document): document for document in by_file.values()}
    typer.echo(json.dumps(documents, indent=2, sort_keys=True, ensure_ascii=False))
