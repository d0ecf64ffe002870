"""What a start shows on the terminal: what is real and what stands in, the URLs that exist, and how to get a first routine."""

import json
from dataclasses import dataclass
from importlib.metadata import version

from server.pages import GRAPHIQL_PATH
from server.sandbox import Keys, Standin
from services.config import Settings, Switch


@dataclass(frozen=True, slots=True)
class Started:
    """What came up."""

    settings: Settings
    keys: Keys
    base_url: str
    embedded: bool
    standin: Standin | None


PERSON = "sandbox-avery"
FIRST_ROUTINE = (
    "mutation($input: GenerateRoutineInput!) { generateRoutine(input: $input, waitSeconds: 20) { __typename "
    "... on GenerateRoutineSuccess { routine { id status summary healthData { source state oldestValueAgeSeconds } "
    "timeBlocks { title startTime endTime tasks { title startTime evidence { type value unit } } } } } "
    "... on Problem { code message } } }"
)


def banner(started: Started) -> str:
    """The text of the banner. Keys are in it only in sandbox mode: they go to the terminal and to no log."""
    settings, url = started.settings, started.base_url
    lines = [
        "",
        f"Firstlight {version('firstlight')}{' · sandbox mode' if settings.sandbox else ''}",
        "",
        f"  Sahha        {_sahha(started)}",
        f"  Planner      {_planner(settings)}",
        f"  PostgreSQL   {f'embedded, in {settings.data_dir}' if started.embedded else 'the one of DATABASE_URL'}",
    ]
    if settings.clock is not None:
        lines.append(f"  Clock        started at {settings.clock.isoformat()} (CLOCK)")
    if settings.scheduler is Switch.OFF or settings.worker is Switch.OFF:
        lines.append(f"  Switched     scheduler {settings.scheduler}, worker {settings.worker}")
    lines += [
        "",
        f"  GraphQL      {url}/graphql  (subscriptions: {url.replace('http', 'ws', 1)}/graphql, graphql-transport-ws)",
        f"  Health       {url}/livez  {url}/readyz  {url}/metrics",
    ]
    if settings.serves_graphiql:
        lines.insert(-1, f"  GraphiQL     {url}{GRAPHIQL_PATH}  (put the admin key into its headers)")
    if started.keys.service is not None:
        lines += [
            "",
            f"  admin key    {started.keys.admin}",
            f"  service key  {started.keys.service}",
            "",
            "First routine (people of the sandbox: sandbox-avery, sandbox-blake, sandbox-casey):",
            "",
            first_routine_curl(url, started.keys.service),
        ]
    return "\n".join([*lines, ""])


def first_routine_curl(base_url: str, key: str) -> str:
    """A command to paste: one call that gives a READY routine."""
    variables = {
        "input": {
            "userId": PERSON,
            "archetype": "TRANSFORMATION_SEEKER",
            "timezone": "America/New_York",
            "preferences": {"wakeTime": "07:00", "sleepTime": "22:30"},
        }
    }
    body = json.dumps({"query": FIRST_ROUTINE, "variables": variables})
    return f"curl -s {base_url}/graphql -H 'content-type: application/json' -H 'x-api-key: {key}' \\\n  -d '{body}'"


def _planner(settings: Settings) -> str:
    if settings.openai_api_key is None:
        return "built-in rules"
    return f"{settings.model_name} at {settings.model_url}, on built-in rules"


def _sahha(started: Started) -> str:
    if started.standin is None:
        return f"real, {started.settings.sahha_base_url or 'production'}"
    pid = started.standin.pid
    return f"stand-in with invented people, {started.standin.access.base_url} (an outage: kill {pid})"
