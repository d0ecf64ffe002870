"""User tokens as an issuer makes them, good and bad, and the issuer's keys on loopback."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.standins.serving import serve_standin

SECRET = "a-secret-of-the-tests-that-is-long-enough-for-every-algorithm-of-its-kind"
AUDIENCE = "firstlight-tests"
ISSUER = "https://issuer.tests"
DAY_S = 86_400
TOKEN_SETTINGS = {"jwt_secret": SECRET, "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def claims(user_id: object = "anna", *, valid_for_s: float = DAY_S, **others: object) -> dict[str, Any]:
    """A good token's claims, and others in their place. Good for a day: some are made when tests are collected."""
    now = int(time.time())
    return {"sub": user_id, "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + valid_for_s, **others}


def signed(content: dict[str, Any], key: Any = SECRET, algorithm: str | None = "HS256", **headers: str) -> str:
    """A token whose claims are whatever they are: PyJWT's own encoder refuses some that have to be tried."""
    return jwt.PyJWS().encode(orjson.dumps(content), key, algorithm, headers)


def token_of(user_id: str, **others: Any) -> str:
    """A good token of this person."""
    return signed(claims(user_id, **others))


def rsa_key(number: int = 0, size: int = 2048) -> rsa.RSAPrivateKey:
    """One for each number, made once a run."""
    return _rsa_key(number, size)


@cache
def _rsa_key(_number: int, size: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, size)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: PrivateKey, key_id: str, **members: object) -> dict[str, Any]:
    """The JSON Web Key that an issuer publishes."""
    if isinstance(key, rsa.RSAPrivateKey):
        described = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        described = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kid": key_id, "use": "sig", **described, **members}


@dataclass
class Issuer:
    """Its keys, as they are published at `url`. `answer` is given in their place; `reads` counts."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    answer: Response | None = None
    reads: int = 0

    async def publish(self, _request: Request) -> Response:
        self.reads += 1
        return self.answer or Response(orjson.dumps({"keys": self.keys}), media_type="application/json")


@asynccontextmanager
async def published(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    """An issuer whose keys can be read for the length of the block."""
    issuer = Issuer(keys=list(keys))
    async with serve_standin(Starlette(routes=[Route("/keys", issuer.publish)])) as url:
        issuer.url = f"{url}/keys"
        yield issuer
