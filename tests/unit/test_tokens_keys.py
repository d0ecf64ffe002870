"""User tokens signed with their issuer's keys, which are read from a URL that is not always there."""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import RedirectResponse, Response, StreamingResponse

from server.key_set import BODY_LIMIT, UNREADABLE, KeySet
from server.tokens import UserTokens
from services.clock import Clock
from services.errors import Unauthenticated, Unavailable
from tests.tokens import AUDIENCE, ISSUER, Issuer, claims, elliptic_key, public, published, rsa_key, signed


@asynccontextmanager
async def tokens_of(issuer: Issuer, **bounds: float) -> AsyncIterator[UserTokens]:
    async with KeySet.opened(issuer.url, **bounds) as keys:
        yield UserTokens(keys, AUDIENCE, ISSUER, Clock())


async def taken(tokens: UserTokens, token: str) -> bool:
    try:
        return (await tokens.holder(token)).user_id == "anna"
    except Unauthenticated:
        return False


def by_rsa(key_id: str = "first", number: int = 0) -> str:
    return signed(claims(), rsa_key(number), "RS256", kid=key_id)


async def test_each_kind_of_key_vouches_for_its_own_algorithm() -> None:
    async with published(public(rsa_key(), "first"), public(elliptic_key(), "curve")) as issuer, tokens_of(issuer) as tokens:
        assert await taken(tokens, by_rsa())
        assert await taken(tokens, signed(claims(), elliptic_key(), "ES256", kid="curve"))
        assert not await taken(tokens, by_rsa("curve"))
        assert not await taken(tokens, signed(claims(), elliptic_key(), "ES256", kid="first"))
        assert not await taken(tokens, signed(claims(), rsa_key(), "RS512", kid="first"))
        assert not await taken(tokens, signed(claims(), rsa_key(), "PS256", kid="first"))
        assert not await taken(tokens, signed(claims(), rsa_key(), "RS256"))
        assert not await taken(tokens, by_rsa("x" * 1000))
        assert not await taken(tokens, signed(claims(), None, "none", kid="first"))
    assert issuer.reads == 1


async def test_a_public_key_is_not_a_shared_secret() -> None:
    """The old trick: a token signed by HS256 with the text of the public key, which everybody has. By hand: PyJWT will not."""
    text = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned, _, _ = signed(claims(), kid="first").rpartition(".")
    signature = urlsafe_b64encode(hmac.digest(text, unsigned.encode(), "sha256")).rstrip(b"=").decode()
    async with published(public(rsa_key(), "first")) as issuer, tokens_of(issuer) as tokens:
        assert not await taken(tokens, f"{unsigned}.{signature}")


SHARED = "secret-secret-secret-secret-secret"


@pytest.mark.parametrize(
    ("key", "token"),
    [
        ({"kid": "k", "kty": "oct", "k": urlsafe_b64encode(SHARED.encode()).decode()}, signed(claims(), SHARED, kid="k")),
        (public(rsa_key(), "k", use="enc"), by_rsa("k")),
        (public(rsa_key(), "k", alg="RS512"), by_rsa("k")),
        (public(rsa_key(), "k", alg="RS512"), signed(claims(), rsa_key(), "RS512", kid="k")),
        (public(rsa_key(), "k", alg="nonsense"), by_rsa("k")),
        ({"kid": "k", "kty": "RSA", "n": "AQAB"}, by_rsa("k")),
        (public(rsa_key(), "k", kid=7), by_rsa("k")),
        ("k", by_rsa("k")),
    ],
    ids=["shared", "for encryption", "RS512", "RS512, so used", "nonsense", "half", "number", "text"],
)
async def test_keys_that_are_for_something_else_are_left_out(key: Any, token: str) -> None:
    async with published(public(rsa_key(1), "other"), key) as issuer, tokens_of(issuer) as tokens:
        assert not await taken(tokens, token)
        assert await taken(tokens, by_rsa("other", 1))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_weak_key_is_refused() -> None:
    async with published(public(rsa_key(9, 1024), "weak")) as issuer, tokens_of(issuer) as tokens:
        assert not await taken(tokens, signed(claims(), rsa_key(9, 1024), "RS256", kid="weak"))


