"""Rules on what a plan says: its numbers, and the values it rests on."""

from collections.abc import Callable
from dataclasses import replace

from services.domain.freshness import SLEEP_BOUND, fresh_biomarker, fresh_score, parse_instant
from services.domain.health import Biomarker, TimestampRepair
from services.domain.routine import Evidence, EvidenceKind
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.facts import shortest
from services.planning.nights import DURATION_TYPES, nights
from services.planning.rules.numbers import allowed_numbers, numbers_in, stray_numbers
from services.planning.rules.rule import OURS, Rule, Strength, Verdict, Violation, blame, not_applicable, passed, spoken
from services.planning.tone import purpose, why
from services.planning.wording import plain_text

SLEEP_TYPES = frozenset({"sleep_start_time", "sleep_end_time", *DURATION_TYPES})


def _loose_numbers(plan: DayPlan, situation: Situation) -> list[Violation]:
    """Tasks whose words hold a number that stands nowhere; and block words, which may hold none at all."""
    found = [
        blame(task, "held a number that no reading of it gives")
        for task in plan.open_tasks
        if stray_numbers(f"{task.title} {task.description}", task.evidence, situation, allowed_numbers(task, situation))
    ]
    words = (f"{block.purpose} {block.why_it_matters or ''}" for block in plan.open_blocks)
    if any(numbers_in(text) for text in words):
        found.append(Violation("The words of a block held a number."))
    return found


def plain_words(plan: DayPlan, violation: Violation, situation: Situation) -> DayPlan:
    """The library's own words take their place.

    Without a task to blame, our own words for the blocks.
    """
    if not violation.tasks:
        return DayPlan(tuple(_own_words(block, situation) for block in plan.blocks))
    return plan.rewritten(lambda task: _plain(task) if task.template.key in violation.tasks else task)


def _own_words(block: PlannedBlock, situation: Situation) -> PlannedBlock:
    if block.kept is not None:
        return block
    return replace(block, purpose=purpose(block.kind, situation), why_it_matters=why(block.kind, situation))


def _numbers_kept(plan: DayPlan, _situation: Situation) -> Verdict:
    cited = sum(bool(task.evidence) for task in plan.tasks)
    if not plan.tasks:
        return not_applicable("The plan has no tasks.")
    return passed(
        f"Every number in the words stands in a reading, a time, the task library or a rule; {cited} task(s) cite readings."
    )


def _plain(task: PlannedTask) -> PlannedTask:
    return replace(task, title=task.template.title, description=plain_text(task.template, task.minutes))


def _stale_or_invented(plan: DayPlan, situation: Situation) -> list[Violation]:
    known = _citable(situation)
    return [
        blame(task, "rested on a value that is old or not among the readings")
        for task in plan.open_tasks
        if any(_identity(item) not in known for item in task.evidence)
    ]


def _identity(item: Evidence) -> tuple[object, ...]:
    return item.kind, item.type, item.value, item.unit, item.measured_at, item.source


def _citable(situation: Situation) -> frozenset[tuple[object, ...]]:
    """What may be evidence: every fresh value of the read, exactly as stored."""
    records, moment = situation.inputs.records, situation.fresh_at
    known: set[tuple[object, ...]] = set()
    for row in records.biomarkers:
        dated = row.repair in {TimestampRepair.NONE, TimestampRepair.START}
        if dated and fresh_biomarker(row, moment) and _night_is_fresh(row, situation):
            known.add((EvidenceKind.BIOMARKER, row.type, row.value, row.value_unit, row.measured_at, row.source))
    for score in records.scores:
        if not fresh_score(score, moment):
            continue
        known.add((EvidenceKind.SCORE, score.type, shortest(score.score), None, score.measured_at, score.source))
        for factor in score.factors:
            value = shortest(factor.value)
            known.add((EvidenceKind.FACTOR, factor.name, value, factor.unit, score.measured_at, score.source))
    return frozenset(known)


