"""Settings: every environment variable that the service reads, in the order of `.env.example`. Nothing else reads any.

A wrong or half-set combination is refused at start with a message that names the variable and never shows a value.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SAHHA_PRODUCTION_URL = "https://api.sahha.ai"
OPENAI_PRODUCTION_URL = "https://api.openai.com/v1"
OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
PLACEHOLDER = re.compile(r"^$|^<.*>$|change[-_ ]?me|your[-_ ]|placeholder|^x{3,}$|\bexample\b", re.IGNORECASE)
LOOPBACK_URL = re.compile(r"^http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?(?:/[^\s?#]*)?$")
ORIGIN = re.compile(
    r"^(?!http://[^/]*:80$)(?!https://[^/]*:443$)[a-z][a-z0-9+.-]*://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?$"
)
SERVICE_KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[0-9a-f]{64}$")


class ConfigurationError(Exception):
    """The settings cannot be used. The message names the variables and holds no value."""


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class ReasoningEffort(StrEnum):
    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Settings(BaseSettings):
    """One field for each variable. Seconds end in `_S`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8002, ge=0, le=65535, description="Port to listen on.")
    data_dir: Path = Field(Path(".data"), description="Embedded PostgreSQL and the keys of sandbox mode.")
    clock: AwareDatetime | None = Field(
        None,
        description="Instant at which the service's clock starts, RFC 3339 with offset. Sandbox mode and tests only.",
    )
    database_url: SecretStr | None = Field(None, description="postgresql://... ; left out: an embedded PostgreSQL in DATA_DIR.")
    database_pool: int = Field(10, ge=2, le=200, description="Connections for requests; the worker has its own.")
    sahha_base_url: str | None = Field(None, description=f"Sahha's API; {SAHHA_PRODUCTION_URL} unless set.")
    sahha_client_id: SecretStr | None = Field(None, description="Account credential; left out: sandbox mode with a stand-in.")
    sahha_client_secret: SecretStr | None = Field(None, description="Goes with SAHHA_CLIENT_ID.")
    sahha_connect_timeout_s: float = Field(2, gt=0, le=30, description="To connect to Sahha.")
    sahha_attempt_timeout_s: float = Field(5, gt=0, le=60, description="For one call to Sahha, whole.")
    sahha_query_deadline_s: float = Field(6, gt=0, le=120, description="For all calls of a read that a query waits for.")
    sahha_plan_deadline_s: float = Field(12, gt=0, le=120, description="For all calls of a read that a plan waits for.")
    sahha_concurrency: int = Field(20, ge=1, le=500, description="Calls to Sahha at the same time.")
    sahha_refresh_per_s: float = Field(
        20, gt=0, le=10_000, description="People a second whom the refresh job begins to read, at most."
    )
    sahha_webhook_secret: SecretStr | None = Field(
        None, description="Signs Sahha's webhooks; left out: they are refused, or in sandbox mode signed by the stand-in's."
    )
    sahha_retry_share: float = Field(
        0.1, ge=0, le=1, description="Repeated calls to Sahha within a minute, as a share of the calls; six are always allowed."
    )
    sahha_breaker_window_s: float = Field(30, gt=0, le=3600, description="Reads of this time decide whether reading is stopped.")
    sahha_breaker_reads: int = Field(10, ge=1, le=1000, description="Fewer reads than this decide nothing.")
    sahha_breaker_people: int = Field(3, ge=1, le=1000, description="Failed reads must be of at least so many people.")
    sahha_breaker_share: float = Field(0.5, gt=0, le=1, description="Share of failed or slow reads at which reading is stopped.")
    sahha_slow_read_s: float = Field(5, gt=0, le=120, description="A read for which Sahha takes longer counts as failed.")
    sahha_breaker_open_s: float = Field(15, gt=0, le=3600, description="How long reading is stopped, doubled while probes fail.")
    sahha_breaker_longest_open_s: float = Field(120, gt=0, le=3600, description="The longest that it gets.")
    openai_api_key: SecretStr | None = Field(None, description="Left out: every plan is written by rules, without a model.")
    openai_base_url: str | None = Field(
        None, description=f"An API that speaks Responses; {OPENAI_PRODUCTION_URL} unless set. Plain http on loopback only."
    )
    openai_model: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][\w.:/-]{0,127}$", description=f"The model that writes; {OPENAI_DEFAULT_MODEL} unless set."
    )
    openai_reasoning_effort: ReasoningEffort | None = Field(
        None, description="none, minimal, low, medium or high, for models that take it; the model's own unless set."
    )
    openai_connect_timeout_s: float = Field(2, gt=0, le=30, description="To connect to the model's API.")
    openai_attempt_timeout_s: float = Field(45, gt=0, le=300, description="For one call to the model, whole.")
    openai_deadline_s: float = Field(90, gt=0, le=600, description="For all calls that one plan takes.")
    openai_concurrency: int = Field(8, ge=1, le=200, description="Calls to the model at the same time.")
    admin_api_key: SecretStr | None = Field(
        None, description="May do everything; generated in sandbox mode, required outside it."
    )
    service_api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="name:sha256-of-the-key, separated by commas. May act on behalf of any person; no admin fields."
    )
    jwt_secret: SecretStr | None = Field(
        None,
        description="User tokens are signed with it by HS256; 32 bytes or more. Without it and JWT_JWKS_URL: no user tokens.",
    )
    jwt_jwks_url: str | None = Field(
        None, description="Or: where the public keys of their issuer are, for RS256 and ES256. Plain http on loopback only."
    )
    jwt_audience: str | None = Field(None, description="What user tokens name as `aud`. Goes with JWT_SECRET or JWT_JWKS_URL.")
    jwt_issuer: str | None = Field(None, description="What user tokens name as `iss`. Goes with JWT_SECRET or JWT_JWKS_URL.")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="https://app.company.com,... : origins whose pages may call, over HTTP and WebSocket, beside our own."
    )
    key_operations_per_s: int = Field(1000, ge=1, le=1_000_000, description="Operations of one key in a second.")
    person_operations_per_min: int = Field(
        300, ge=1, le=1_000_000, description="Operations with tokens of one person in a minute."
    )
    person_work_per_h: int = Field(
        120, ge=1, le=1_000_000, description="Routines, replans and refreshes that are begun for one person in an hour."
    )
    unknown_keys_per_min: int = Field(
        30,
        ge=1,
        le=1_000_000,
        description="Wrong keys from one address in a minute before it has to wait; good keys from there never do.",
    )
    read_concurrency: int = Field(20, ge=1, le=10_000, description="Queries that are answered at the same time.")
    mutation_concurrency: int = Field(
        12, ge=1, le=10_000, description="Mutations that are answered at the same time; waiting for a plan does not count."
    )
    admin_concurrency: int = Field(4, ge=1, le=1000, description="Operations of admins at the same time, beside all others.")
    streams: int = Field(2000, ge=1, le=100_000, description="Sockets and event streams that are open at the same time, at most.")
    streams_per_person: int = Field(5, ge=1, le=1000, description="Of them, with tokens of one person.")
    streams_per_key: int = Field(1000, ge=1, le=100_000, description="Of them, with one key.")
    stream_life_s: float = Field(1800, gt=0, le=86_400, description="After at most so long each is ended, and clients come back.")
    stream_ping_s: float = Field(20, gt=0, le=300, description="Between two signs of life; a socket that answers none is closed.")
    stream_send_timeout_s: float = Field(10, gt=0, le=300, description="A client that takes nothing for so long is let go.")
    socket_init_timeout_s: float = Field(5, gt=0, le=60, description="A socket has to say who it is within this time.")
    socket_operations: int = Field(10, ge=1, le=1000, description="Operations of one socket at the same time.")
    socket_messages_per_s: int = Field(50, ge=1, le=10_000, description="Messages of one socket a second; more are read later.")
    operation_deadline_s: float = Field(
        10, gt=0, le=300, description="For a query or a mutation; waiting for a plan does not count."
    )
    max_tokens: int = Field(1000, ge=100, le=10_000, description="Words and signs in a GraphQL document.")
    max_depth: int = Field(8, ge=4, le=50, description="Fields within one another.")
    max_aliases: int = Field(15, ge=0, le=1000, description="Fields of a document that are given another name.")
    max_cost: int = Field(
        50_000,
        ge=1000,
        le=10_000_000,
        description="Values in the largest answer that an operation can have; each object in it counts as two more.",
    )
    persisted_documents: Path | None = Field(
        None, description="File of documents that may be asked for by their hash, as `firstlight persist` writes it."
    )
    persisted_only: Switch = Field(Switch.OFF, description="Run no other documents than those: on or off.")
    introspection: Switch | None = Field(
        None, description="Tell what the schema holds, in errors too: on or off; left out: on in sandbox mode alone."
    )
    graphiql: Switch | None = Field(
        None, description="Serve the GraphiQL page at /graphiql: on or off; left out: on in sandbox mode alone."
    )
    scheduler: Switch = Field(Switch.ON, description="Run the scheduled jobs in this process: on or off.")
    worker: Switch = Field(Switch.ON, description="Run the durable work in this process: on or off.")
    worker_concurrency: int = Field(10, ge=2, le=200, description="Jobs at the same time.")
    worker_heartbeat_timeout_s: float = Field(
        20, ge=2, le=600, description="Silence after which another worker takes a job over."
    )
    worker_attempts: int = Field(8, ge=1, le=50, description="Attempts at a routine before it is FAILED.")
    worker_sync_concurrency: int = Field(
        4, ge=1, le=200, description="Syncs of older data at the same time, over all workers together; alike in all of them."
    )
    daily_tokens_per_person: int = Field(
        100_000, ge=0, le=10**9, description="Model tokens of one person in a UTC day; a plan takes 5,000 to 15,000."
    )
    daily_tokens: int = Field(5_000_000, ge=0, le=10**12, description="Model tokens of everybody in a UTC day.")
    retention_days: int = Field(90, ge=8, le=3650, description="How long health records are kept.")
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="console or json.")

    @field_validator("service_api_keys", "cors_origins", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was set
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("service_api_keys")
    @classmethod
    def _check_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(SERVICE_KEY.match(entry) for entry in value):
            raise ValueError("each entry is name:sha256, the hash in 64 lower-case hexadecimal digits")
        if len({entry.partition(":")[0] for entry in value}) < len(value):
            raise ValueError("each name stands for one key")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ORIGIN.match(entry) for entry in value):
            raise ValueError("each entry is an origin as browsers send it: scheme://host[:port] in lower case, no path, no *")
        return value

    @field_validator(
        "sahha_client_id",
        "sahha_client_secret",
        "openai_api_key",
        "openai_base_url",
        "openai_model",
        "admin_api_key",
        "jwt_secret",
        "jwt_jwks_url",
        "jwt_audience",
        "jwt_issuer",
        "database_url",
    )
    @classmethod
    def _refuse_placeholders(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if given is not None and PLACEHOLDER.search(given):
            raise ValueError("looks like a placeholder")
        return value

    @field_validator("admin_api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("must have at least 16 characters")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _strong_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError("must have at least 32 bytes")
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _check_keys_url(cls, value: str | None) -> str | None:
        if value is not None and not (re.match(r"^https://[^/\s?#@]+/[^\s#]*$", value) or LOOPBACK_URL.match(value)):
            raise ValueError("must be https://host/path, or http:// on loopback")
        return value

    @field_validator("sahha_base_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^https?://[^/\s]+/?$", value):
            raise ValueError("must be https://host without a path")
        return value.rstrip("/") if value else value

    @field_validator("openai_base_url")
    @classmethod
    def _check_model_url(cls, value: str | None) -> str | None:
        if value is not None and not (re.match(r"^https://[^/\s?#]+(?:/[^\s?#]*)?$", value) or LOOPBACK_URL.match(value)):
            raise ValueError("must be https://host/path, or http:// on loopback")
        return value.rstrip("/") if value else value

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if self.openai_api_key is None:
            for name in ("openai_base_url", "openai_model", "openai_reasoning_effort"):
                if getattr(self, name) is not None:
                    raise ValueError(f"OPENAI_API_KEY is missing: {name.upper()} is set")
        elif self.clock is not None and not LOOPBACK_URL.match(self.openai_base_url or ""):
            raise ValueError("CLOCK is for sandbox mode and tests: it cannot stand beside OPENAI_API_KEY")
        return self

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        if self.jwt_secret is not None and self.jwt_jwks_url is not None:
            raise ValueError("JWT_SECRET and JWT_JWKS_URL are both set: tokens are signed with one or the other")
        signed = self.jwt_secret is not None or self.jwt_jwks_url is not None
        named = {"JWT_AUDIENCE": self.jwt_audience, "JWT_ISSUER": self.jwt_issuer}
        for name, value in named.items():
            if signed and value is None:
                raise ValueError(f"{name} is missing: JWT_SECRET and JWT_JWKS_URL need it")
            if value is not None and not signed:
                raise ValueError(f"JWT_SECRET or JWT_JWKS_URL is missing: {name} is set")
        return self

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if (self.sahha_client_id is None) != (self.sahha_client_secret is None):
            missing = "SAHHA_CLIENT_SECRET" if self.sahha_client_secret is None else "SAHHA_CLIENT_ID"
            raise ValueError(f"{missing} is missing: SAHHA_CLIENT_ID and SAHHA_CLIENT_SECRET go together")
        if self.sandbox and self.sahha_base_url is not None:
            raise ValueError("SAHHA_CLIENT_ID and SAHHA_CLIENT_SECRET are missing: SAHHA_BASE_URL is set")
        if not self.sandbox and self.clock is not None:
            raise ValueError("CLOCK is for sandbox mode and tests: it cannot stand beside SAHHA_CLIENT_ID")
        if not self.sandbox and self.admin_api_key is None:
            raise ValueError("ADMIN_API_KEY is missing: outside sandbox mode keys come from the environment alone")
        return self

    @model_validator(mode="after")
    def _check_persisted(self) -> Self:
        if self.persisted_only is Switch.ON and self.persisted_documents is None:
            raise ValueError("PERSISTED_DOCUMENTS is missing: PERSISTED_ONLY is on")
        return self

    @property
    def model_url(self) -> str:
        """Where the model is asked, when it is."""
        return self.openai_base_url or OPENAI_PRODUCTION_URL

    @property
    def model_name(self) -> str:
        return self.openai_model or OPENAI_DEFAULT_MODEL

    @property
    def sandbox(self) -> bool:
        """No Sahha credentials: the stand-in is spoken to."""
        return self.sahha_client_id is None

    @property
    def introspects(self) -> bool:
        return self.sandbox if self.introspection is None else self.introspection is Switch.ON

    @property
    def serves_graphiql(self) -> bool:
        return self.sandbox if self.graphiql is None else self.graphiql is Switch.ON


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - each field has its own type
    """The settings of the environment and `.env`. Raises `ConfigurationError`, which names variables and shows no value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            name = ".".join(str(part) for part in problem["loc"][:1]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        raise ConfigurationError("\n".join(lines)) from None
