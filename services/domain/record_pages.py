"""Pages of health records: as other pages, and always with source and age."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.health import DataSource
from services.domain.pages import Page, T


@dataclass(frozen=True, slots=True)
class RecordPage(Page[T]):
    """`total_count`: rows of the whole list, as it is now; `None` where nobody asked for it.

    `as_of`: when Sahha last told all of this person; `None`: never.
    """

    total_count: int | None
    source: DataSource
    as_of: datetime | None