def _night_is_fresh(row: Biomarker, situation: Situation) -> bool:
    """A sleep's age counts from its end, where the row says when that was."""
    ended = parse_instant(row.value) if row.type == "sleep_end_time" else None
    return ended is None or situation.fresh_at - ended <= SLEEP_BOUND


def _without_unknown(plan: DayPlan, violation: Violation, situation: Situation) -> DayPlan:
    """The value goes, and with it the words that may quote it."""
    known = _citable(situation)
    return _citing_only(plan, violation, lambda item: _identity(item) in known)


def _citing_only(plan: DayPlan, violation: Violation, keep: Callable[[Evidence], bool]) -> DayPlan:
    """The tasks to blame lose the other evidence, and the words that may quote it."""

    def mend(task: PlannedTask) -> PlannedTask:
        if task.template.key not in violation.tasks:
            return task
        return replace(_plain(task), evidence=tuple(item for item in task.evidence if keep(item)))

    return plan.rewritten(mend)


def _data_kept(plan: DayPlan, situation: Situation) -> Verdict:
    cited = {_identity(item): item for task in plan.open_tasks for item in task.evidence}
    if not cited:
        return not_applicable("No reading is fresh enough to be cited, so none is.")
    oldest = max(situation.inputs.records.as_of - item.measured_at for item in cited.values())
    return passed(f"{len(cited)} fresh reading(s) cited; the oldest was measured {spoken(oldest)} before it was read.")


def _night_values(situation: Situation) -> frozenset[tuple[object, ...]]:
    """What the rows of nights say: type, value and time of measurement."""
    found = nights(situation.inputs.month.biomarkers, situation.tz, situation.inputs.ready_at)
    rows = (row for night in found for row in (night.start_row, night.end_row, night.duration_row) if row is not None)
    return frozenset((row.type, row.value, row.measured_at) for row in rows)


def _of_a_night(item: Evidence, known: frozenset[tuple[object, ...]]) -> bool:
    speaks_of_sleep = item.kind is EvidenceKind.BIOMARKER and item.type in SLEEP_TYPES
    return not speaks_of_sleep or (item.type, item.value, item.measured_at) in known


def _not_of_a_night(plan: DayPlan, situation: Situation) -> list[Violation]:
    known = _night_values(situation)
    return [
        blame(task, "took a nap, or the sleep of another day, for a night")
        for task in plan.open_tasks
        if not all(_of_a_night(item, known) for item in task.evidence)
    ]


def _nights_only(plan: DayPlan, violation: Violation, situation: Situation) -> DayPlan:
    """The value goes, and with it the words that may quote it."""
    known = _night_values(situation)
    return _citing_only(plan, violation, lambda item: _of_a_night(item, known))


def _night_kept(_plan: DayPlan, situation: Situation) -> Verdict:
    night = situation.digest.night
    if night is None:
        return not_applicable("No recorded night is recent enough to be used.")
    return passed(f"The night that was used ended on {night.day.isoformat()} by the clock of your time zone.")


WORD_RULES = (
    Rule(
        id="night.day",
        strength=Strength.HARD,
        statement="A night belongs to the local day of waking; naps are apart from it.",
        number="sleep over 3 h with waking before 15:00; for night-shift workers the longest sleep",
        citation=OURS,
        applies="a recorded night is used",
        explain=_night_kept,
        violations=_not_of_a_night,
        repair=_nights_only,
    ),
    Rule(
        id="data",
        strength=Strength.HARD,
        statement="A value used is fresh and stands among the readings.",
        number="sleep and scores at most 36 h, vitals 72 h",
        citation=OURS,
        applies="a reading is cited",
        explain=_data_kept,
        violations=_stale_or_invented,
        repair=_without_unknown,
    ),
    Rule(
        id="text.numbers",
        strength=Strength.HARD,
        statement="A number in a text stands in the task's evidence, its own times, its library entry or its rule.",
        number="exact after rounding as shown",
        citation=OURS,
        applies="the plan has tasks",
        explain=_numbers_kept,
        violations=_loose_numbers,
        repair=plain_words,
    ),
)
