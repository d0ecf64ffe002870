"""The model writes, the code keeps time: a finished day gets better words, block by block, or keeps those that it has.

Whatever the model does, the day that comes out is the draft or better, and verified.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from services.clock import Clock
from services.domain.ids import UserId
from services.domain.routine import CheckVerdict, ModelUsage, Plan, PlanCheck, Planner, TimeBlock
from services.domain.writing import BlockText, SummaryText, WritingBrief
from services.errors import ModelFailed, ModelFailureKind
from services.planning.changes import Trigger
from services.planning.fingerprint import Versions
from services.planning.planner import PlannedDay, finish
from services.planning.speculation import material_difference
from services.planning.tone import tone
from services.planning.verifier import verify
from services.planning.writer_manuscript import Manuscript

ATTEMPTS = (2, 1)
"""Calls that the first question may take, and the one that asks again for what did not get in (reliability.md, section 3)."""
LEAST_FOR_AGAIN_S = 5.0
"""With less time left nothing is asked again."""
ASKED_AGAIN = frozenset({ModelFailureKind.CUT, ModelFailureKind.MALFORMED, ModelFailureKind.TIMEOUT})
"""Failures after which the missing blocks are asked for once more. Length, refusals and filters would only repeat themselves."""
CHECK = "text.author"

log = structlog.get_logger()


class Model(Protocol):
    """What writes. `version` and `prompt_version` name all that its words depend on besides the brief."""

    name: str
    version: str
    prompt_version: str

    def write(
        self, brief: WritingBrief, user_id: UserId, *, within_s: float, attempts: int
    ) -> AsyncGenerator[BlockText | SummaryText | ModelUsage, None]:
        """Raises `ModelFailed`; what came before it stays good."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a model has written for a day: for the draft `planned`, and perhaps for a later one that is much the same."""

    planned: PlannedDay
    texts: tuple[BlockText, ...] = ()
    summary: SummaryText | None = None


@dataclass(frozen=True, slots=True)
class WrittenBlock:
    """A block as the day will show it. `text` is the model's, `None` where the draft's words stand."""

    block: TimeBlock
    planner: Planner
    text: BlockText | None


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """The whole day, verified: the last event. `failure` is why the model's words are not in it, or not all of them."""

    planned: PlannedDay
    words: Words
    failure: ModelFailureKind | None

    @property
    def plan(self) -> Plan:
        return self.planned.plan


@dataclass(slots=True)
class _Session:
    """One day's writing as it goes on."""

    manuscript: Manuscript
    usage: ModelUsage | None = None
    failure: ModelFailureKind | None = None
    kept: int = 0

    def spent(self, usage: ModelUsage) -> None:
        had = self.usage or ModelUsage(0, 0, 0)
        self.usage = ModelUsage(
            had.input_tokens + usage.input_tokens,
            had.cached_input_tokens + usage.cached_input_tokens,
            had.output_tokens + usage.output_tokens,
        )


