"""The audit log where nothing may be issued or changed without it: `audit_log_required`.

Owns the refusal. What must be recorded first is the pipeline's to know, and the writing is the sink's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from daypass.audit.event import Happening
from daypass.audit.sinks import NotRecordedError, ServerSink
from daypass.errors import ServiceUnavailable

_REFUSAL = (
    "The server cannot write its audit log, and issues and changes nothing until it can. Reading still works. "
    "Try again later."
)


@dataclass(frozen=True, slots=True)
class RequiredLog:
    """Records before the answer. `count` notes an answer that was recorded so, as `record` does for all others."""

    sink: ServerSink
    count: Callable[[Happening], None]

    def require(self) -> None:
        """Raise ServiceUnavailable where it is known that nothing can be written. Never waits."""
        reason = self.sink.trouble()
        if reason:
            raise ServiceUnavailable(_REFUSAL, detail=f"the audit log cannot be written: {reason}")

    def record(self, happening: Happening) -> None:
        """Return once the system has taken the event's line. Raises ServiceUnavailable where it does not. May wait."""
        try:
            self.sink.record_now(happening)
        except NotRecordedError as problem:
            raise ServiceUnavailable(_REFUSAL, detail=f"the audit log cannot be written: {problem}") from problem
