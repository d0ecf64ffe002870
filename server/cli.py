"""The `firstlight` command."""

import asyncio
import logging
import secrets
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from resolvers.arguments import person_id
from schema.sdl import print_schema
from server.backfilling import backfill
from server.check import Finding, check_everything
from server.evaluation import evaluate_command, rules_command
from server.persisted import persist_command
from server.sandbox import CLIENT_ID
from server.serve import serve
from server.standins.generated import CROWD, MOST, Crowd
from server.standins.openai_faults import GUIDE as MODEL_GUIDE
from server.standins.sahha import GUIDE
from server.standins.serving import Standin, run_openai_standin, run_sahha_standin
from server.standins.webhooks_out import Target
from server.starting import StartError
from server.tokens import mint
from server.work import work
from services.clock import clock_starting_at
from services.config import ConfigurationError, Settings, Switch, load_settings
from services.domain.schedule import UnknownTimezone, zone
from services.errors import BadUserInput
from services.log import configure_logging
from services.store.embedded import EmbeddedPostgresError
from services.store.migrations import MigrationError, migrate

T = TypeVar("T")

PACKAGES = ("server", "schema", "resolvers", "services", "scheduler")
DISTRIBUTION = "firstlight"
STANDINS_HELP = "Serve the Sahha stand-in by itself, for another service to point SAHHA_BASE_URL at.\n\n" + "\n\n".join(
    f"\b\n{paragraph}" for paragraph in GUIDE.split("\n\n")
)
"""With the whole language of faults and webhooks, line by line as it is written."""
MODEL_STANDIN_HELP = "Serve the model stand-in by itself, for another service to point OPENAI_BASE_URL at.\n\n" + "\n\n".join(
    f"\b\n{paragraph}" for paragraph in MODEL_GUIDE.split("\n\n")
)

