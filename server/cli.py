"""The `firstlight` command."""

import asyncio
import secrets
import sys
from collections.abc import Coroutine
from hashlib import sha256
from importlib.metadata import packages_distributions
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from schema.sdl import print_schema
from server.check import Finding, check_everything
from server.sandbox import CLIENT_ID
from server.serve import StartError, serve
from server.standins.serving import run_sahha_standin
from services.config import ConfigurationError, Settings, load_settings
from services.log import configure_logging
from services.store.embedded import EmbeddedPostgresError
from services.store.migrations import MigrationError, migrate

T = TypeVar("T")

PACKAGES = ("server", "schema", "resolvers", "services", "scheduler")
DISTRIBUTION = "firstlight"

app = typer.Typer(
    name=DISTRIBUTION, help="Live health data in, a verified routine for today out.", no_args_is_help=True, add_completion=True
)
keys_app = typer.Typer(help="Keys for callers.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
console = Console()


@app.command("serve")
def serve_command() -> None:
    """Serve the API. Without credentials: sandbox mode, on an embedded PostgreSQL with stand-in upstreams."""
    settings = _settings()
    _refuse_shadowed_packages()
    configure_logging(settings.log_format)
    _run(serve(settings))


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
    """Say what would keep this installation from working: settings, packages, zones, database, Sahha."""
    settings = _settings()
    findings = _run(check_everything(settings))
    console.print(_table(findings))
    if any(not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command("standins")
def standins_command(
    port: Annotated[int, typer.Option(help="Loopback port of the Sahha stand-in.")] = 8010,
) -> None:
    """Serve the Sahha stand-in by itself, for another service to point SAHHA_BASE_URL at; faults are set at /_standin/faults."""
    secret = secrets.token_urlsafe(16)
    shown = f"SAHHA_BASE_URL=http://127.0.0.1:{port} SAHHA_CLIENT_ID={CLIENT_ID} SAHHA_CLIENT_SECRET={secret}"
    console.print(shown, soft_wrap=True, highlight=False)
    try:
        run_sahha_standin(None, "127.0.0.1", port, 0, client_id=CLIENT_ID, client_secret=secret)
    except OSError as error:
        _fail(f"Cannot listen on port {port}: {error.strerror}.")


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


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigurationError as error:
        _fail(str(error))


def _refuse_shadowed_packages() -> None:
    """`schema`, `services` and `scheduler` are names that other distributions use too, and they overwrite silently."""
    owners = packages_distributions()
    for name in PACKAGES:
        strangers = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if strangers:
            _fail(f"The package {name} is also that of {', '.join(strangers)}: uninstall it, or use an environment of its own.")


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
