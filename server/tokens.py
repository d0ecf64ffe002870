"""User tokens: JSON Web Tokens (RFC 7519) with which a person's own app calls, for that person alone.

What a token may be signed with follows from the settings and never from the token: HS256 with JWT_SECRET; RS256 or ES256,
whichever the key is for, with a key of JWT_JWKS_URL.
"""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import jwt
from jwt import PyJWK, PyJWTError

from resolvers.arguments import person_id
from server.key_set import KeySet
from services.accounts import Principal
from services.clock import Clock
from services.config import Settings
from services.domain.ids import UserId
from services.errors import BadUserInput, TokenExpired, Unauthenticated

LEEWAY = timedelta(seconds=60)
"""By how much the issuer's clock may differ from ours (reliability.md, T10)."""
TOKEN_LENGTH = 8192
SHARED_SECRET_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm
CLAIMS = ["exp", "sub", "aud", "iss"]


class TokenKeys(Protocol):
    """What tokens are checked with. A key knows the one algorithm that it is for."""

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key for a token that names this one. Raises `Unavailable`."""
        ...


class SharedSecret:
    """The one key of JWT_SECRET, whatever a token names."""

    def __init__(self, secret: str) -> None:
        encoded = urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
        self._key = PyJWK({"kty": "oct", "k": encoded}, SHARED_SECRET_ALGORITHM)

    async def find(self, key_id: str | None) -> PyJWK | None:  # noqa: ARG002 - there is only one
        return self._key


class UserTokens:
    """Tokens of one issuer for one audience."""

    def __init__(self, keys: TokenKeys, audience: str, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings, clock: Clock) -> AsyncIterator["UserTokens | None"]:
        """As the settings say; `None` where they ask for no tokens."""
        if settings.jwt_audience is None or settings.jwt_issuer is None:
            yield None
        elif settings.jwt_secret is not None:
            secret = SharedSecret(settings.jwt_secret.get_secret_value())
            yield cls(secret, settings.jwt_audience, settings.jwt_issuer, clock)
        elif settings.jwt_jwks_url is not None:
            async with KeySet.opened(settings.jwt_jwks_url) as keys:
                yield cls(keys, settings.jwt_audience, settings.jwt_issuer, clock)

    async def holder(self, token: str) -> Principal:
        """The person whose token this is.

        Raises `TokenExpired`; `Unauthenticated` for anything else that is wrong with it, without a word on what; and
        `Unavailable` when there is nothing to check it with.
        """
        try:
            claims = await self._claims(token)
            user_id = person_id(claims["sub"])
            expires_at = self._clock.from_system(datetime.fromtimestamp(int(claims["exp"]), UTC))
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (PyJWTError, BadUserInput, ValueError, OverflowError, OSError):
            raise Unauthenticated("This token is not valid.") from None
        return Principal(f"user:{user_id}", frozenset(), user_id, expires_at)

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_LENGTH or not token.isascii():
            raise jwt.InvalidTokenError
        key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise jwt.InvalidTokenError
        return jwt.decode(
            token,
            key,
            [key.algorithm_name],
            {"require": CLAIMS, "enforce_minimum_key_length": True},
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY,
        )


def looks_like_token(presented: str) -> bool:
    """Whether this has the three parts of a signed token, which no key of ours has."""
    return presented.count(".") == 2


def mint(settings: Settings, user_id: UserId, lifetime: timedelta) -> str:
    """A token for a person, signed with JWT_SECRET, as this service takes it. Raises `ValueError` where that is not set."""
    if settings.jwt_secret is None:
        raise ValueError("JWT_SECRET is missing: tokens are signed with it.")
    now = Clock().now()
    claims = {
        "sub": user_id,
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), SHARED_SECRET_ALGORITHM)
