"""One account of Sahha: its credential, the tokens given out, its people and what they have told about themselves."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from server.standins.generated import Crowd
from server.standins.people import Person
from server.standins.questions import Refused
from services.clock import Clock
from services.domain.schedule import zone

TOKEN_LIFE = timedelta(hours=24)
MOST_TOKENS = 10_000
MOST_REGISTERED = 10_000
MOST_DOCUMENTS = 10_000


class TokenRules(BaseModel):
    """How account tokens are given out from now on. `as_text`: `expiresIn` is a string, as older answers had it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    life_s: float = Field(TOKEN_LIFE.total_seconds(), gt=0, le=31 * 24 * 3600)
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A token that was given out: until when it lives, and for a profile token whose it is."""

    expires_at: datetime
    external_id: str | None = None


@dataclass(slots=True)
class Account:
    """`bodies`: people whose answers lie in files. `people`: everybody else who is known from the start."""

    client_id: str
    client_secret: str
    clock: Clock
    people: Mapping[str, Person]
    crowd: Crowd
    bodies: Mapping[str, Path]
    token_rules: TokenRules = field(default_factory=TokenRules)
    registered: dict[str, Person] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    documents: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, Given] = field(default_factory=dict)

    def ids(self) -> Iterator[str]:
        """Everybody's, in a fixed order."""
        known = (*self.people, *self.bodies, *self.registered, *self.crowd)
        return (external_id for external_id in known if external_id not in self.removed)

    def knows(self, external_id: str) -> bool:
        return external_id in self.bodies or self._found(external_id) is not None

    def person(self, external_id: str) -> Person:
        """The person behind an id. Raises `Refused`: 410 for one who was deleted, 404 for one who never was."""
        if external_id in self.removed:
            raise Refused(410, "The profile has been removed", "externalId")
        found = self._found(external_id)
        if found is None:
            raise Refused(404, "Profile not found", "externalId")
        return found

    def _found(self, external_id: str) -> Person | None:
        return self.people.get(external_id) or self.registered.get(external_id) or self.crowd.get(external_id)

    def register(self, external_id: str) -> None:
        """A new person without data. Raises `Refused` for an id that is taken or cannot be one."""
        taken = self.knows(external_id) or external_id in self.removed
        if taken or not 1 <= len(external_id) <= 128 or len(self.registered) >= MOST_REGISTERED:
            raise Refused(400, "externalId cannot be used", "externalId")
        self.registered[external_id] = Person(id=external_id, zone=zone("UTC"), silent=True)

    def remove(self, external_id: str) -> None:
        """Forget a person: from now on they answer 410."""
        if external_id not in self.bodies:
            self.person(external_id)
        self.registered.pop(external_id, None)
        self.removed[external_id] = None
        for key in [key for key in self.documents if key[1] == external_id]:
            del self.documents[key]

    def keep(self, kind: str, external_id: str, document: dict[str, Any]) -> None:
        """What somebody told about themselves; the oldest is forgotten when there is too much."""
        self.documents.pop((kind, external_id), None)
        if len(self.documents) >= MOST_DOCUMENTS:
            del self.documents[next(iter(self.documents))]
        self.documents[kind, external_id] = document

    def issue(self, life: timedelta | None = None, external_id: str | None = None) -> str:
        """A new token in the form of a JWT: the account's, or a profile's. The oldest is forgotten when there are too many."""
        expires_at = self.clock.now() + (life or timedelta(seconds=self.token_rules.life_s))
        claims: dict[str, Any] = {"exp": int(expires_at.timestamp())}
        if external_id is not None:
            claims["https://api.sahha.ai/claims/profileId"] = f"profile-{external_id}"
        parts = (b'{"alg":"none"}', orjson.dumps(claims), secrets.token_bytes(24))
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        if len(self._tokens) >= MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = Given(expires_at, external_id)
        return token

    def pair(self, external_id: str) -> dict[str, Any]:
        """A profile token and the refresh token that replaces it once."""
        refresh_token = secrets.token_urlsafe(24)
        if len(self.refresh_tokens) >= MOST_TOKENS:
            del self.refresh_tokens[next(iter(self.refresh_tokens))]
        self.refresh_tokens[refresh_token] = external_id
        token = self.issue(TOKEN_LIFE, external_id)
        life_s = int(TOKEN_LIFE.total_seconds())
        return {"profileToken": token, "refreshToken": refresh_token, "expiresIn": life_s, "tokenType": "Profile"}

    def admit(self, authorization: str) -> Given:
        """Who the header speaks for: `account <token>` or `profile <token>` with a token of that kind that lives.

        Sahha does not take `Bearer`. Raises `Refused` with 401.
        """
        scheme, _, token = authorization.partition(" ")
        given = self._tokens.get(token)
        if given is None or self.clock.now() >= given.expires_at:
            raise Refused(401, "Unauthorized", "Authorization")
        if scheme.lower() != ("account" if given.external_id is None else "profile"):
            raise Refused(401, "Unauthorized", "Authorization")
        return given

    def revoke(self) -> None:
        """Every token given out so far is refused from now on, as when they expire or are revoked between two calls."""
        self._tokens.clear()