app = typer.Typer(
    name=DISTRIBUTION, help="Live health data in, a verified routine for today out.", no_args_is_help=True, add_completion=True
)
keys_app = typer.Typer(help="Keys for callers.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.command("rules")(rules_command)
app.command("evaluate")(evaluate_command)
app.command("persist")(persist_command)
console = Console()


@app.command("serve")
def serve_command(
    *,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave the durable work to `firstlight worker`.")] = False,
) -> None:
    """Serve the API. Without credentials: sandbox mode, on an embedded PostgreSQL with stand-in upstreams."""
    settings = _settings(**({"worker": Switch.OFF} if no_worker else {}))
    _refuse_shadowed_packages()
    _refuse_missing_zones()
    configure_logging(settings.log_format)
    _run(serve(settings))


@app.command("worker")
def worker_command() -> None:
    """Do the durable work of DATABASE_URL in this process, beside any number of others."""
    settings = _settings()
    _refuse_shadowed_packages()
    _refuse_missing_zones()
    configure_logging(settings.log_format)
    _run(work(settings))


@app.command("backfill")
def backfill_command(
    days: Annotated[int, typer.Option(help="How many days back, today among them.", min=1)] = 90,
    people: Annotated[
        Path | None, typer.Option(help="File with one person's id a line; - for standard input. Left out: everybody known.")
    ] = None,
) -> None:
    """Fetch people's past from Sahha, politely. What is done is remembered: run it again to go on after a stop."""
    settings = _settings()
    configure_logging(settings.log_format, logging.WARNING)
    if not _run(backfill(settings, people, days, Console(stderr=True))):
        raise typer.Exit(1)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the schema of DATABASE_URL up to date. Safe to run at any time and by several at once."""
    settings = _settings()
    if settings.database_url is None:
        _fail("DATABASE_URL is missing: the embedded PostgreSQL is migrated by `firstlight serve` itself.")
    applied = _run(migrate(settings.database_url.get_secret_value()))
    console.print("\n".join(applied) if applied else "Nothing to do: the schema is up to date.")


@app.command("check")
def check_command() -> None:
    """Say what would keep this installation from working: settings, packages, zones, database, Sahha, user tokens."""
    settings = _settings()
    findings = _run(check_everything(settings))
    console.print(_table(findings))
    if any(not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command("standins", help=STANDINS_HELP)
def standins_command(
    port: Annotated[int, typer.Option(help="Loopback port of the Sahha stand-in.")] = 8010,
    people: Annotated[int, typer.Option(help="Generated people beside the invented ones.", min=0, max=MOST)] = CROWD,
    seed: Annotated[int, typer.Option(help="Of the generated people: another seed, other people.")] = 0,
    clock: Annotated[
        datetime | None, typer.Option(help="UTC instant at which its clock starts; the present one when left out.")
    ] = None,
    webhooks_to: Annotated[str | None, typer.Option(help="URL that its webhooks go to, on loopback.", metavar="URL")] = None,
) -> None:
    secret, webhook_secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    shown = (
        f"SAHHA_BASE_URL=http://127.0.0.1:{port} SAHHA_CLIENT_ID={CLIENT_ID} SAHHA_CLIENT_SECRET={secret} "
        f"SAHHA_WEBHOOK_SECRET={webhook_secret}"
    )
    console.print(shown, soft_wrap=True, highlight=False)
    offset_s = clock_starting_at(clock.replace(tzinfo=UTC) if clock else None).offset.total_seconds()
    try:
        standin = Standin(CLIENT_ID, secret, offset_s, Crowd(people, seed), Target(webhooks_to, webhook_secret))
        run_sahha_standin(None, "127.0.0.1", port, standin)
    except (OSError, ValueError) as error:
        _fail(f"Cannot serve on port {port}: {error}")


@app.command("model-standin", help=MODEL_STANDIN_HELP)
def model_standin_command(port: Annotated[int, typer.Option(help="Loopback port of the model stand-in.")] = 8011) -> None:
    key = secrets.token_urlsafe(16)
    console.print(f"OPENAI_BASE_URL=http://127.0.0.1:{port}/v1 OPENAI_API_KEY={key}", soft_wrap=True, highlight=False)
    try:
        run_openai_standin("127.0.0.1", port, key)
    except OSError as error:
        _fail(f"Cannot serve on port {port}: {error}")


@app.command("print-schema")
def print_schema_command() -> None:
    """Print the GraphQL schema, as it is committed in schema/schema.graphql."""
    sys.stdout.write(print_schema())


@keys_app.command("new")
def new_key_command(
    name: Annotated[str, typer.Argument(help="Who will use it: letters, digits, dots and dashes.")],
) -> None:
    """Make a service key: give the key to the caller and the entry to SERVICE_API_KEYS. The key is shown once."""
    key = f"service_{secrets.token_urlsafe(32)}"
    console.print(f"key    {key}\nentry  {name}:{sha256(key.encode()).hexdigest()}", soft_wrap=True, highlight=False)


@keys_app.command("token")
def new_token_command(
    user: Annotated[str, typer.Option(help="The person's id, who is then the caller.")],
    minutes: Annotated[int, typer.Option(help="How long it is good for.", min=1, max=1440)] = 60,
) -> None:
    """Make a user token, signed with JWT_SECRET: to try out what a person's own app may do."""
    try:
        token = mint(_settings(), person_id(user), timedelta(minutes=minutes))
    except (BadUserInput, ValueError) as error:
        _fail(str(error))
    console.print(token, soft_wrap=True, highlight=False)


def _settings(**overrides: object) -> Settings:
    try:
        return load_settings(**overrides)
    except ConfigurationError as error:
        _fail(str(error))


def _refuse_shadowed_packages() -> None:
    """`schema`, `services` and `scheduler` are names that other distributions use too, and they overwrite silently."""
    owners = packages_distributions()
    for name in PACKAGES:
        strangers = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if strangers:
            _fail(f"The package {name} is also that of {', '.join(strangers)}: uninstall it, or use an environment of its own.")


def _refuse_missing_zones() -> None:
    """Without time zone data every local time would be a guess."""
    try:
        zone("America/New_York")
    except UnknownTimezone:
        _fail("There is no time zone data: install the tzdata package.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop. What an operator can mend is said in a line, without a traceback."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except (StartError, MigrationError, EmbeddedPostgresError, OSError) as error:
        _fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(0) from None


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "found", "remedy", box=None)
    for finding in findings:
        table.add_row("✅" if finding.ok else "❌", finding.what, finding.found, finding.remedy)
    return table


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
