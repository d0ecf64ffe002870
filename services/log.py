"""Structured logs on standard output: one record a line, the `event` text first. No health value, token or key is ever logged."""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

from services.config import LogFormat
from services.errors import ServiceError, UpstreamError

SECRETS = frozenset({"authorization", "key", "api_key", "token", "secret", "password", "value"})
"""Field names that never leave the process; a second wall behind not logging them at all."""


def configure_logging(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers to standard output in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_secrets,
        _tell_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpcore", "httpx2", "httpcore2", "openai", "apscheduler", "databases", "pgqueuer", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderer(log_format: LogFormat) -> structlog.typing.Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0)


def _drop_secrets(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in SECRETS & record.keys():
        record[name] = "(not logged)"
    return record


def _tell_exception(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace `exc_info` by frames and types: the messages of foreign exceptions quote values, a driver's the whole row."""
    error = record.pop("exc_info", None)
    if error is True or isinstance(error, tuple):
        error = (sys.exc_info() if error is True else error)[1]
    if isinstance(error, BaseException):
        record["exception"] = "".join(_frames(error)).rstrip()
    return record


def _frames(error: BaseException) -> Iterator[str]:
    """The chain of an exception as Python prints it, without the messages that are not ours and without local variables."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _frames(earlier)
        yield "\nThen:\n"
    yield from traceback.format_tb(error.__traceback__)
    told = str(error) if isinstance(error, ServiceError | UpstreamError) else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{': ' if told else ''}{told}\n"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _frames(part)
