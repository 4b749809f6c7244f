"""Open the traces of a process, if the operator wants them.

Owns the decision by the settings, for the server and for a gateway. Without the setting, nothing of OpenTelemetry is
imported.
"""

from typing import TYPE_CHECKING

from daypass.config import Config, ConfigurationError

if TYPE_CHECKING:
    from daypass.traces.span_export import Traces


def check_configured_traces(config: Config) -> None:
    """Check that configured traces can be exported.

    It starts no thread. Raises ConfigurationError.
    """
    if config.traces:
        from daypass.traces.span_export import TracesError, check_traces

        try:
            check_traces()
        except TracesError as error:
            raise ConfigurationError(str(error)) from error


def open_configured_traces(config: Config) -> "Traces | None":
    """Return the traces of this process, or None without the setting.

    Raises ConfigurationError.
    """
    if not config.traces:
        return None
    from daypass.traces.span_export import TracesError, open_traces

    try:
        return open_traces()
    except TracesError as error:
        raise ConfigurationError(str(error)) from error
