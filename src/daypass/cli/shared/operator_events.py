"""Audit events of operators' commands that are not calls of an API."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daypass.audit.event import AuditRecord


def operator_event(action: str, parameters: Mapping[str, Any], *, command: str, now: datetime) -> "AuditRecord":
    """Return the event of a command, whose agent names the operator."""
    from daypass.audit.event import AuditRecord
    from daypass.cli.shared.apply_context import user_name
    from daypass.wire.http import HttpRequest
    from daypass.wiring import HOME_REGION

    agent = f"daypass {command} by {user_name()}".encode()
    return AuditRecord(
        at=now,
        request_id=str(uuid.uuid4()),
        request=HttpRequest("POST", b"/", b"", ((b"user-agent", agent),), b"", "daypass", True),  # noqa: FBT003 - a positional struct
        service="daypass",
        action=action,
        region=HOME_REGION,
        access_key_id="",
        caller=None,
        parameters=parameters,
        fault=None,
    )
