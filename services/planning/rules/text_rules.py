"""Rules on words, whoever wrote them: plain, safe, and true to the readings.

What they blame is told in the library's words: a text that breaks a rule is not repeated.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.domain.routine import Evidence
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.library.template import Caffeine, Effort, TaskTemplate
from services.planning.recovery import Energy
from services.planning.rules.numbers import stands_in
from services.planning.rules.rule import OURS, Rule, Strength, Verdict, Violation, not_applicable, passed
from services.planning.rules.text_lexicon import (
    ANY_CLAIM,
    ANY_EFFORT,
    ANYTHING,
    CAFFEINE,
    CLAIMS,
    COMMON,
    HARD_EFFORT,
    HARMFUL,
    MACHINE_TALK,
    MARKUP,
    MEDICAL,
    MODERATE_EFFORT,
    NUMBER_WORDS,
    PRAISE,
    TIRED,
    UNITS,
)
from services.planning.rules.word_rules import plain_words
from services.planning.tone import purpose, why
from services.planning.wording import FREE, FULL, plain_text

TITLE = (3, 60)
DESCRIPTION = (10, 400)
BLOCK_WORDS = (10, 240)
SUMMARY = (20, 500)
"""Least and most characters."""
LONGEST_WORD = 30
SAME_LETTER = re.compile(r"([^\W\d_])\1{3,}", re.IGNORECASE)
SAME_WORD = 5
"""A word of more than three letters comes at most so often in one text."""
WORDS_THAT_TELL = 8
COMMON_SHARE = 0.1
SHOUTED = 0.6
LATIN_ENDS = 0x250
ODD_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "No", "Nl", "So", "Sk", "Zl", "Zp"})
STEM = 4
MEASURE = re.compile(r"(?<![\w.,:])(\d+(?:[.,:]\d+)*)[\s-]*([A-Za-z%]+)")
SPOKEN_MEASURE = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})[\s-]+([A-Za-z%]+)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
LETTERS = re.compile(r"[^\W\d_]+")
UNIT = re.compile(r"[A-Za-z%]+")
CAPITAL = re.compile(r"[A-Z]")

Measure = tuple[str, str]
"""A number as shown, and the family of its unit."""


@dataclass(frozen=True, slots=True)
class Words:
    """One text with what may be said in it. `own`: our words on the same; `known`: types of the readings it rests on.

    `said` is what is left of the text without our own sentences. `effort` is what the task asks for, or the most in a block.
    """

    text: str
    said: str
    own: str
    bounds: tuple[int, int]
    effort: Effort
    caffeine: bool
    known: frozenset[str]


def plain_problems(words: Words) -> Iterator[str]:
    """Why a text is not a few plain English sentences. Our own words are."""
    text = words.said
    if words.text and not text:
        return
    least, most = words.bounds
    if not least <= len(words.text) <= most:
        yield f"must have {least} to {most} characters"
    ordinary = text.isascii() and text.isprintable()
    if not ordinary and any(unicodedata.category(character) in ODD_CATEGORIES for character in text):
        yield "must be letters, digits and punctuation on one line"
    if MARKUP.search(text):
        yield "must not hold links, addresses or markup"
    if _said(MACHINE_TALK, words):
        yield "must speak to the person about the task alone"
    if not _in_english(text):
        yield "must be in plain English"


def safety_problems(words: Words, situation: Situation) -> Iterator[str]:
    """What a text suggests that this day, or any day, must not hold."""
    if not words.said:
        return
    if _said(MEDICAL, words):
        yield "must not speak of illness, treatment, substances or effects on them"
    if _said(HARMFUL, words):
        yield "must not suggest what can do harm"
    if not words.caffeine and _said(CAFFEINE, words):
        yield "must not suggest caffeine"
    if words.effort < Effort.HARD and _said(HARD_EFFORT, words):
        yield "must not ask for hard effort"
    elif words.effort < Effort.MODERATE and _said(MODERATE_EFFORT, words):
        yield "must not ask for more effort than the task does"
    elif situation.forbids_exertion and _said(ANY_EFFORT, words):
        yield "must not ask for any exertion on this day"


def claim_problems(words: Words, situation: Situation) -> Iterator[str]:
    """What a text says of readings that are not there, or that say something else."""
    if not words.said:
        return
    for pattern, types in CLAIMS if ANY_CLAIM.search(words.said) else ():
        if _said(pattern, words) and not (words.known if types is ANYTHING else words.known & types):
            yield "must not speak of a reading that it does not rest on"
            break
    if situation.energy is not Energy.HIGH and _said(PRAISE, words):
        yield "must not praise what the readings do not show"
    if situation.energy is not Energy.LOW and _said(TIRED, words):
        yield "must not call the person tired where the readings do not show it"


def measures(text: str) -> Iterator[Measure]:
    """Each number with the family of the unit after it, numbers in words too."""
    for number, word in MEASURE.findall(text):
        if word.lower() in UNITS:
            yield number, UNITS[word.lower()]
    for number, word in SPOKEN_MEASURE.findall(text):
        if word.lower() in UNITS:
            yield NUMBER_WORDS[number.lower()], UNITS[word.lower()]


def own_words(template: TaskTemplate, minutes: int) -> str:
    """All that the library says of a task."""
    return f"{template.title} {template.off_hours or ''} {plain_text(template, minutes)}"


def task_words(task: PlannedTask) -> tuple[Words, Words]:
    """A task's title and description."""
    template = task.template
    own = own_words(template, task.minutes)
    title = "" if task.title in {template.title, template.off_hours} else task.title
    description = task.description.replace(plain_text(template, task.minutes), "")
    known = frozenset(item.type for item in task.evidence)
    caffeine = template.caffeine is not Caffeine.NONE
    return (
        Words(task.title, title, own, TITLE, template.effort, caffeine, known),
        Words(task.description, description, own, DESCRIPTION, template.effort, caffeine, known),
    )


