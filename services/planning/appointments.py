"""What a person's own appointments already are: a lunch, a training. Titles are data: matched by a few words, never repeated."""

import re
from collections.abc import Mapping

from services.domain.routine import FixedEvent
from services.domain.schedule import LocalDay
from services.planning.day_plan import Span

ROLE_WORDS: Mapping[str, re.Pattern[str]] = {
    role: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for role, words in {
        "breakfast": r"breakfast|brunch",
        "lunch": r"lunch|brunch|luncheon",
        "dinner": r"dinner|supper",
        "training": (
            r"gym|workout|work-out|crossfit|spinning|pilates|running club|run club|"
            r"(?:football|soccer|tennis|basketball|swim|rowing|boxing|strength|personal|marathon|martial arts) "
            r"(?:training|practice|match)|"
            r"swimming|personal trainer"
        ),
    }.items()
}


def roles(title: str) -> frozenset[str]:
    """The roles of the library that an appointment of this title fills."""
    return frozenset(role for role, words in ROLE_WORDS.items() if words.search(title))


def taken(events: tuple[FixedEvent, ...], day: LocalDay) -> dict[str, Span]:
    """Where in the waking day appointments fill a role, the first for each."""
    found: dict[str, Span] = {}
    for event in events:
        for role in sorted(roles(event.title)):
            for span in day.spans(event.start_time, event.end_time):
                if role not in found or span < found[role]:
                    found[role] = span
    return found
