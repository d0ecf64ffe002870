"""Standing orders on a real database: what is asked for, for which day, and never twice (reliability.md, T1-T9, P8)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from services.daily_routines import EVERY, UNKNOWN_ZONE_PAUSE
from services.domain.daily_routine import DailyRoutineOrder
from services.domain.ids import UserId
from services.domain.outcomes import SetDailyRoutineSuccess
from services.domain.problems import InvalidInput, NotFound
from services.domain.routine import Preferences, RoutineStatus
from services.domain.schedule import zone
from services.errors import Unavailable
from services.store.queue import PRIORITY, STANDING_PRIORITY, Entrypoint
from tests.jobs.standing import PERSON, asked_dates, at, order, ordered, run_job
from tests.product import Product, open_product

NEW_YORK = "America/New_York"
EVENING = datetime.fromisoformat("2026-03-10T20:00-04:00")
DUE = datetime.fromisoformat("2026-03-11T06:30-04:00")
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url) as opened:
        yield opened


class TestOrders:
    async def test_an_order_tells_when_the_next_plan_is_due(self, product: Product) -> None:
        daily = await ordered(product, EVENING, order(NEW_YORK))
        assert (daily.user_id, daily.timezone, daily.lead_minutes) == (PERSON, NEW_YORK, 30)
        assert (daily.wake_time, daily.sleep_time, daily.next_at, daily.last_routine) == (time(7), time(22, 30), DUE, None)
        assert await at(product, EVENING).read(PERSON) == daily

    async def test_a_second_one_replaces_the_first(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        daily = await ordered(product, EVENING, order("Europe/Berlin", time(8), lead_minutes=240))
        assert daily.next_at == datetime(2026, 3, 11, 3, tzinfo=UTC)
        async with product.services.database.connection() as connection:
            assert await connection.fetchval("select count(*) from daily_routines") == 1

    async def test_one_that_is_stopped_asks_for_nothing_and_can_be_stopped_again(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        for _ in range(2):
            assert await at(product, EVENING).stop(PERSON) == SetDailyRoutineSuccess(None)
        assert await at(product, EVENING).read(PERSON) is None
        await run_job(product, DUE - EVERY, DUE + HALF_AN_HOUR)
        assert await asked_dates(product) == []
        assert isinstance(await at(product, EVENING).stop(UserId("nobody")), NotFound)

    async def test_ordered_between_due_and_waking_the_plan_is_still_made_for_today(self, product: Product) -> None:
        quarter_to_seven = DUE + timedelta(minutes=15)
        daily = await ordered(product, quarter_to_seven, order(NEW_YORK))
        assert daily.next_at == DUE
        await run_job(product, quarter_to_seven, quarter_to_seven + EVERY)
        assert await asked_dates(product) == [date(2026, 3, 11)]

    async def test_ordered_after_waking_it_begins_tomorrow(self, product: Product) -> None:
        daily = await ordered(product, DUE + timedelta(hours=1), order(NEW_YORK))
        assert daily.next_at == DUE + timedelta(days=1)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"timezone": "America/Neverland"}, "timezone"),
            ({"lead_minutes": 4}, "leadMinutes"),
            ({"lead_minutes": 241}, "leadMinutes"),
            ({"preferences": Preferences(wake_time=time(7), sleep_time=time(7))}, "preferences"),
            ({"user_id": UserId("")}, "userId"),
        ],
    )
    async def test_what_makes_no_sense_is_refused_by_name(
        self, product: Product, changes: Mapping[str, object], field: str
    ) -> None:
        outcome = await at(product, EVENING).set_order(replace(order(NEW_YORK), **changes))  # type: ignore[arg-type]
        assert isinstance(outcome, InvalidInput)
        assert outcome.field[:2] == ("input", field)
        assert await at(product, EVENING).read(PERSON) is None

    async def test_the_newest_routine_is_told(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        await run_job(product, DUE, DUE + HALF_AN_HOUR)
        daily = await at(product, DUE + HALF_AN_HOUR).read(PERSON)
        assert daily is not None
        assert daily.last_routine is not None
        assert (daily.last_routine.date, daily.last_routine.status) == (date(2026, 3, 11), RoutineStatus.QUEUED)
        assert daily.next_at == DUE + timedelta(days=1)

    async def test_what_was_asked_for_is_remembered_for_a_while(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        await run_job(product, DUE, DUE + HALF_AN_HOUR)
        assert await at(product, DUE + timedelta(days=89)).prune() == 0
        assert await at(product, DUE + timedelta(days=91)).prune() == 1


class TestWakeTimes:
    async def test_without_one_the_usual_nights_tell_it(self, product: Product) -> None:
        await product.services.health_data.refresh(PERSON, force=True)
        now = product.services.clock.now()
        async with product.services.database.connection() as connection:
            woken = await connection.fetch(
                "select value from biomarkers where user_id = $1 and type = 'sleep_end_time' and periodicity = 'daily'", PERSON
            )
        minutes = sorted(value.hour * 60 + value.minute for (value,) in ((datetime.fromisoformat(row[0]),) for row in woken))
        daily = await ordered(product, now, order(NEW_YORK, None))
        assert daily.wake_time is None
        assert daily.next_at is not None
        local = (daily.next_at + HALF_AN_HOUR).astimezone(zone(NEW_YORK))
        assert minutes[0] - 5 <= local.hour * 60 + local.minute <= minutes[-1] + 5

    async def test_without_any_night_it_is_seven(self, product: Product) -> None:
        daily = await ordered(product, EVENING, order(NEW_YORK, None, sleep=None))
        assert daily.next_at == DUE


class TestDays:
    @pytest.mark.parametrize(
        ("timezone", "wake", "first", "days"),
        [
            pytest.param(NEW_YORK, time(2, 30), date(2027, 3, 13), 3, id="T1 gap"),
            pytest.param(NEW_YORK, time(1, 30), date(2026, 10, 31), 3, id="T2 repeated hour"),
            pytest.param("Australia/Lord_Howe", time(2, 10), date(2026, 10, 3), 3, id="T3 half an hour forward"),
            pytest.param("Australia/Lord_Howe", time(1, 45), date(2026, 4, 4), 3, id="T3 half an hour back"),
            pytest.param("Africa/Cairo", time(0, 15), date(2026, 4, 23), 3, id="T3 gap at midnight"),
            pytest.param("Asia/Tokyo", time(7), date(2028, 2, 28), 3, id="T8 leap day"),
            pytest.param("Europe/London", time(7), date(2026, 12, 31), 3, id="T8 year end, week 53"),
        ],
    )
    async def test_each_day_is_asked_for_once(self, product: Product, timezone: str, wake: time, first: date, days: int) -> None:
        start = datetime.combine(first, time(0), UTC) - timedelta(days=1)
        await ordered(product, start, order(timezone, wake))
        await run_job(product, start, start + timedelta(days=days + 2))
        asked = await asked_dates(product)
        assert asked == [asked[0] + timedelta(days=number) for number in range(len(asked))]
        assert {first + timedelta(days=number) for number in range(days)} <= set(asked)

    async def test_a_day_that_is_skipped_is_not_asked_for(self, product: Product) -> None:
        start = datetime(2011, 12, 28, 12, tzinfo=UTC)
        await ordered(product, start, order("Pacific/Apia"))
        await run_job(product, start, start + timedelta(days=4))
        assert [day.day for day in await asked_dates(product)] == [28, 29, 31, 1]

    async def test_the_plan_is_asked_for_before_the_person_wakes(self, product: Product) -> None:
        """Also with the shortest lead, which is as long as the job's own interval."""
        wake = DUE + HALF_AN_HOUR
        for number in range(20):
            await ordered(product, EVENING, order(NEW_YORK, user_id=UserId(f"person-{number}"), lead_minutes=5))
        await run_job(product, wake - timedelta(minutes=20) + timedelta(seconds=1), wake - timedelta(seconds=1))
        async with product.services.database.connection() as connection:
            assert await connection.fetchval("select count(*) from daily_requests") == 20
            assert set(await connection.fetch("select priority from pgqueuer")) == {(STANDING_PRIORITY,)}
        assert PRIORITY[Entrypoint.SYNC_SAHHA_DATA] < STANDING_PRIORITY < PRIORITY[Entrypoint.GENERATE_ROUTINE]

    async def test_a_move_west_repeats_no_day(self, product: Product) -> None:
        """T4. The plan of the 12th was made in Tokyo; in Los Angeles the 12th begins 16 hours later."""
        start = datetime(2026, 3, 10, 12, tzinfo=UTC)
        await ordered(product, start, order("Asia/Tokyo"))
        landed = datetime(2026, 3, 12, 3, tzinfo=UTC)
        await run_job(product, start, landed)
        daily = await ordered(product, landed, order("America/Los_Angeles"))
        assert daily.next_at == datetime(2026, 3, 13, 13, 30, tzinfo=UTC)
        await run_job(product, landed, landed + timedelta(days=2, hours=12))
        assert [day.day for day in await asked_dates(product)] == [11, 12, 13, 14]

    async def test_a_move_east_loses_no_morning(self, product: Product) -> None:
        """T4. At noon of the 12th in Tokyo the person has been awake for long; the next waking is that of the 13th."""
        start = datetime(2026, 3, 10, 12, tzinfo=UTC)
        await ordered(product, start, order("America/Los_Angeles"))
        landed = datetime(2026, 3, 12, 3, tzinfo=UTC)
        await run_job(product, start, landed)
        daily = await ordered(product, landed, order("Asia/Tokyo"))
        assert daily.next_at == datetime(2026, 3, 12, 21, 30, tzinfo=UTC)
        await run_job(product, landed, landed + timedelta(days=2))
        assert [day.day for day in await asked_dates(product)] == [10, 11, 13, 14]

    async def test_a_clock_set_back_asks_for_nothing_again(self, product: Product) -> None:
        """T5."""
        await ordered(product, EVENING, order(NEW_YORK))
        await run_job(product, DUE - HALF_AN_HOUR, DUE + HALF_AN_HOUR)
        await run_job(product, DUE - HALF_AN_HOUR, DUE + HALF_AN_HOUR)
        assert await asked_dates(product) == [date(2026, 3, 11)]

    async def test_after_a_long_sleep_today_is_asked_for_once_and_nothing_of_the_past(self, product: Product) -> None:
        """T6, T7. The machine was away for nine days and comes back in the afternoon."""
        await ordered(product, EVENING, order(NEW_YORK))
        back = DUE + timedelta(days=9, hours=8)
        await run_job(product, back, back + timedelta(hours=1))
        assert await asked_dates(product) == [date(2026, 3, 20)]

    async def test_when_the_day_is_nearly_over_the_next_one_is_asked_for(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        bedtime = DUE + timedelta(hours=15, minutes=45)
        await run_job(product, bedtime, bedtime + timedelta(hours=9))
        assert await asked_dates(product) == [date(2026, 3, 12)]

    async def test_stopped_and_ordered_anew_a_day_is_not_asked_for_again(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        await run_job(product, DUE, DUE + HALF_AN_HOUR)
        await at(product, DUE).stop(PERSON)
        await ordered(product, DUE + timedelta(minutes=20), order(NEW_YORK, time(7, 30)))
        await run_job(product, DUE + timedelta(minutes=20), DUE + timedelta(hours=2))
        assert await asked_dates(product) == [date(2026, 3, 11)]

    async def test_a_zone_that_is_no_longer_known_keeps_nobody_else_waiting(self, product: Product) -> None:
        """T9. As after an older tzdata was installed."""
        await ordered(product, EVENING, order(NEW_YORK))
        await ordered(product, EVENING, order(NEW_YORK, user_id=UserId("sandbox-blake")))
        async with product.services.database.connection() as connection:
            await connection.execute("update daily_routines set timezone = 'Mars/Olympus' where user_id = 'sandbox-blake'")
        await run_job(product, DUE, DUE + HALF_AN_HOUR)
        assert await asked_dates(product) == [date(2026, 3, 11)]
        assert await asked_dates(product, UserId("sandbox-blake")) == []
        async with product.services.database.connection() as connection:
            later = await connection.fetchval("select next_at from daily_routines where user_id = 'sandbox-blake'")
        assert timedelta(0) <= later - (DUE + UNKNOWN_ZONE_PAUSE) < HALF_AN_HOUR


class TestReplicas:
    async def test_the_job_on_many_replicas_at_once_asks_once(self, product: Product) -> None:
        """P8."""
        people = [UserId(f"person-{number}") for number in range(250)]
        for person in people:
            await ordered(product, EVENING, order(NEW_YORK, user_id=person))
        await asyncio.gather(*(at(product, DUE + timedelta(minutes=15)).generate_due() for _ in range(4)))
        async with product.services.database.connection() as connection:
            counts = await connection.fetchrow(
                "select (select count(*) from daily_requests), (select count(*) from routines), (select count(*) from pgqueuer)"
            )
        assert tuple(counts) == (250, 250, 250)

    async def test_killed_before_its_commit_it_has_asked_for_nothing_and_the_next_run_asks(self, product: Product) -> None:
        await ordered(product, EVENING, order(NEW_YORK))
        async with product.services.database.connection() as connection:
            await connection.execute(
                """
                create function refuse() returns trigger language plpgsql as
                $$ begin raise exception 'the server goes down' using errcode = '57P01'; end $$;
                create constraint trigger refuse_at_commit after update on daily_routines
                deferrable initially deferred for each row execute function refuse()
                """
            )
            with pytest.raises(Unavailable):
                await at(product, DUE + timedelta(minutes=15)).generate_due()
            assert await asked_dates(product) == []
            await connection.execute("drop trigger refuse_at_commit on daily_routines")
        assert await at(product, DUE + timedelta(minutes=20)).generate_due() == "1 standing orders were due, 1 routines requested"
        assert await asked_dates(product) == [date(2026, 3, 11)]


def test_an_order_has_the_lead_of_the_contract() -> None:
    assert DailyRoutineOrder(PERSON, order(NEW_YORK).archetype, NEW_YORK).lead == HALF_AN_HOUR
