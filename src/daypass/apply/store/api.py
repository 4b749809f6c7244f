"""The IAM API inside the process, called by the root user of an account.

Owns the path from nested parameters to the `perform` of an action. The service model checks names, lengths and patterns
as for every client. A refused call raises an ApplyFileError with its position. Calls become audit events when the
transaction is certain.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.audit.event import AuditRecord
from daypass.authenticate.caller import Caller, root_caller
from daypass.errors import SenderFault
from daypass.operations.iam.iam_action import IamAction
from daypass.operations.registry import Registry
from daypass.operations.request_context import RequestContext
from daypass.wire.catalog import Catalog
from daypass.wire.http import HttpRequest

_VERSION = "2010-05-08"


@dataclass(frozen=True, slots=True)
class AuditOrigin:
    """The caller in the audit log: the command and its user."""

    agent: str
    region: str
    new_request_id: Callable[[], str]


@dataclass(slots=True)
class Api:
    """Call actions inside one transaction and collect their audit events."""

    catalog: Catalog
    registry: Registry
    ctx: RequestContext
    source: AuditOrigin
    audit_records: list[AuditRecord] = field(default_factory=list)

    def call(self, account: str, action: str, params: Mapping[str, Any], place: FilePosition) -> dict[str, Any]:
        """Perform an action and return its response.

        Raises ApplyFileError if the action is refused.
        """
        caller = root_caller(account, "")
        try:
            model = self.catalog.find(action, _VERSION)
            flat = dict(flatten(params))
            self.registry.require_supported(model, flat)
            values = model.parse(flat)
            operation: Any = self.registry.find("iam", action)
            answer = self._perform(operation, values, caller)
        except SenderFault as fault:
            self.note(account, action, params, fault)
            raise ApplyFileError(place, f"{fault.code}: {fault.message}", refused=True) from fault
        self.note(account, action, values)
        return answer

    def note(self, account: str, action: str, params: Mapping[str, Any], fault: SenderFault | None = None) -> None:
        """Record an event. Only the last event of a transaction may be a refusal."""
        request = HttpRequest("POST", b"/", b"", ((b"user-agent", self.source.agent.encode()),), b"", "daypass", True)  # noqa: FBT003 - a positional struct
        caller = root_caller(account, "")
        self.audit_records.append(
            AuditRecord(
                at=self.ctx.now,
                request_id=self.source.new_request_id(),
                request=request,
                service="iam",
                action=action,
                region=self.source.region,
                access_key_id="",
                caller=caller,
                parameters=params,
                fault=fault,
            )
        )

    def _perform(self, operation: IamAction[Any], values: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return operation.perform(operation.parse(values), caller, self.ctx) or {}


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return nested parameters in the form of the Query protocol.

    For example `Tags.member.1.Key`.
    """
    for name, value in params.items():
        yield from _flatten(prefix + name, value)


def _flatten(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from flatten(value, f"{name}.")
    elif isinstance(value, list):
        for index, element in enumerate(value, 1):
            yield from _flatten(f"{name}.member.{index}", element)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
