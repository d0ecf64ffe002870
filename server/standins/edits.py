"""What a fault does to the rows of an answer: a field changed, times moved, order lost, windows that overlap."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from server.standins.faults import Fault, FaultKind, Strike
from server.standins.forms import Row
from services.domain.schedule import at_offset

LATER = timedelta(hours=1)
TIMES = frozenset({"startDateTime", "endDateTime", "scoreDateTime", "createdAtUtc", "dataLastReceivedAtUtc"})


def edited(strike: Strike, document: Any) -> Any:  # noqa: ANN401 - whatever the answer holds
    """The document of an answer, a list of rows or one row, as the strike leaves it."""
    fault = strike.fault
    rows = [dict(row) for row in document] if isinstance(document, list) else [dict(document)]
    match fault.kind:
        case FaultKind.EDIT:
            for row in rows:
                if not fault.types or row.get("type", row.get("name")) in fault.types:
                    _change(row, fault.field.split("."), fault)
        case FaultKind.SHIFT:
            rows = [_moved(row, lambda moment: moment + timedelta(hours=fault.hours)) for row in rows]
        case FaultKind.ZONE:
            rows = [_moved(row, lambda moment: at_offset(moment, _offset(fault.offset))) for row in rows]
        case FaultKind.OVERLAP:
            rows = [each for row in rows for each in (row, _overlapping(row))]
        case _:
            Random(strike.chance).shuffle(rows)
    return rows if isinstance(document, list) else rows[0]


def _change(row: Row, path: list[str], fault: Fault) -> None:
    name, *rest = path
    if rest:
        for inner in _rows_within(row.get(name)):
            _change(inner, rest, fault)
    elif fault.omit:
        row.pop(name, None)
    elif fault.rename is None:
        row[name] = fault.set
    elif name in row:
        row[fault.rename] = row.pop(name)


def _rows_within(value: object) -> Iterator[Row]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _moved(row: Row, move: Callable[[datetime], datetime]) -> Row:
    """The row with every time that it holds moved, in its value too."""
    times = TIMES | {"value"} if row.get("valueType") == "datetime" else TIMES
    moved = {name: move(datetime.fromisoformat(row[name])).isoformat() for name in times & row.keys() if row[name]}
    return {**row, **moved}


def _overlapping(row: Row) -> Row:
    later = _moved(row, lambda moment: moment + LATER)
    return {**later, "id": None, "value": "1"} if later.get("valueType") in {"integer", "double"} else later


def _offset(text: str) -> timedelta:
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)
