"""From what a caller presents to who they are.

`x-api-key`, or the same key as `Authorization: Bearer`, or a user token in the key's place; on a WebSocket any of them in the
payload of `connection_init`, or in the headers of the upgrade.
"""

from collections.abc import Mapping

from server.tokens import UserTokens, looks_like_token
from services.accounts import Keyring, Principal
from services.errors import Unauthenticated

BEARER = "bearer "


class Callers:
    """Everybody who may call: the owners of keys, and the holders of user tokens where the settings ask for them."""

    def __init__(self, keyring: Keyring, tokens: UserTokens | None) -> None:
        self._keyring = keyring
        self._tokens = tokens

    async def identify(self, *places: Mapping[str, object]) -> Principal:
        """Who presents a key or a token in the first of these places (headers, connection parameters) that holds one.

        Raises `Unauthenticated`, whose message alone says what is wrong; for a token also as `UserTokens.holder`.
        """
        presented = next(filter(None, map(presented_key, places)), None)
        if presented is None:
            raise Unauthenticated("A key is needed: send it as x-api-key.")
        principal = self._keyring.authenticate(presented)
        if principal is not None:
            return principal
        if self._tokens is not None and looks_like_token(presented):
            return await self._tokens.holder(presented)
        raise Unauthenticated("This key is not known.")


def presented_key(fields: Mapping[str, object]) -> str | None:
    """The key or token among these headers or connection parameters; their names are compared without case."""
    found = {name.lower(): value for name, value in fields.items() if isinstance(value, str)}
    key = found.get("x-api-key")
    if key:
        return key
    authorization = found.get("authorization", "")
    return authorization[len(BEARER) :].strip() or None if authorization.lower().startswith(BEARER) else None
