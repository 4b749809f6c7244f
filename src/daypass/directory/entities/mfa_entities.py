"""MFA devices as frozen values.

Owns their fields. Leaves the arithmetic of codes to mint/totp.py, and the rules of their use to operations/mfa.py.
Source: IAM User Guide, "AWS Multi-factor authentication in IAM".
"""

from datetime import datetime

import msgspec

from daypass.directory.entities.iam_entities import Entity

VIRTUAL = "virtual"
HARDWARE = "hardware"


class MfaDevice(Entity, frozen=True, kw_only=True):
    """A device that shows time-based codes.

    `serial` is a virtual device's ARN, or the printed number of a hardware token. `owner` is a user's unique id, the
    account's id for its root user, or empty if the device is unassigned. `drift` is the number of steps by which its
    clock is ahead of the server's. `used` has the last steps with accepted codes, and `failures` counts the codes
    refused since.
    """

    serial: str
    account: str
    kind: str = VIRTUAL
    created: datetime
    sealed_seed: bytes
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    owner: str = ""
    enabled: datetime | None = None
    drift: int = 0
    used: tuple[int, ...] = ()
    failures: int = 0

    @property
    def seed_name(self) -> str:
        """Return the name that the sealed seed is bound to: this device only."""
        return f"mfa-seed:{self.account}:{self.serial}"


def unassigned(device: MfaDevice) -> MfaDevice:
    """Return the device without owner and failures.

    Used codes stay used.
    """
    return msgspec.structs.replace(device, owner="", enabled=None, drift=0, failures=0)
