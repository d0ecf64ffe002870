"""Documents that are known by their hash: what a company's own apps send, so that production can be locked to them.

A request names one by `documentId`, "sha256:" and 64 hexadecimal digits (GraphQL over HTTP, persisted documents), or as Apollo
does by `extensions.persistedQuery.sha256Hash`. Such a document is held to everything that others are held to, at start; the
switch for introspection alone does not concern it, since whoever made the list has read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from services.errors import BadUserInput, ServiceError

PREFIX = "sha256:"


class DocumentNotFound(ServiceError):
    """The message is the one that Apollo's clients look for: they send the document next, which strict mode then refuses."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 404

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


def hash_of(document: str) -> str:
    """SHA-256 of the document's UTF-8, in lower-case hexadecimal digits."""
    return sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class PersistedDocuments:
    """`by_hash`: the documents. `only`: the schema runs no other one."""

    by_hash: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    only: bool = False

    def asked_for(self, members: Mapping[str, object]) -> object:
        """The document of a request: its member `query`, whatever that is, or the one that it names.

        Raises `DocumentNotFound` and `BadUserInput`.
        """
        query = members.get("query")
        named = _named(members)
        if named is None:
            return query
        if not query:
            if named not in self.by_hash:
                raise DocumentNotFound
            return self.by_hash[named]
        if not isinstance(query, str) or hash_of(query) != named:
            raise BadUserInput("The document is not the one that its hash names.", ("query",))
        return query


def names_document(members: Mapping[str, object]) -> bool:
    """Whether a request names its document by a hash, however badly."""
    extensions = members.get("extensions")
    return members.get("documentId") is not None or (isinstance(extensions, dict) and "persistedQuery" in extensions)


def _named(members: Mapping[str, object]) -> str | None:
    """The hash that a request names. Raises `BadUserInput`."""
    identifier = members.get("documentId")
    if identifier is not None:
        if not isinstance(identifier, str) or not identifier.startswith(PREFIX):
            raise BadUserInput(f"documentId has to be {PREFIX} and the hash of a document.", ("documentId",))
        return identifier.removeprefix(PREFIX).lower()
    extensions = members.get("extensions")
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if persisted is None:
        return None
    named = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(named, str):
        raise BadUserInput("persistedQuery needs sha256Hash.", ("extensions", "persistedQuery"))
    return named.lower()
