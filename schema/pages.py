"""Relay's connection pattern, read from a `Page` of the domain."""

from typing import Any, NamedTuple

import strawberry

from services.domain.pages import Page


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="There is more after endCursor.")
    has_previous_page: bool = strawberry.field(description="There is something before startCursor.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first item; null when the page is empty.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item, to be given as `after`; null when the page is empty."
    )


class Edge(NamedTuple):
    cursor: str
    node: object


def edges(page: strawberry.Parent[Page[Any]]) -> list[Edge]:
    return [Edge(cursor, item) for cursor, item in zip(page.cursors, page.items, strict=True)]


def nodes(page: strawberry.Parent[Page[Any]]) -> tuple[Any, ...]:
    return page.items


def page_info(page: strawberry.Parent[Page[Any]]) -> PageInfo:
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )
