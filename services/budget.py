"""What the model may cost: tokens of a person, and of everybody, in a UTC day. Durable, and the same for all replicas.

Tokens are set aside before a call and corrected after it. What is never corrected, because the process died or the answer came
too late to tell its cost, stays counted in full: what is charged for can never be more than what is counted.
"""

from dataclasses import dataclass
from datetime import date

import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.ids import UserId
from services.errors import ModelFailed, ModelFailureKind, Unavailable
from services.store import model_spend
from services.store.database import Database

log = structlog.get_logger()


class _Spent(Exception):
    """Rolls the reservation back."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens that were set aside for one call of a person."""

    database: Database
    user_id: UserId
    day: date
    tokens: int

    async def settle(self, used: int) -> None:
        """Count what was used instead. Never raises: where the store is away, all that was set aside stays counted."""
        if used == self.tokens:
            return
        try:
            async with self.database.transaction() as connection:
                await model_spend.correct(connection, self.user_id, self.day, used - self.tokens)
        except Unavailable:
            log.warning("[BUDGET] A call stays counted in full", tokens_set_aside=self.tokens)


class TokenBudget:
    """The budgets `DAILY_TOKENS_PER_PERSON` and `DAILY_TOKENS`."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._of_person = settings.daily_tokens_per_person
        self._of_everybody = settings.daily_tokens
        self._clock = clock

    async def reserve(self, user_id: UserId, tokens: int) -> Reservation:
        """Set tokens aside.

        Raises `ModelFailed` (BUDGET): they are not left today, the person was erased, or the store is away and cannot tell.
        """
        day = self._clock.now().date()
        try:
            await self._set_aside(user_id, day, tokens)
        except _Spent as spent:
            log.warning("[BUDGET] Used up for today", whose=str(spent), tokens_wanted=tokens)
            raise ModelFailed(ModelFailureKind.BUDGET, f"the tokens {spent} are used up") from None
        except Unavailable:
            raise ModelFailed(ModelFailureKind.BUDGET, "the store cannot tell what is left") from None
        return Reservation(self._database, user_id, day, tokens)

    async def _set_aside(self, user_id: UserId, day: date, tokens: int) -> None:
        async with self._database.transaction() as connection:
            if not await model_spend.reserve_person(connection, user_id, day, tokens, self._of_person):
                raise _Spent("of this person")
            if not await model_spend.reserve_total(connection, day, tokens, self._of_everybody):
                raise _Spent("of everybody")
