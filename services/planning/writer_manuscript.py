"""A day while a model writes it: which blocks have words of the model's, and what was wrong with those that have not.

Every word is checked before it gets in, by all hard rules on the whole day with it. What does not get in leaves the draft's.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from services.domain.routine import TimeBlock
from services.domain.writing import BlockText, SummaryText, TaskText, WritingBrief
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask
from services.planning.planner import PlannedDay, time_block
from services.planning.rules import RULES, Strength
from services.planning.rules.text_rules import summary_problems
from services.planning.writer_brief import writing_brief
from services.planning.writer_options import OpenSlot, open_slots

MOST_COMPLAINTS = 8
NOT_WRITTEN = "It was missing, or did not keep to the schema."


class Manuscript:
    """The draft with the model's words in it so far: `day` keeps all hard rules at every moment."""

    def __init__(self, planned: PlannedDay) -> None:
        self.planned = planned
        self.day: DayPlan = planned.day
        self.texts: dict[str, BlockText] = {}
        self.summary: SummaryText | None = None
        self.broken: dict[str, tuple[str, ...]] = {}
        """Ids of the rules that the words for a block broke last, by its title."""
        self._slots = open_slots(planned.day, planned.situation)
        self._complaints: dict[str, tuple[str, ...]] = dict.fromkeys(self._slots, ())

    @property
    def open(self) -> tuple[str, ...]:
        """The titles of the blocks that are to be written and have no words of the model's yet."""
        return tuple(title for title in self._slots if title in self._complaints)

    def brief(self) -> WritingBrief:
        """What to ask for: the open blocks."""
        return writing_brief(self.day, self._slots, self._complaints, self.planned.situation)

    def complain_of_missing(self) -> None:
        """Blocks of which nothing usable came get a complaint, so that the next brief says so."""
        for title, complaints in self._complaints.items():
            if not complaints:
                self._complaints[title] = (NOT_WRITTEN,)

    def take(self, text: BlockText) -> TimeBlock | None:
        """The block with these words as a routine shows it; `None` when they do not get in, or the block is not open."""
        if text.block not in self._complaints:
            return None
        block = next(block for block in self.day.blocks if block.kind.title == text.block)
        tasks = [self._task(slot, text.tasks) for slot in self._slots[text.block]]
        found = [task for task in tasks if isinstance(task, PlannedTask)]
        if len(found) < len(tasks):
            self._refuse(text.block, (), [task for task in tasks if isinstance(task, str)])
            return None
        written_anew = {slot.task.template.key for slot in self._slots[text.block]}
        others = [task for task in block.tasks if task.template.key not in written_anew]
        in_order = tuple(sorted((*others, *found), key=lambda task: task.start))
        written = replace(block, purpose=_one_line(text.purpose), why_it_matters=_one_line(text.why_it_matters), tasks=in_order)
        day = DayPlan(tuple(written if each is block else each for each in self.day.blocks))
        problems = list(_problems(day, self.planned))
        if problems:
            self._refuse(text.block, tuple(rule for rule, _ in problems), [detail for _, detail in problems])
            return None
        self.day = day
        self.texts[text.block] = text
        del self._complaints[text.block]
        self.broken.pop(text.block, None)
        return self.rendered(written)

    def sum_up(self, text: SummaryText) -> None:
        """The model's words on the whole day; without a trace when they do not get in."""
        said = SummaryText(_one_line(text.text))
        if not summary_problems(said.text, self.day, self.planned.situation):
            self.summary = said

    def rendered(self, block: PlannedBlock) -> TimeBlock:
        return time_block(block, self.planned.situation)

    def left(self) -> Iterator[TimeBlock]:
        """The blocks that keep the draft's words."""
        return (self.rendered(block) for block in self.day.blocks if block.kind.title not in self.texts)

    def _task(self, slot: OpenSlot, texts: tuple[TaskText, ...]) -> PlannedTask | str:
        """The slot with its words, or what is wrong with them."""
        found = [text for text in texts if text.slot == slot.id]
        if len(found) != 1:
            return f"Slot {slot.id} has to come exactly once."
        text = found[0]
        chosen = slot.option(text.task)
        if chosen is None:
            return f"Slot {slot.id} holds a task that is none of its options."
        return replace(chosen, title=_one_line(text.title), description=_one_line(text.description), priority=slot.task.priority)

    def _refuse(self, title: str, rules: tuple[str, ...], complaints: list[str]) -> None:
        self._complaints[title] = tuple(dict.fromkeys(complaints))[:MOST_COMPLAINTS]
        self.broken[title] = tuple(dict.fromkeys(rules))


def _problems(day: DayPlan, planned: PlannedDay) -> Iterator[tuple[str, str]]:
    """Every hard rule that is broken, by its id, and what breaks it. The draft breaks none: what is found is new."""
    for rule in RULES:
        if rule.strength is Strength.HARD:
            for violation in rule.violations(day, planned.situation):
                yield rule.id, violation.detail


def _one_line(text: str) -> str:
    """A model's text in composed characters, without line breaks or double spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())
