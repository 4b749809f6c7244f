"""Find MFA devices by owner or by serial number.

Serial numbers are stored without regard to case, like all names in IAM, but must match exactly.
"""

from daypass.directory import records
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.store import Reader

_MOST = 1000


def devices_of(reader: Reader, account: str, owner: str) -> list[MfaDevice]:
    """Return the devices of a user (unique id) or root user (account id)."""
    return records.page(reader, MfaDevice, account, prefix=f"{owner}/", limit=_MOST)


def find_device(reader: Reader, account: str, serial: str) -> MfaDevice | None:
    """Return the account's device of exactly this serial number, or None."""
    found = records.find(reader, MfaDevice, account, serial)
    return found if found is not None and found.serial == serial else None
