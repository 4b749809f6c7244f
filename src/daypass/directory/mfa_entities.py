"""MFA devices as frozen values: a seed, whose it is, and what its codes have been used for.

Owns their fields. The arithmetic of codes is mint/totp.py's, the rules of their use are operations/mfa.py's.
Source: IAM User Guide, "AWS Multi-factor authentication in IAM".
"""

from datetime import datetime

import msgspec

from daypass.directory.entities import Entity

VIRTUAL = "virtual"
HARDWARE = "hardware"


class MfaDevice(Entity, frozen=True, kw_only=True):
    """A device that shows time-based codes.

    `serial` is a virtual device's ARN, or what is printed on a hardware token. `owner` is a user's unique id, the
    account's id for its root user, or empty where the device is nobody's. `drift` is how many steps its clock runs
    ahead of ours. `used` holds the last steps whose codes were accepted, and `failures` counts the codes refused
    since then.
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
        """What the sealed seed is bound to: this device and no other."""
        return f"mfa-seed:{self.account}:{self.serial}"


def unassigned(device: MfaDevice) -> MfaDevice:
    """Return the device as nobody's, its failures forgiven. Codes that were used stay used."""
    return msgspec.structs.replace(device, owner="", enabled=None, drift=0, failures=0)
