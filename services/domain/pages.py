"""Pages of a list that grows at its head while it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class PageInfo(NamedTuple):
    """Where a page stands in its list; the cursors are those of its first and last item, `None` when it is empty."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(NamedTuple, Generic[T]):
    """An item at its place in a list."""

    cursor: str
    node: T


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`cursor_of` gives an item's cursor: opaque, and valid while rows arrive before it."""

    items: tuple[T, ...]
    cursor_of: Callable[[T], str]
    has_next: bool
    has_previous: bool

    @property
    def nodes(self) -> tuple[T, ...]:
        return self.items

    @property
    def cursors(self) -> tuple[str, ...]:
        """Those of the items, in their order."""
        return tuple(map(self.cursor_of, self.items))

    @property
    def edges(self) -> tuple[Edge[T], ...]:
        return tuple(map(Edge, self.cursors, self.items))

    @property
    def page_info(self) -> PageInfo:
        first, last = (self.cursor_of(self.items[0]), self.cursor_of(self.items[-1])) if self.items else (None, None)
        return PageInfo(self.has_next, self.has_previous, first, last)
