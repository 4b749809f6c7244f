"""The trace of a request in its audit event.

Owns the name of the member, and the record that has it.
"""

import msgspec

from daypass.audit.event import AuditRecord

TRACE_ID = "traceId"
"""The member of additionalEventData with the trace of a request."""


def with_trace_id(record: AuditRecord, trace_id: str) -> AuditRecord:
    """Return a record whose event has the id of a trace, if there is one."""
    if not trace_id:
        return record
    if record.data is not None:
        data = msgspec.structs.replace(record.data, additional={**record.data.additional, TRACE_ID: trace_id})
        return msgspec.structs.replace(record, data=data)
    return msgspec.structs.replace(record, sign_in={**(record.sign_in or {}), TRACE_ID: trace_id})
