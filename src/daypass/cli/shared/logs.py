"""The logs of a server's process.

Owns their form on standard error: text or a JSON document for each line, for our own lines and those of libraries.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from daypass.cli.shared.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from structlog.typing import Processor


@contextmanager
def _without(library: str) -> Iterator[None]:
    """Make an optional library look as if it were not installed."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment] # as the import statement expects it
    try:
        yield
    finally:
        del sys.modules[library]


# structlog formats tracebacks with rich if it is installed. We do not use that, and its import delays each start.
with _without("rich"):
    import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)


def is_json(form: str) -> bool:
    """Return whether the log has JSON lines.

    `form` is "json", "text", or "" for text on a terminal only.
    """
    return form == "json" or (not form and not sys.stderr.isatty())


def set_up_logs(level: str, form: str = "") -> None:
    """Configure the log of this process.

    `form` is that of `is_json`. Stops with exit code 6 if the level does not exist.
    """
    if level.lower() not in _LEVELS:
        raise CommandError(f"log_level {level!r} is not valid; use one of {', '.join(_LEVELS)}.", Exit.CONFIGURATION)
    renderers = _renderers(as_json=is_json(form))
    structlog.configure(
        processors=[structlog.processors.add_log_level, _STAMP, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.lower()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing())),
        cache_logger_on_first_use=True,
    )
    _set_up_libraries(renderers)


def log_event(event: str, **values: object) -> None:
    """Write one line to the log of this process.

    A command that imports structlog itself would load rich with it.
    """
    structlog.get_logger().info(event, **values)


def log_to_standard_error() -> None:
    """Keep the log lines of a command out of its output.

    By default, structlog prints to standard output, where a script reads the document of a command. A log that the
    process has configured stays as it is.
    """
    if not structlog.is_configured():
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing())))


class _Unfailing:
    """Standard error that ignores write errors: it may be a file on a full disk."""

    def write(self, text: str) -> None:
        """Write the text; drop it if it cannot be written."""
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush, and ignore errors."""
        with suppress(OSError):
            sys.stderr.flush()


def _renderers(*, as_json: bool) -> "list[Processor]":
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Escape codes are for a terminal: in a file they would hide the words.
    is_terminal = sys.stderr.isatty()
    return [structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)]


def _set_up_libraries(renderers: "list[Processor]") -> None:
    """Format the logs of libraries like our own, so that a logged string cannot forge a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _STAMP],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # It warns about each malformed request, which anyone can send.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
