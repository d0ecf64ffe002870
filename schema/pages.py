"""Relay's connection pattern, read from a `Page` of the domain."""

import strawberry


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="There is more after endCursor.")
    has_previous_page: bool = strawberry.field(description="There is something before startCursor.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first item; null when the page is empty.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item, to be given as `after`; null when the page is empty."
    )
