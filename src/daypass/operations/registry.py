"""Every action that Daypass performs, by service and name.

Owns the table. Any other action of AWS's models is refused, never answered with an empty result; so is a parameter that
its operation does not declare.
"""

from collections.abc import Callable, Iterable, Mapping

from daypass.errors import InvalidAction
from daypass.operations.iam.table import OPERATIONS as IAM
from daypass.operations.operation import AnyOperation
from daypass.operations.sts.table import OPERATIONS as STS
from daypass.wire.operation import OperationModel


class Registry:
    """Finds the operation of a call."""

    def __init__(self, operations: Iterable[AnyOperation]) -> None:
        self._operations: Mapping[tuple[str, str], AnyOperation] = {
            (operation.service, operation.action): operation for operation in operations
        }
        self._checks: dict[OperationModel, Callable[[dict[str, str]], None]] = {}

    def find(self, service: str, action: str) -> AnyOperation:
        """Return the operation. Raises InvalidAction if Daypass lacks it."""
        operation = self._operations.get((service, action))
        if operation is None:
            raise InvalidAction(f"Daypass does not perform {service}:{action}.")
        return operation

    def require_supported(self, model: OperationModel, form_params: dict[str, str]) -> None:
        """Refuse a parameter that the operation does not read.

        Raises ValidationError if the request has one.
        """
        check = self._checks.get(model)
        if check is None:
            # Two threads may both compile it; the results are equal, and either may stay.
            check = self._checks[model] = model.compile_supported(self.find(model.service, model.name).declared)
        check(form_params)

    def names(self) -> list[str]:
        """Return the actions performed, such as `sts:AssumeRole`, in order."""
        return sorted(f"{service}:{action}" for service, action in self._operations)


def full_registry() -> Registry:
    """Return the registry of all operations."""
    return Registry((*STS, *IAM))
