"""Record each answered request.

Owns the order of metrics, audit event, and last use of a key or role, and the log of a bug.
"""

import traceback
from collections.abc import Callable
from time import monotonic
from typing import TypeAlias

import structlog

from daypass.audit.event import AuditRecord
from daypass.audit.sinks import Sink
from daypass.authenticate.caller import Caller
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.last_uses import LastUses
from daypass.http.metrics import Metrics
from daypass.policy.authorization_request import PrincipalKind

RecordRequest: TypeAlias = Callable[[AuditRecord], None]


def make_recorder(sink: Sink, metrics: Metrics, uses: LastUses) -> Callable[[AuditRecord], None]:
    """Return the function that records a request."""

    # Inlines `make_counter`: for every request, the extra call is measurable.
    def record_request(record: AuditRecord) -> None:
        fault = record.fault
        if fault is None:
            metrics.answered(record.action, "", record.request.began)
        else:
            metrics.refused(record.action, fault, record.request.began)
        sink(record)
        if record.caller is not None and record.access_key_id:
            _note_use(record, record.caller, uses)

    return record_request


def make_counter(metrics: Metrics, uses: LastUses) -> Callable[[AuditRecord], None]:
    """Return the function that counts an already recorded request."""

    def count_request(record: AuditRecord) -> None:
        fault = record.fault
        if fault is None:
            metrics.answered(record.action, "", record.request.began)
        else:
            metrics.refused(record.action, fault, record.request.began)
        if record.caller is not None and record.access_key_id:
            _note_use(record, record.caller, uses)

    return count_request


def with_debug_lines(record_request: Callable[[AuditRecord], None]) -> Callable[[AuditRecord], None]:
    """Return a function that also logs each request, for log_level = debug.

    The line has no parameters. It has the detail of a refusal, which else is in the audit log alone.
    """

    def record_and_log(record: AuditRecord) -> None:
        record_request(record)
        fault, began = record.fault, record.request.began
        structlog.get_logger().debug(
            "answered",
            request_id=record.request_id,
            peer=record.request.peer,
            action=record.action,
            code="" if fault is None else fault.code,
            detail="" if fault is None else fault.detail,
            milliseconds=round((monotonic() - began) * 1_000, 3) if began else None,
        )

    return record_and_log


def _note_use(record: AuditRecord, caller: Caller, uses: LastUses) -> None:
    """Record the use of a long-term key, or of the role of a session."""
    if caller.session is None:
        used = caller.access_key_id
    elif caller.principal.kind is PrincipalKind.ROLE_SESSION:
        used = caller.principal.unique_id
    else:
        return
    if uses.is_due(used, record.at):
        uses.note(LastUse(id=used, account=caller.account, at=record.at, region=record.region, service=record.service))


def report_bug(request_id: str, bug: Exception) -> None:
    """Log a bug with its traceback."""
    # The plain traceback: local variables may be secret, and are never logged.
    text = "".join(traceback.format_exception(bug))
    structlog.get_logger().error("bug", request_id=request_id, traceback=text)
