"""From what a caller presents to who they are.

`x-api-key`, or the same key as `Authorization: Bearer`; on a WebSocket either of them in the payload of `connection_init`, or
in the headers of the upgrade.
"""

from collections.abc import Mapping

from services.accounts import Keyring, Principal
from services.errors import Unauthenticated

BEARER = "bearer "


def presented_key(fields: Mapping[str, object]) -> str | None:
    """The key among these headers or connection parameters; their names are compared without case."""
    found = {name.lower(): value for name, value in fields.items() if isinstance(value, str)}
    key = found.get("x-api-key")
    if key:
        return key
    authorization = found.get("authorization", "")
    return authorization[len(BEARER) :].strip() or None if authorization.lower().startswith(BEARER) else None


def authenticate(keyring: Keyring, key: str | None) -> Principal:
    """The owner of the key. Raises `Unauthenticated`; a wrong key and none differ in their message alone."""
    if key is None:
        raise Unauthenticated("A key is needed: send it as x-api-key.")
    principal = keyring.authenticate(key)
    if principal is None:
        raise Unauthenticated("This key is not known.")
    return principal
