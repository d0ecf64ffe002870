"""What a model is asked to write, and what it gives back.

A `WritingBrief` is everything that leaves the house: figures of the day, wall-clock times, library entries and the person's own
goal. No id, name, birth date, e-mail, place or instant has a field in it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A fresh value as it may be quoted: `value` as it has to be written, `sentence` the way it can be said."""

    name: str
    value: str
    unit: str | None
    state: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class TaskOption:
    """A library entry that a slot can hold, in the library's own words; `figures` are those that its words may quote."""

    key: str
    title: str
    text: str
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlotBrief:
    """A settled place in the day: when (HH:MM, the person's wall clock), how long, what type. The first option is the draft's."""

    id: str
    start: str
    end: str
    minutes: int
    type: str
    options: tuple[TaskOption, ...]


@dataclass(frozen=True, slots=True)
class BlockBrief:
    """A block to be written. `complaints` say what was wrong with an earlier answer."""

    block: str
    energy_zone: str
    slots: tuple[SlotBrief, ...]
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WritingBrief:
    """One question to the model. `goal` is a person's own words: data, never instructions."""

    archetype: str
    energy: str
    needs: tuple[str, ...]
    condition: str
    last_night_incomplete: bool
    missing: tuple[str, ...]
    figures: tuple[Figure, ...]
    goal: str | None
    blocks: tuple[BlockBrief, ...]

    @property
    def slots(self) -> int:
        return sum(len(block.slots) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class TaskText:
    """Words for one slot; `task` is the key of the option that was chosen. Nothing of it is checked yet."""

    slot: str
    task: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class BlockText:
    """Words for one block. Nothing of them is checked yet."""

    block: str
    purpose: str
    why_it_matters: str
    tasks: tuple[TaskText, ...]


@dataclass(frozen=True, slots=True)
class SummaryText:
    """Words on the whole day. Nothing of them is checked yet."""

    text: str
