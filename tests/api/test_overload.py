"""Far more requests than there are places: some are answered, the others turned away at once, then all is as before (C15).

The figures are `tests.load.openloop`'s; here it is only looked at what became of each request.
"""

import json
import random

from tests.api.clients import SERVICE_KEY
from tests.api.conftest import running_whole
from tests.api.edge import figure
from tests.load.openloop import LIVE, PEOPLE, READ, Answer, Target, names, play

RATE, SECONDS = 500.0, 2.0
FEW = {"read_concurrency": 2, "mutation_concurrency": 1, "admin_concurrency": 1}


async def test_what_is_not_turned_away_is_answered_and_all_is_well_afterwards(database_url: str) -> None:
    async with running_whole(database_url, worker="off", scheduler="off", **FEW) as api:
        target, people = Target(api.url, SERVICE_KEY), names()
        for person in PEOPLE:
            assert (await target.ask(LIVE, person))[0] == 200
        stage = await play(target, "overload", RATE, SECONDS, random.Random(1), lambda: next(people))
        assert stage.good
        assert stage.refused
        for answer in stage.answers:
            assert_answered_or_turned_away(answer)
        assert figure(api, "shed_operations_total", lane="reads")
        for _ in range(20):
            assert (await target.ask(READ, PEOPLE[0]))[0] == 200
        target.close()


def assert_answered_or_turned_away(answer: Answer) -> None:
    """Every answer is whole: either the data, or why and when to come again."""
    body = json.loads(answer.body)
    if answer.status == 200:
        assert "errors" not in body
        assert body["data"]
    else:
        assert answer.status in {429, 503}
        extensions = body["errors"][0]["extensions"]
        assert extensions["code"] in {"UNAVAILABLE", "RATE_LIMITED"}
        assert extensions["retryAfterMs"] > 0