async def test_who_come_together_wait_for_one_read() -> None:
    async with published(public(rsa_key(), "first")) as issuer, tokens_of(issuer) as tokens:
        assert all(await asyncio.gather(*(taken(tokens, by_rsa()) for _ in range(20))))
    assert issuer.reads == 1


async def test_an_unknown_key_is_looked_for_once_in_a_while() -> None:
    async with published(public(rsa_key(), "first")) as issuer, tokens_of(issuer) as tokens:
        assert await taken(tokens, by_rsa())
        issuer.keys.append(public(rsa_key(1), "second"))
        assert not any([await taken(tokens, by_rsa(f"guess-{number}", 1)) for number in range(20)])
    assert issuer.reads == 1


async def test_a_new_key_is_found_and_an_old_one_forgotten() -> None:
    async with published(public(rsa_key(), "first")) as issuer, tokens_of(issuer, pause_s=0) as tokens:
        assert await taken(tokens, by_rsa())
        issuer.keys[:] = [public(rsa_key(1), "second")]
        assert await taken(tokens, by_rsa("second", 1))
        assert not await taken(tokens, by_rsa())


async def test_keys_are_read_again_after_their_time() -> None:
    async with published(public(rsa_key(), "first")) as issuer, tokens_of(issuer, pause_s=0, lifetime_s=0) as tokens:
        assert await taken(tokens, by_rsa())
        issuer.keys[:] = [public(rsa_key(1), "second")]
        assert not await taken(tokens, by_rsa())


def endless() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1024
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="application/json")


def silent() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        await asyncio.sleep(5)
        yield b"{}"

    return StreamingResponse(parts())


BROKEN: dict[str, Callable[[], Response]] = {
    "503": lambda: Response(status_code=503),
    "moved": lambda: RedirectResponse("/keys"),
    "empty": lambda: Response(b""),
    "a list": lambda: Response(b"[]"),
    "no keys": lambda: Response(b'{"keys": []}'),
    "keys of another shape": lambda: Response(b'{"keys": {"kid": "first"}}'),
    "too large": lambda: Response(b" " * (BODY_LIMIT + 1)),
    "endless": endless,
    "silent": silent,
    "not JSON": lambda: Response(b"<html>"),
    "deep": lambda: Response(b"[" * 60_000),
    "not UTF-8": lambda: Response(b'{"keys": "\xff"}'),
    "compressed": lambda: Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_old_keys_go_on_working_and_without_any_it_is_said(fault: str) -> None:
    async with published(public(rsa_key(), "first")) as issuer:
        async with tokens_of(issuer, pause_s=0, lifetime_s=0, deadline_s=0.5) as tokens:
            assert await taken(tokens, by_rsa())
            issuer.answer = BROKEN[fault]()
            assert await taken(tokens, by_rsa())
            assert issuer.reads == 2
        async with tokens_of(issuer, deadline_s=0.5) as tokens:
            with pytest.raises(Unavailable):
                await tokens.holder(by_rsa())


async def test_while_one_reads_the_others_go_on_with_the_old_keys() -> None:
    async with (
        published(public(rsa_key(), "first")) as issuer,
        tokens_of(issuer, lifetime_s=0, pause_s=0, deadline_s=5) as tokens,
    ):
        assert await taken(tokens, by_rsa())
        issuer.answer = silent()
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(taken(tokens, by_rsa()))
            while issuer.reads < 2:
                await asyncio.sleep(0.01)
            assert await taken(tokens, by_rsa())
            assert not reader.done()
            reader.cancel()


async def test_nobody_at_the_url() -> None:
    async with KeySet.opened("http://127.0.0.1:1/keys") as keys:
        with pytest.raises(UNREADABLE):
            await keys.fetch()
        with pytest.raises(Unavailable) as refused:
            await keys.find("first")
    assert (refused.value.code, refused.value.retryable) == ("UNAVAILABLE", True)
