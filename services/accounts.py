"""Who is calling: keys and what they allow."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.domain.ids import UserId


class Scope(Enum):
    """ADMIN: everything. SERVICE: on behalf of any person, no admin fields."""

    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` is one caller's alone and safe to log: the name of a key, or `user:` and the id of a person.

    `user_id` is set for a caller who is one person; such a caller has no scopes.

    `expires_at`: the instant of the service's clock from which on the caller has to say again who they are; `None` for a key.
    """

    subject: str
    scopes: frozenset[Scope]
    user_id: UserId | None = None
    expires_at: datetime | None = None


class Keyring:
    """The keys of this process. Keys are held and compared as SHA-256, in constant time."""

    def __init__(self, admin_key: str, service_keys: Mapping[str, str]) -> None:
        """`service_keys`: name to SHA-256 in hexadecimal."""
        admin = Principal("admin", frozenset({Scope.ADMIN, Scope.SERVICE}))
        self._principals = [(_digest(admin_key), admin)]
        self._principals += [
            (digest, Principal(f"service:{name}", frozenset({Scope.SERVICE}))) for name, digest in service_keys.items()
        ]

    def authenticate(self, key: str) -> Principal | None:
        """The owner of a key, or `None`. Looks at every key, so that time tells nothing."""
        presented = _digest(key)
        found = None
        for digest, principal in self._principals:
            if hmac.compare_digest(digest, presented):
                found = principal
        return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
