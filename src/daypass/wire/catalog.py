"""Every action of the two services, compiled at its first use.

It includes actions that operations/registry.py does not implement.
"""

from collections.abc import Mapping
from functools import cache

from daypass.errors import InvalidAction
from daypass.wire.constraints import shortened
from daypass.wire.model import SERVICES, ServiceModel, load_service
from daypass.wire.operation import OperationModel

# A longer name or version is not a typing error: do not repeat it in full.
_MAX_ECHO = 128


class Catalog:
    """The actions of STS and IAM, by name and API version."""

    def __init__(self, services: Mapping[str, ServiceModel]) -> None:
        self._services = services
        self._by_version = {model.metadata.version: service for service, model in services.items()}
        self._compiled: dict[tuple[str, str], OperationModel] = {}

    @classmethod
    @cache  # servers in one process, as in tests, have the same actions
    def load(cls) -> "Catalog":
        """Read botocore's data models, at the first call."""
        return cls({service: load_service(service) for service in SERVICES})

    def has_version(self, version: str) -> bool:
        """Return whether one of the services has this API version."""
        return version in self._by_version

    def find(self, action: str, version: str) -> OperationModel:
        """Return a compiled action of a version. Raises InvalidAction."""
        found = self._compiled.get((action, version))
        return found or self._compile(action, version)

    def _compile(self, action: str, version: str) -> OperationModel:
        service = self._by_version.get(version)
        shape = self._services[service].operations.get(action) if service else None
        if service is None or shape is None:
            what, when = shortened(action, _MAX_ECHO), shortened(version, _MAX_ECHO)
            raise InvalidAction(f"Could not find operation {what} for version {when}")
        # Two threads may both compile it; the results are equal, and either may stay.
        compiled = self._compiled[action, version] = OperationModel(service, self._services[service], shape)
        return compiled
