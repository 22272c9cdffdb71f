"""One log for a process: structlog to standard error, for people or as JSON, with the libraries' records in it."""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from schemas.settings import Settings

# Below these levels a library's records say nothing an operator can act on. kafka-python repeats every failed attempt
# to connect, several a second while a broker is away; our own publisher and consumers say once that it is.
_LEVELS = {
    "aiokafka": logging.WARNING,
    "clickhouse_connect": logging.WARNING,
    "faust": logging.WARNING,
    "kafka": logging.CRITICAL,
    "mode": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def configure(settings: Settings, process: str) -> None:
    """Set up logging of this process; `process` (ingest, worker, ...) stands in every line.

    Call it once, first thing in a process: it replaces the root logger's handlers. Standard output stays free for what
    the commands print.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _naming(process),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: those hold keys and personal data.
    closing: list[Processor]
    if settings.log_json:
        closing = [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        closing = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *closing],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _naming(process: str) -> Processor:
    def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return add_process
