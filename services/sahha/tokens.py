"""The account token: fetched once however many callers ask, kept for as long as it lives."""

from dataclasses import dataclass, field

from services.clock import Clock
from services.errors import CredentialRejected
from services.resilience import SingleFlight
from services.sahha.payloads import parse_token
from services.sahha.transport import SahhaTransport, status_error

TOKEN_PATH = "/api/v1/oauth/account/token"  # noqa: S105 - a path
MARGIN_S = 60.0
MARGIN_SHARE = 0.1


@dataclass(frozen=True)
class SahhaAccess:
    """Where Sahha is, and the account credential for it."""

    base_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Held:
    """`fresh_until` is a moment of `Clock.monotonic`; `None`: until it is refused."""

    authorization: str = field(repr=False)
    fresh_until: float | None


class AccountTokens:
    """The value of the Authorization header, current at any time."""

    def __init__(self, transport: SahhaTransport, access: SahhaAccess, clock: Clock) -> None:
        self._transport = transport
        self._access = access
        self._clock = clock
        self._held: _Held | None = None
        self._fetches: SingleFlight[_Held] = SingleFlight()

    async def authorization(self) -> str:
        """`account <token>`, fetched if there is none that is fresh.

        Raises `CredentialRejected` when the account's own credential is refused, else any `UpstreamError`.
        """
        held = self._held
        if held is None or (held.fresh_until is not None and self._clock.monotonic() >= held.fresh_until):
            held = await self._fetches.run("account token", self._fetch)
        return held.authorization

    def refuse(self, authorization: str) -> None:
        """Forget a token that was not accepted. One that has been replaced in the meantime stays."""
        if self._held is not None and self._held.authorization == authorization:
            self._held = None

    async def aclose(self) -> None:
        await self._fetches.aclose()

    async def _fetch(self) -> _Held:
        """One attempt, ended by the transport's own bound: whoever waits for it repeats it as part of their call."""
        asked_at = self._clock.monotonic()
        credential = {"clientId": self._access.client_id, "clientSecret": self._access.client_secret}
        answer = await self._transport.post("token", TOKEN_PATH, credential)
        if answer.status in {400, 401, 403}:
            raise CredentialRejected(f"token: HTTP {answer.status}")
        if answer.status != 200:
            raise status_error("token", answer)
        token = parse_token(answer.body, received_at=self._clock.now())
        self._held = _Held(f"account {token.value}", _fresh_until(asked_at, token.lifetime_s))
        return self._held


def _fresh_until(asked_at: float, lifetime_s: float | None) -> float | None:
    return None if lifetime_s is None else asked_at + lifetime_s - min(MARGIN_S, MARGIN_SHARE * lifetime_s)