class Writer:
    """Finds words for finished days. `deadline_s` bounds all that one day takes."""

    def __init__(self, model: Model, deadline_s: float) -> None:
        self._model = model
        self._deadline_s = deadline_s

    @property
    def versions(self) -> Versions:
        """What a day's hash holds where this writer takes part, whoever wrote it in the end."""
        return Versions(prompt=self._model.prompt_version, model=self._model.version)

    def without_asking(self) -> "Writer":
        """One that takes earlier words over and asks for none: what they do not cover has the draft's."""
        return Writer(self._model, 0)

    async def write(
        self, planned: PlannedDay, user_id: UserId, *, earlier: Words | None = None, trigger: Trigger = Trigger.ASKED
    ) -> AsyncGenerator[WrittenBlock | WrittenDay, None]:
        """Each block once, as soon as it is settled, and then the day.

        `trigger` is what a replan was made for. `earlier` are words for a day that may be the same (written on stored data while
        the live read ran): what still holds is taken over at once, and only the rest is asked for. Raises nothing but what
        cancels it. Close it (`aclosing`) when it is left early: the model stops writing then.
        """
        session = _Session(Manuscript(planned))
        for written in self._take_over(session, earlier):
            yield written
        async with aclosing(self._asked(session, user_id)) as blocks:
            async for written in blocks:
                yield written
        for block in session.manuscript.left():
            yield WrittenBlock(block, Planner.RULES, None)
        yield self._day(session, trigger)

    def _take_over(self, session: _Session, earlier: Words | None) -> Iterable[WrittenBlock]:
        """What earlier words still hold: their block is the same, down to the values it rests on, and all rules are kept."""
        manuscript = session.manuscript
        if earlier is None or not _same_situation(earlier.planned, manuscript.planned):
            return
        moved = material_difference(earlier.planned, manuscript.planned)
        for text in earlier.texts:
            block = None if text.block in moved else manuscript.take(text)
            if block is not None:
                session.kept += 1
                yield WrittenBlock(block, Planner.OPENAI, text)
        if earlier.summary is not None and not manuscript.open:
            manuscript.sum_up(earlier.summary)

    async def _asked(self, session: _Session, user_id: UserId) -> AsyncGenerator[WrittenBlock, None]:
        """What the model writes, asked a second time for what did not get in."""
        manuscript = session.manuscript
        if manuscript.planned.situation.forbids_exertion:
            # The words of such a day are the library's own: nothing is left to chance where a professional should be asked.
            return
        until = Clock.monotonic() + self._deadline_s
        for again, attempts in enumerate(ATTEMPTS):
            left_s = until - Clock.monotonic()
            if not manuscript.open or (again and left_s < LEAST_FOR_AGAIN_S):
                return
            async with aclosing(self._answered(session, user_id, left_s, attempts)) as blocks:
                async for written in blocks:
                    yield written
            if session.failure is not None and session.failure not in ASKED_AGAIN:
                return
            manuscript.complain_of_missing()

    async def _answered(
        self, session: _Session, user_id: UserId, within_s: float, attempts: int
    ) -> AsyncGenerator[WrittenBlock, None]:
        """One question and its answer. A failure ends it and is kept in the session."""
        manuscript, session.failure = session.manuscript, None
        try:
            answer = self._model.write(manuscript.brief(), user_id, within_s=within_s, attempts=attempts)
            async with aclosing(answer) as outputs:
                async for output in outputs:
                    if isinstance(output, ModelUsage):
                        session.spent(output)
                    elif isinstance(output, SummaryText):
                        manuscript.sum_up(output)
                    elif (block := manuscript.take(output)) is not None:
                        yield WrittenBlock(block, Planner.OPENAI, output)
        except ModelFailed as failure:
            session.failure = failure.kind
            log.warning("[WRITER] The model failed", kind=failure.kind.name, reason=failure.reason)
        except Exception:
            # The draft stands whatever happens here: a bug must not cost a person their plan.
            session.failure = ModelFailureKind.INTERNAL
            log.exception("[WRITER] A model's answer could not be used")

    def _day(self, session: _Session, trigger: Trigger) -> WrittenDay:
        manuscript, planned = session.manuscript, session.manuscript.planned
        previous = planned.situation.inputs.previous
        by_model = bool(manuscript.texts) or (previous is not None and previous.planner is Planner.OPENAI)
        finished = finish(
            verify(manuscript.day, planned.situation),
            planned.situation,
            planner=Planner.OPENAI if by_model else Planner.RULES,
            told=_told(planned, manuscript.summary),
            trigger=trigger,
            versions=self.versions,
        )
        plan = replace(
            finished.plan,
            checks=(*finished.plan.checks, _authorship(session, self._model.name)),
            model=self._model.name if by_model else None,
            usage=session.usage,
        )
        words = Words(planned, tuple(manuscript.texts.values()), manuscript.summary)
        log.info(
            "[WRITER] Written",
            blocks=len(plan.time_blocks),
            by_model=len(manuscript.texts),
            taken_over=session.kept,
            failure=session.failure and session.failure.name,
            broken=sorted({rule for rules in manuscript.broken.values() for rule in rules}),
        )
        return WrittenDay(replace(finished, plan=plan), words, session.failure)


def _same_situation(before: PlannedDay, after: PlannedDay) -> bool:
    """Whether both days are to be spoken of in the same tone, whatever their blocks hold."""
    first, second = before.situation, after.situation
    return (first.energy, first.needs, first.careful, tone(first)) == (second.energy, second.needs, second.careful, tone(second))


def _told(planned: PlannedDay, summary: SummaryText | None) -> str | None:
    """The model's words, and after them ours on what the day was made from: those are never left out."""
    return None if summary is None else f"{summary.text} {planned.plan.summary}"


def _authorship(session: _Session, model: str) -> PlanCheck:
    """Who wrote what, and why it is not all the model's."""
    manuscript = session.manuscript
    titles = [block.kind.title for block in manuscript.day.blocks]
    written = [title for title in titles if title in manuscript.texts]
    left = [title for title in titles if title not in manuscript.texts and title in manuscript.open]
    if written and not left:
        detail = f"The words were written by {model}; times, choices and readings come from rules."
        return PlanCheck(CHECK, CheckVerdict.PASSED, detail, None)
    reason = _reason(session)
    if not written:
        return PlanCheck(CHECK, CheckVerdict.NOT_APPLICABLE, f"All words come from the task library: {reason}.", None)
    detail = f"Written by {model}: {', '.join(written)}. From the task library: {', '.join(left)}, because {reason}."
    return PlanCheck(CHECK, CheckVerdict.REPAIRED, detail, None)


def _reason(session: _Session) -> str:
    manuscript = session.manuscript
    if manuscript.planned.situation.forbids_exertion:
        return "a day without exertion is told in our own words"
    if session.failure is not None:
        return session.failure.value
    if not manuscript.open:
        return "nothing had to be written"
    rules = sorted({rule for rules in manuscript.broken.values() for rule in rules})
    return f"the model's words did not keep to {', '.join(rules) or 'what was asked for'}"
