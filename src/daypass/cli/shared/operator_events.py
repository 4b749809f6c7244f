"""Audit events of operators' commands that are not calls of an API.

Owns the event of a command, and the transaction of a command that changes the store: it is recorded once it is
committed. A log that cannot be opened stops the command before it changes anything.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.cli.shared.apply_context import audited, user_name
from daypass.cli.shared.store_options import opened, read_config

if TYPE_CHECKING:
    from daypass.audit.event import AuditRecord
    from daypass.directory.store import Writer
    from daypass.storage.views import OpenedStore


def operator_event(action: str, parameters: Mapping[str, Any], *, command: str, now: datetime) -> "AuditRecord":
    """Return the event of a command, whose agent names the operator."""
    from daypass.audit.event import AuditRecord
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


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """The transaction of a command, and the parameters of its event."""

    there: "OpenedStore"
    writer: "Writer"
    parameters: dict[str, Any] = field(default_factory=dict)

    def tell(self, **parameters: Any) -> None:
        """Add parameters to the event. None of them may be a secret."""
        self.parameters.update({name: value for name, value in parameters.items() if value not in (None, "", [], ())})


@contextmanager
def operator_change(
    command: str, action: str, store: str | None, config_file: Path | None, *, makes: bool = False
) -> Iterator[OperatorChange]:
    """Open the store for one change, and record its event.

    `makes` creates a missing store. Stops with exit code 6 if the store or the audit log cannot be opened.
    """
    config = read_config({"store": store}, config_file)
    with opened(store, config_file, makes=makes) as there, audited(config) as sink:
        with there.store.write() as writer:
            change = OperatorChange(there, writer)
            yield change
        sink(operator_event(action, change.parameters, command=command, now=there.clock.now()))
