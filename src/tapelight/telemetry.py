"""Logs: structured lines on stderr; stdout belongs to the answers of commands."""

import sys

import structlog

from tapelight.errors import ConfigError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def log_to_stderr(level: str = "info", *, as_json: bool | None = None) -> None:
    """Send logs to stderr: coloured lines on a terminal, JSON elsewhere unless `as_json` says."""
    if level not in LEVELS:
        raise ConfigError(f"Unknown log level {level!r}: use {', '.join(LEVELS)}.")
    plain = as_json if as_json is not None else not sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer() if plain else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