def block_words(block: PlannedBlock, situation: Situation) -> tuple[Words, ...]:
    """A block's purpose and why it matters, where they are not our own."""
    ours = {purpose(block.kind, situation), why(block.kind, situation), FULL, FREE, None}
    texts = [text for text in (block.purpose, block.why_it_matters) if text is not None and text not in ours]
    if not texts:
        return ()
    own = " ".join(own_words(task.template, task.minutes) for task in block.tasks)
    allowed = _allowed(block.tasks, situation)
    return tuple(Words(text, text, own, BLOCK_WORDS, *allowed) for text in texts)


def summary_problems(text: str, plan: DayPlan, situation: Situation) -> list[str]:
    """Why a text cannot stand as a model's words on the whole day. It holds no number at all."""
    own = " ".join(own_words(task.template, task.minutes) for task in plan.tasks)
    words = Words(text, text, own, SUMMARY, *_allowed(plan.tasks, situation))
    found = [*plain_problems(words), *safety_problems(words, situation), *claim_problems(words, situation)]
    if any(character.isnumeric() for character in text) or any(True for _ in measures(text)):
        found.append("must not hold a number")
    return found


def _allowed(tasks: Iterable[PlannedTask], situation: Situation) -> tuple[Effort, bool, frozenset[str]]:
    tasks = tuple(tasks)
    effort = max((task.template.effort for task in tasks), default=Effort.NONE)
    known = frozenset(fact.evidence.type for fact in situation.digest.facts.values())
    return effort, any(task.template.caffeine is not Caffeine.NONE for task in tasks), known


def _said(pattern: re.Pattern[str], words: Words) -> bool:
    """Whether a text says what the library's own words on the same do not."""
    return any(found.group().lower() not in words.own.lower() for found in pattern.finditer(words.said))


def _in_english(text: str) -> bool:
    letters = "".join(LETTERS.findall(text))
    if not letters or SAME_LETTER.search(text):
        return False
    if not letters.isascii() and any(ord(character) >= LATIN_ENDS for character in letters):
        return False
    if len(letters) >= 12 and len(CAPITAL.findall(letters)) > SHOUTED * len(letters):
        return False
    words = WORD.findall(text.lower())
    if any(len(word) > LONGEST_WORD for word in words):
        return False
    if any(count > SAME_WORD for word, count in Counter(words).items() if len(word) > 3):
        return False
    return len(words) < WORDS_THAT_TELL or sum(word in COMMON for word in words) >= COMMON_SHARE * len(words)


def _on_its_task(task: PlannedTask) -> bool:
    """Whether the words share at least one with the library's on the same task."""
    if plain_text(task.template, task.minutes) in task.description:
        return True
    own, said = (
        {word.lower()[:STEM] for word in WORD.findall(text) if len(word) >= STEM and word.lower() not in COMMON}
        for text in (own_words(task.template, task.minutes), f"{task.title} {task.description}")
    )
    return bool(own & said)


def _wrong_measure(task: PlannedTask, situation: Situation, rule_measures: Mapping[str, frozenset[Measure]]) -> bool:
    """Whether a number stands before another unit than where it was taken from."""
    told = {*measures(own_words(task.template, task.minutes)), (str(task.minutes), "minute")}
    told = told.union(*(rule_measures.get(rule, ()) for rule in task.template.rules))
    return any(
        measure not in told and not _of_evidence(measure, task.evidence, situation)
        for measure in measures(f"{task.title}. {task.description.replace(plain_text(task.template, task.minutes), '')}")
    )


