"""Find MFA devices: an owner's, or one by its serial number.

Owns the two questions. A serial number is found without regard to case, as all of IAM's names are kept, but it is
only a device's own when every letter agrees.
"""

from daypass.directory import records
from daypass.directory.mfa_entities import MfaDevice
from daypass.directory.store import Reader

_MOST = 1000


def devices_of(reader: Reader, account: str, owner: str) -> list[MfaDevice]:
    """Return the devices of a user (unique id) or of a root user (account id)."""
    found = reader.page(records.kind_name(MfaDevice), account, prefix=f"{owner}/", limit=_MOST)
    return [records.to_entity(MfaDevice, record) for record in found]


def find_device(reader: Reader, account: str, serial: str) -> MfaDevice | None:
    """Return the account's device of exactly this serial number, or None."""
    found = records.find(reader, MfaDevice, account, serial)
    return found if found is not None and found.serial == serial else None
