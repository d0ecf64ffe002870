"""User tokens signed with the shared secret: who is taken for whom, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tokens import TOKEN_LENGTH, SharedSecret, UserTokens, mint
from services.accounts import Principal
from services.clock import Clock
from services.config import load_settings
from services.domain.ids import UserId
from services.errors import TokenExpired, Unauthenticated
from tests.tokens import AUDIENCE, ISSUER, SECRET, TOKEN_SETTINGS, claims, rsa_key, signed, token_of

TOKENS = UserTokens(SharedSecret(SECRET), AUDIENCE, ISSUER, Clock())
NOT_VALID = "This token is not valid."
EXPIRED = "This token has expired."
REQUIRED = ("sub", "aud", "iss", "exp")


async def refusal(token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await TOKENS.holder(token)
    return refused.value.message


async def test_a_token_is_its_subject() -> None:
    content = claims("anna")
    until = datetime.fromtimestamp(content["exp"], UTC)
    assert await TOKENS.holder(signed(content)) == Principal("user:anna", frozenset(), UserId("anna"), until)


async def test_the_end_is_on_the_clock_of_the_service() -> None:
    ahead = timedelta(days=3)
    content = claims("anna")
    holder = await UserTokens(SharedSecret(SECRET), AUDIENCE, ISSUER, Clock(ahead)).holder(signed(content))
    assert holder.expires_at == datetime.fromtimestamp(content["exp"], UTC) + ahead


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "anna@host", "ünïcode ✓", " spaces ", "../../etc"])
async def test_every_id_of_a_person_can_be_a_subject(user_id: str) -> None:
    assert (await TOKENS.holder(token_of(user_id))).user_id == user_id


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["another", AUDIENCE]])
async def test_one_of_several_audiences_is_enough(audience: object) -> None:
    assert (await TOKENS.holder(signed(claims(aud=audience)))).user_id == "anna"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
async def test_clocks_may_differ_by_a_minute(name: str) -> None:
    ahead = claims(valid_for_s=-50 if name == "exp" else 50)["exp"]
    assert (await TOKENS.holder(signed(claims() | {name: ahead}))).user_id == "anna"


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_and_by_no_more(name: str) -> None:
    assert await refusal(signed(claims() | {name: claims(valid_for_s=70)["exp"]})) == NOT_VALID


async def test_a_token_that_is_over_says_so_and_no_more() -> None:
    with pytest.raises(TokenExpired) as refused:
        await TOKENS.holder(token_of("anna", valid_for_s=-61))
    assert refused.value.message == EXPIRED
    assert refused.value.code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "content",
    [
        *[{other: value for other, value in claims().items() if other != name} for name in REQUIRED],
        *[claims() | {name: None} for name in REQUIRED],
        claims(aud="another"),
        claims(aud=["another"]),
        claims(aud=[]),
        claims(aud={AUDIENCE: True}),
        claims(iss="https://issuer.tests/"),
        claims(iss=[ISSUER]),
        claims(""),
        claims("x" * 129),
        claims("nul\x00byte"),
        claims(7),
        claims(["anna"]),
        claims(exp="soon"),
        claims(exp=10**18),
        claims(exp=253_402_300_799),
        claims(exp=[]),
        claims(exp=1e308),
    ],
)
async def test_claims_that_are_not_as_they_have_to_be(content: dict[str, Any]) -> None:
    tokens = UserTokens(SharedSecret(SECRET), AUDIENCE, ISSUER, Clock(timedelta(days=1)))
    with pytest.raises(Unauthenticated) as refused:
        await tokens.holder(signed(content))
    assert refused.value.message == NOT_VALID


@pytest.mark.parametrize(
    "token",
    [
        signed(claims(), None, None),
        signed(claims(), None, "none"),
        signed(claims(), SECRET, "HS384"),
        signed(claims(), SECRET, "HS512"),
        signed(claims(), rsa_key(), "RS256"),
        signed(claims(), SECRET + "x"),
        signed(claims(), "x" * 42),
    ],
    ids=["no algorithm", "none", "HS384", "HS512", "RS256", "a longer secret", "another secret"],
)
async def test_the_algorithm_and_the_key_are_those_of_the_settings(token: str) -> None:
    assert await refusal(token) == NOT_VALID


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-2],
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.replace(".", ".e30.", 1),
        lambda token: token + " ",
        lambda token: "\ud800" + token,
        lambda token: token + "é",
        lambda token: token + "A" * TOKEN_LENGTH,
        lambda _: "..",
        lambda _: "W" * 3000 + ".e30.e30",
        lambda _: token_of("anna", padding="x" * TOKEN_LENGTH),
    ],
)
async def test_a_token_that_was_changed(change: Any) -> None:
    assert await refusal(change(token_of("anna"))) == NOT_VALID


@given(st.text(), st.binary(), st.text())
async def test_whatever_is_presented_the_answer_is_the_same(head: str, body: bytes, tail: str) -> None:
    assert await refusal(f"{head}.{body.hex()}.{tail}") == NOT_VALID


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    st.lists,
    max_leaves=5,
)


@given(st.sampled_from(["aud", "iss"]), ANYTHING)
async def test_whatever_a_careless_issuer_signs_the_answer_is_the_same(name: str, value: object) -> None:
    assert await refusal(signed(claims() | {name: value})) == NOT_VALID


@given(ANYTHING.filter(lambda value: not isinstance(value, int | float)))
async def test_whatever_a_careless_issuer_calls_the_end_the_answer_is_the_same(value: object) -> None:
    assert await refusal(signed(claims(exp=value))) in {NOT_VALID, EXPIRED}


async def test_a_minted_token_is_taken() -> None:
    settings = load_settings(_env_file=None, **TOKEN_SETTINGS)
    async with UserTokens.opened(settings, Clock()) as tokens:
        assert tokens is not None
        holder = await tokens.holder(mint(settings, UserId("anna"), timedelta(minutes=5)))
    assert (holder.user_id, holder.scopes) == ("anna", frozenset())


async def test_without_settings_there_are_no_tokens() -> None:
    settings = load_settings(_env_file=None)
    async with UserTokens.opened(settings, Clock()) as tokens:
        assert tokens is None
    with pytest.raises(ValueError, match="JWT_SECRET"):
        mint(settings, UserId("anna"), timedelta(minutes=5))