def _of_evidence(measure: Measure, evidence: Iterable[Evidence], situation: Situation) -> bool:
    number, family = measure
    for item in evidence:
        unit = "steps" if item.type == "steps" else (item.unit or "")
        if UNITS.get(unit.lower()) == family and stands_in(number, [item], situation):
            return True
    return False


def _blamed(task: PlannedTask, problems: Iterable[str]) -> list[Violation]:
    told = dict.fromkeys(problems)
    if not told:
        return []
    return [Violation(f"The words for “{task.template.title}” {', '.join(told)}.", frozenset({task.template.key}))]


def _not_plain(plan: DayPlan, situation: Situation) -> list[Violation]:
    found: list[Violation] = []
    titles: set[str] = set()
    for task in plan.open_tasks:
        problems = [problem for words in task_words(task) for problem in plain_problems(words)]
        if task.title.casefold() in titles:
            problems.append("must have a title of its own")
        if not _on_its_task(task):
            problems.append("must speak of the task itself")
        titles.add(task.title.casefold())
        found += _blamed(task, problems)
    for block in plan.open_blocks:
        problems = [problem for words in block_words(block, situation) for problem in plain_problems(words)]
        found += _blamed_block(block, problems)
    return found


def _not_safe(plan: DayPlan, situation: Situation) -> list[Violation]:
    found: list[Violation] = []
    for task in plan.open_tasks:
        found += _blamed(task, (problem for words in task_words(task) for problem in safety_problems(words, situation)))
    for block in plan.open_blocks:
        problems = [problem for words in block_words(block, situation) for problem in safety_problems(words, situation)]
        found += _blamed_block(block, problems)
    return found


def _blamed_block(block: PlannedBlock, problems: Iterable[str]) -> list[Violation]:
    told = dict.fromkeys(problems)
    return [Violation(f"The words of the block “{block.kind.title}” {', '.join(told)}.")] if told else []


def text_claims(rules: Iterable[Rule]) -> Rule:
    """The rule on claims; the figures of `rules` may be quoted by the tasks that follow them."""
    rule_measures = {rule.id: _rule_measures(rule) for rule in rules}

    def violations(plan: DayPlan, situation: Situation) -> list[Violation]:
        found: list[Violation] = []
        for task in plan.open_tasks:
            problems = [problem for words in task_words(task) for problem in claim_problems(words, situation)]
            if _wrong_measure(task, situation, rule_measures):
                problems.append("must give each number with the unit that it has")
            found += _blamed(task, problems)
        for block in plan.open_blocks:
            problems = [problem for words in block_words(block, situation) for problem in claim_problems(words, situation)]
            found += _blamed_block(block, problems)
        return found

    return Rule(
        id="text.claims",
        strength=Strength.HARD,
        statement="What is said of readings rests on readings that are there, agrees with them and keeps their units.",
        number="none",
        citation=OURS,
        explain=_claims_kept,
        violations=violations,
        repair=plain_words,
    )


def _rule_measures(rule: Rule) -> frozenset[Measure]:
    families = {UNITS[word.lower()] for word in UNIT.findall(rule.number) if word.lower() in UNITS}
    return frozenset((number, family) for number in rule.numbers for family in families)


def _plain_kept(plan: DayPlan, _situation: Situation) -> Verdict:
    return passed("Plain sentences without links or markup.") if plan.blocks else not_applicable("The plan has no words.")


def _safe_kept(plan: DayPlan, _situation: Situation) -> Verdict:
    if not plan.blocks:
        return not_applicable("The plan has no words.")
    return passed("No diagnosis, no treatment, and no more effort in the words than in the tasks.")


def _claims_kept(plan: DayPlan, _situation: Situation) -> Verdict:
    if not any(task.evidence for task in plan.tasks):
        return not_applicable("No reading is cited, and nothing is said of any.")
    return passed("What is said of your readings is what they say.")


TEXT_PLAIN = Rule(
    id="text.plain",
    strength=Strength.HARD,
    statement="Words are a few plain English sentences on the task, without links, addresses or markup.",
    number=f"titles {TITLE[0]}-{TITLE[1]}, descriptions {DESCRIPTION[0]}-{DESCRIPTION[1]} characters",
    citation=OURS,
    explain=_plain_kept,
    violations=_not_plain,
    repair=plain_words,
)

TEXT_SAFE = Rule(
    id="text.safe",
    strength=Strength.HARD,
    statement="Words diagnose nothing, promise no treatment and ask for no more effort than the task.",
    number="none",
    citation="FDA General Wellness, 6 January 2026 (secondary sources)",
    explain=_safe_kept,
    violations=_not_safe,
    repair=plain_words,
)
