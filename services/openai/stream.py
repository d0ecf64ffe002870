"""A streamed answer taken apart while it arrives: events out of bytes, blocks out of text, each the moment it is whole."""

from collections.abc import Iterator
from typing import Any

import ijson
import orjson

from services.domain.writing import BlockText, SummaryText
from services.errors import ModelFailed, ModelFailureKind
from services.openai.payloads import to_block, to_summary

LONGEST_LINE = 1 << 20
MOST_TEXT = 64 << 10
"""Characters of a whole answer; a day of eighteen tasks needs under 12 Ki."""
MOST_TEXT_WITHOUT_A_BLOCK = 12 << 10
"""A block of a dozen tasks with texts at their bounds needs under 7 Ki: what is longer will never close."""
MOST_BLANKS = 400
"""Whitespace in a row: models under a schema can fall into endless whitespace."""
MOST_OPEN_BRACKETS = 100
"""More open than closed, those in strings too: a day needs six, and the parser's work grows with the square of the depth."""
BLANK = " \t\r\n"


class EventReader:
    """Server-sent events out of chunks of bytes: the data of each, as it was sent."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The events that this chunk completes. Raises `ModelFailed` (RUNAWAY) for a line without end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ModelFailed(ModelFailureKind.RUNAWAY, "a line without end", sent=True)
        for line in lines:
            line = line.removesuffix(b"\r")  # noqa: PLW2901 - the same line without its end
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


class DayReader:
    """The blocks of a day out of pieces of its JSON text."""

    def __init__(self) -> None:
        self._found: Any = ijson.sendable_list()
        self._parser: Any = ijson.items_coro(self._found, "blocks.item")
        self._text: list[str] = []
        self._length = 0
        self._since_block = 0
        self._blanks = 0
        self._open = 0
        self.malformed = 0
        """Blocks that did not keep to the schema."""

    def feed(self, piece: str) -> Iterator[BlockText]:
        """The blocks whose closing brace is in this piece.

        Raises `ModelFailed`: MALFORMED for what is not JSON, RUNAWAY for text that goes on without a new block.
        """
        self._count(piece)
        self._text.append(piece)
        try:
            self._parser.send(piece.encode())
        except (ijson.JSONError, ValueError, StopIteration) as error:
            yield from self._closed()
            raise ModelFailed(ModelFailureKind.MALFORMED, f"not JSON: {type(error).__name__}", sent=True) from None
        yield from self._closed()

    def finish(self) -> SummaryText | None:
        """The day's summary once all has arrived. Raises `ModelFailed` (MALFORMED) for a text that is no whole JSON object."""
        try:
            document = orjson.loads("".join(self._text))
        except orjson.JSONDecodeError:
            raise ModelFailed(ModelFailureKind.MALFORMED, "not a whole JSON text", sent=True) from None
        if not isinstance(document, dict):
            raise ModelFailed(ModelFailureKind.MALFORMED, "not a JSON object", sent=True)
        return to_summary(document)

    def _closed(self) -> Iterator[BlockText]:
        for item in self._found:
            self._since_block = 0
            block = to_block(item)
            if block is None:
                self.malformed += 1
            else:
                yield block
        del self._found[:]

    def _count(self, piece: str) -> None:
        self._length += len(piece)
        self._since_block += len(piece)
        solid = piece.rstrip(BLANK)
        self._blanks = len(piece) - len(solid) + (0 if solid else self._blanks)
        self._open += piece.count("[") + piece.count("{") - piece.count("]") - piece.count("}")
        too_long = self._length > MOST_TEXT or self._since_block > MOST_TEXT_WITHOUT_A_BLOCK
        if too_long or self._blanks > MOST_BLANKS or self._open > MOST_OPEN_BRACKETS:
            raise ModelFailed(ModelFailureKind.RUNAWAY, "text without a new block", sent=True)
