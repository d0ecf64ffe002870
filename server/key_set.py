"""The public keys of whoever issues user tokens, read from JWT_JWKS_URL (a JSON Web Key Set, RFC 7517) and kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import structlog
from jwt import PyJWK, PyJWKSet, PyJWTError

from services.clock import Clock
from services.errors import Unavailable

ALGORITHMS = frozenset({"RS256", "ES256"})
"""Keys for anything else are left out, above all shared secrets: what anybody can read cannot vouch for anybody."""
LIFETIME_S = 600.0
"""For so long the keys are taken as they are."""
PAUSE_S = 10.0
"""Between two reads, whatever the tokens say that come meanwhile."""
DEADLINE_S = 3.0
BODY_LIMIT = 64 * 1024
"""Bytes; a set of ten RSA keys with their certificates takes a quarter of it."""
KEY_ID_LENGTH = 256
UNREADABLE = (httpx.HTTPError, PyJWTError, ValueError)
"""What reading the keys can raise, beside a deadline's end."""

log = structlog.get_logger()


class KeySet:
    """Keys by their id. One read at a time; while the URL cannot be read, the keys of the last good read go on working."""

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        *,
        lifetime_s: float = LIFETIME_S,
        pause_s: float = PAUSE_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._url = url
        self._http = http
        self._lifetime_s = lifetime_s
        self._pause_s = pause_s
        self._deadline_s = deadline_s
        self._keys: dict[str, PyJWK] = {}
        self._reading = asyncio.Lock()
        self._fresh_until = 0.0
        self._next_read_at = 0.0

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, **bounds: float) -> AsyncIterator["KeySet"]:
        """Read at the first question, not before. No redirects, and nothing from the environment or a netrc file.

        `bounds` in place of the ones above: `lifetime_s`, `pause_s`, `deadline_s`.
        """
        async with httpx.AsyncClient(timeout=DEADLINE_S, follow_redirects=False, trust_env=False) as http:
            yield cls(url, http, **bounds)

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key of this id, read anew when it is not known; `None` when there is none. Takes `DEADLINE_S` at most twice.

        Raises `Unavailable` when no key could ever be read.
        """
        if key_id is None or len(key_id) > KEY_ID_LENGTH:
            return None
        known = self._keys.get(key_id)
        if known is not None and (Clock.monotonic() < self._fresh_until or self._reading.locked()):
            return known
        async with self._reading:
            now = Clock.monotonic()
            if now >= self._next_read_at and (key_id not in self._keys or now >= self._fresh_until):
                await self._read()
        if not self._keys:
            raise Unavailable("The keys that tokens are checked with cannot be read. Try again.")
        return self._keys.get(key_id)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                keys = await self.fetch()
        except (*UNREADABLE, TimeoutError) as error:
            log.warning("[TOKENS] JWT_JWKS_URL cannot be read", reason=type(error).__name__, kept=len(self._keys))
        else:
            self._keys = keys
            self._fresh_until = Clock.monotonic() + self._lifetime_s
        self._next_read_at = Clock.monotonic() + self._pause_s

    async def fetch(self) -> dict[str, PyJWK]:
        """The keys at the URL that a token can be checked with, by id.

        Raises what is in `UNREADABLE`. The time that it takes in all is the caller's to bound.
        """
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        async with self._http.stream("GET", self._url, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"HTTP {response.status_code}")
            async for part in response.aiter_raw():
                body += part
                if len(body) > BODY_LIMIT:
                    raise ValueError(f"a body over {BODY_LIMIT} bytes")
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise ValueError("not an object")  # noqa: TRY004 - what was read is wrong, not who called
        keys = {
            key.key_id: key
            for key in PyJWKSet.from_dict(document)
            if isinstance(key.key_id, str) and key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"}
        }
        if not keys:
            raise ValueError("no key that tokens can be checked with")
        return keys
