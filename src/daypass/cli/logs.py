"""Where logs go and how they look: standard error, for people on a terminal, JSON otherwise.

No secret gets here: what is logged are events of the server itself, never requests.
"""

import logging
import sys

import structlog

from daypass.cli.exit_codes import Exit, Stop

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def set_up_logs(level: str) -> None:
    """Configure the log of this process. Stops with exit code 6 for a level that does not exist."""
    if level.lower() not in _LEVELS:
        raise Stop(f"log_level cannot be {level!r}: {', '.join(_LEVELS)} will do", Exit.CONFIGURATION)
    on_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if on_terminal else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            if on_terminal
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.lower()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
