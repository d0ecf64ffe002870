"""What concerns the account and not a person's data: its token, and the profile that says whose data it is."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field, ValidationError

from services.errors import UpstreamMalformed
from services.sahha.lexical import UtcMoment, Word, number
from services.sahha.payloads.rows import Payload, document_of, reason_of


@dataclass(frozen=True, slots=True)
class SahhaProfile:
    """`data_last_received_at`: when the person's device last sent anything; `None` when it never did."""

    external_id: str
    data_last_received_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountToken:
    """`lifetime_s` counts from its receipt; `None` when neither the answer nor the token tells."""

    value: str = field(repr=False)
    lifetime_s: float | None


class _ProfilePayload(Payload):
    external_id: Word
    data_last_received_at_utc: UtcMoment = None


class _TokenPayload(Payload):
    account_token: Annotated[str, Field(strict=True, min_length=1, max_length=16_384, pattern=r"^[\x21-\x7e]+$")]
    expires_in: Any = None


def parse_profile(body: bytes) -> SahhaProfile:
    """The profile of a body. Raises `UpstreamMalformed` when it does not say whose it is."""
    try:
        payload = _ProfilePayload.model_validate(document_of(body, "profile"))
    except ValidationError as error:
        raise UpstreamMalformed(f"profile: {reason_of(error)}") from None
    return SahhaProfile(payload.external_id, payload.data_last_received_at_utc)


def parse_token(body: bytes, *, received_at: datetime) -> AccountToken:
    """The account token of a body, its life from `expiresIn` (number or text), else from the token's own `exp`.

    Raises `UpstreamMalformed` when there is no token.
    """
    try:
        payload = _TokenPayload.model_validate(document_of(body, "token"))
    except ValidationError as error:
        raise UpstreamMalformed(f"token: {reason_of(error)}") from None
    lifetime_s = _positive(payload.expires_in)
    if lifetime_s is None:
        expires_at = _positive(_claims(payload.account_token).get("exp"))
        lifetime_s = None if expires_at is None else max(0.0, expires_at - received_at.timestamp())
    return AccountToken(payload.account_token, lifetime_s)


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified: it is our own credential and only its life is read. Empty when it is none."""
    segments = token.split(".")
    if len(segments) != 3:
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(segments[1] + "=" * (-len(segments[1]) % 4)))
    except (binascii.Error, orjson.JSONDecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _positive(value: object) -> float | None:
    found = number(str(value).strip()) if isinstance(value, str | int | float) else None
    return found if found and found > 0 else None
