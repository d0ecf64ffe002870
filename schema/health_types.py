"""Health records and the reading of them: shapes that read the domain's attributes."""

import datetime as dt
from typing import Annotated

import strawberry

from schema.enums import DataSource, DataState
from schema.pages import PageInfo
from schema.problems import HealthDataUnavailable, NotFound
from services.domain import outcomes


@strawberry.type(
    description="One biomarker row. `value` is lossless, as received; `number` is the same where it is one, in `unit`."
)
class Biomarker:
    id: strawberry.ID = strawberry.field(description="Sahha's id of the row.")
    category: str = strawberry.field(description="Sahha's category, such as sleep or vitals.")
    type: str = strawberry.field(description="Sahha's name of the biomarker.")
    periodicity: str = strawberry.field(description="Sahha's period, such as daily or intraday.")
    aggregation: str = strawberry.field(description="How the period was summed up, such as total or average.")
    value: str = strawberry.field(description="The value as received, in the unit that it was received in.")
    number: float | None = strawberry.field(description="The value where it is a number, in `unit`.")
    unit: str | None = strawberry.field(description="The unit that all rows of this type have; null where there is none.")
    value_unit: str | None = strawberry.field(description="The unit that `value` was received in; null where there is none.")
    value_type: str | None = strawberry.field(description="Sahha's type of the value, such as double or time.")
    start_date_time: dt.datetime = strawberry.field(description="Start of the row's window, with the person's own offset.")
    end_date_time: dt.datetime = strawberry.field(description="End of the row's window, with the person's own offset.")
    received_at: dt.datetime = strawberry.field(description="When this value was first received.")
    age_seconds: int = strawberry.field(description="Seconds from the measurement to this read.")
    source: DataSource = strawberry.field(description="Whether it came live or from the database.")


@strawberry.type(description="One factor of a score; any of its figures can be missing.")
class ScoreFactor:
    name: str = strawberry.field(description="Sahha's name of the factor.")
    value: float | None = strawberry.field(description="The measured value, in `unit`.")
    goal: float | None = strawberry.field(description="What Sahha compares the value with, in `unit`.")
    score: float | None = strawberry.field(description="What the value is worth; 0 to 1.")
    state: str | None = strawberry.field(description="Sahha's word for the score.")
    unit: str | None = strawberry.field(description="Sahha's unit.")


@strawberry.type(description="One score of one local day.")
class Score:
    id: strawberry.ID = strawberry.field(description="Sahha's id of the score.")
    type: str = strawberry.field(description="Sahha's name of the score, such as sleep or readiness.")
    state: str | None = strawberry.field(description="Sahha's word for the score.")
    score: float | None = strawberry.field(description="0 to 1.")
    score_date_time: dt.datetime = strawberry.field(
        description="The person's local midnight that begins the day, with their offset."
    )
    created_at: dt.datetime | None = strawberry.field(description="When Sahha made it; null where Sahha does not say.")
    factors: list[ScoreFactor] = strawberry.field(description="What it is made of.")
    data_sources: list[str] = strawberry.field(description="What it was made from, as Sahha names it.")
    received_at: dt.datetime = strawberry.field(description="When this score was first received.")
    age_seconds: int = strawberry.field(description="Seconds from the making of the score to this read.")
    source: DataSource = strawberry.field(description="Whether it came live or from the database.")


@strawberry.type(description="One biomarker row at its place in a list.")
class BiomarkerEdge:
    cursor: str = strawberry.field(description="Opaque; give it as `after`. Stays valid while rows arrive.")
    node: Biomarker = strawberry.field(description="The row.")


@strawberry.type(description="A page of a person's biomarker rows, newest first.")
class BiomarkerConnection:
    edges: list[BiomarkerEdge] = strawberry.field(description="The page, each with its cursor.")
    nodes: list[Biomarker] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    total_count: int = strawberry.field(description="Rows of the whole list, as it is now.")
    source: DataSource = strawberry.field(description="Where the page came from.")
    as_of: dt.datetime | None = strawberry.field(description="When Sahha last told all of this person; null: never.")


@strawberry.type(description="One score at its place in a list.")
class ScoreEdge:
    cursor: str = strawberry.field(description="Opaque; give it as `after`. Stays valid while scores arrive.")
    node: Score = strawberry.field(description="The score.")


@strawberry.type(description="A page of a person's scores, newest first.")
class ScoreConnection:
    edges: list[ScoreEdge] = strawberry.field(description="The page, each with its cursor.")
    nodes: list[Score] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    total_count: int = strawberry.field(description="Scores of the whole list, as it is now.")
    source: DataSource = strawberry.field(description="Where the page came from.")
    as_of: dt.datetime | None = strawberry.field(description="When Sahha last told all of this person; null: never.")


@strawberry.type(description="The newest value of every type, each with its own age: what a plan is made from.")
class HealthSnapshot:
    user_id: strawberry.ID = strawberry.field(description="Whose data it is.")
    state: DataState = strawberry.field(description="How whole and how fresh it is.")
    source: DataSource = strawberry.field(description="Where the whole came from.")
    as_of: dt.datetime = strawberry.field(description="When it was read.")
    biomarkers: list[Biomarker] = strawberry.field(description="The newest of every type, in the order of category and type.")
    scores: list[Score] = strawberry.field(description="The newest of every type, in the order of type.")
    missing_categories: list[str] = strawberry.field(
        description="Categories expected of this person of which nothing fresh is there."
    )


@strawberry.type(description="What a fetch brought. It is stored.")
class RefreshSahhaSuccess:
    user_id: strawberry.ID = strawberry.field(description="Whose data was fetched.")
    biomarkers: int = strawberry.field(description="Biomarker rows read.")
    scores: int = strawberry.field(description="Scores read.")
    changed: int = strawberry.field(description="How many of them were new or different.")
    fetched_at: dt.datetime = strawberry.field(description="When Sahha answered.")
    duration_ms: int = strawberry.field(description="Milliseconds, storing included.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.RefreshSahhaSuccess)


RefreshSahhaResult = Annotated[
    RefreshSahhaSuccess | NotFound | HealthDataUnavailable,
    strawberry.union("RefreshSahhaResult", description="What was fetched, or why nothing was."),
]
