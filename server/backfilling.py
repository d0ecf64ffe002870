"""`firstlight backfill`: the past of many people, with a bar that says how far it is."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from server.sandbox import sahha_standin
from server.starting import StartError, sahha_access
from services.backfill import BackfillReport, BackfillService
from services.clock import clock_starting_at
from services.config import Settings
from services.container import open_services
from services.domain.ids import UserId
from services.errors import Unavailable
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate

LONGEST_ID = 128


async def backfill(settings: Settings, listed: Path | None, days: int, console: Console) -> bool:
    """Fetch the last `days` days of the people in a file (`-`: standard input), one id a line; of everybody known for `None`.

    True when nothing went wrong. Raises `StartError` with what to do.
    """
    if days > settings.retention_days:
        raise StartError(
            f"--days {days} is more than RETENTION_DAYS {settings.retention_days}: the oldest would be deleted again."
        )
    whom = None if listed is None else read_people(listed)
    async with AsyncExitStack() as stack:
        clock = clock_starting_at(settings.clock)
        if settings.database_url is None:
            database_url = (await stack.enter_async_context(embedded_postgres(settings.data_dir))).url
        else:
            database_url = settings.database_url.get_secret_value()
        await migrate(database_url)
        standin = await stack.enter_async_context(sahha_standin(clock, "", None)) if settings.sandbox else None
        services = await stack.enter_async_context(
            open_services(
                settings,
                clock=clock,
                sahha=sahha_access(settings, standin),
                database_url=database_url,
            )
        )
        try:
            report = await _run(services.backfill, whom, days, console)
        except Unavailable:
            raise StartError("The database went away. Run the same command again: it goes on from there.") from None
    return _told(report, console)


def read_people(listed: Path) -> list[UserId]:
    """The ids in a file, each once, in order. Raises `StartError` for a file that cannot be read, and for what is no id."""
    try:
        text = sys.stdin.read() if str(listed) == "-" else listed.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{listed} cannot be read: {error}") from None
    return list(dict.fromkeys(_ids(text.splitlines())))


def _ids(lines: Iterable[str]) -> Iterator[UserId]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if len(text) > LONGEST_ID or "\0" in text:
            raise StartError(f"Line {number} is no person's id: it must have at most {LONGEST_ID} characters.")
        if text:
            yield UserId(text)


async def _run(service: BackfillService, whom: list[UserId] | None, days: int, console: Console) -> BackfillReport:
    total = await service.count_known() if whom is None else len(whom)
    columns = (TextColumn("Fetching the past"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("people", total=total)
        return await service.run(whom, days, lambda people_done: bar.advance(task, people_done))


def _told(report: BackfillReport, console: Console) -> bool:
    console.print(
        f"{report.fetched} people fetched ({report.rows} rows new or different), {report.already} were whole already, "
        f"{report.unknown} unknown to Sahha, {report.failed} failed."
    )
    if report.stopped_by is not None:
        console.print(f"Stopped early, Sahha is down: {report.stopped_by}. Run the same command later: it goes on from there.")
    return report.stopped_by is None and report.failed == 0
