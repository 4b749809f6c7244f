"""The audit log that is written before a response: `audit_log_required`.

With it, credentials are not issued and data does not change without a record. The pipeline decides which calls are
recorded first, and the sink writes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from daypass.audit.event import AuditRecord
from daypass.audit.sinks import NotRecordedError, ServerSink
from daypass.errors import ServiceUnavailable

_REFUSAL = (
    "The server cannot write its audit log. Calls that issue credentials or change data fail until it can. "
    "Reads still work. Try again later."
)


@dataclass(frozen=True, slots=True)
class RequiredLog:
    """Records before the response.

    `count` counts such a response, as `record` does for all others.
    """

    sink: ServerSink
    count: Callable[[AuditRecord], None]

    def require(self) -> None:
        """Raise ServiceUnavailable if the log is known to fail. Never waits."""
        reason = self.sink.trouble()
        if reason:
            raise ServiceUnavailable(_REFUSAL, detail=f"the audit log cannot be written: {reason}")

    def record(self, record: AuditRecord) -> None:
        """Write the event before returning.

        Raises ServiceUnavailable if the system does not accept the line. May wait.
        """
        try:
            self.sink.record_now(record)
        except NotRecordedError as problem:
            raise ServiceUnavailable(_REFUSAL, detail=f"the audit log cannot be written: {problem}") from problem
