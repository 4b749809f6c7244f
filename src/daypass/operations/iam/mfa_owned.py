"""What the actions about MFA devices share: which device is meant, and whose it must be.

Owns the words for a device that is missing or another's.
Source: IAM API Reference; Service Authorization Reference for resources.
"""

from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory.mfa_devices import find_device
from daypass.directory.mfa_entities import MfaDevice
from daypass.directory.store import Reader
from daypass.errors import NoSuchEntity
from daypass.operations.iam.action import Asked, Context, IamAction
from daypass.operations.iam.self_service import find_owner, get_owner, owner_arn, owner_context
from daypass.operations.world import World

_ROOT = "root"


def get_device(reader: Reader, account: str, serial: str) -> MfaDevice:
    """Return the account's device, or raise NoSuchEntity."""
    found = find_device(reader, account, serial)
    if found is None:
        raise NoSuchEntity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    return found


def device_arn(account: str, serial: str) -> str:
    """Return the ARN that a permission about a device is asked for, whether there is such a device or not.

    It is the serial number of a virtual device. A hardware token's is printed on the token, and is not an ARN.
    """
    virtual = iam_arn(account, "mfa", "/", "")
    return serial if serial.startswith(virtual) else f"{virtual}{serial}"


class Owned(Asked, frozen=True):
    """An action about a user, or about the one who asks."""

    user_name: str | None = None


class OneDevice(Owned, frozen=True):
    """An action about one device of a user."""

    serial_number: str = ""


class OfAnOwner(IamAction[Any]):
    """What the actions about an owner's devices share: the owner's ARN."""

    takes: type[Asked] = OneDevice

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the owner's ARN."""
        return owner_arn(named_user(asked, caller), caller, world)

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the owner's tags."""
        return owner_context(find_owner(named_user(asked, caller), caller, world))


def named_user(asked: Any, caller: Caller) -> str | None:
    """Return the user that is named. A root user, who has no name, calls itself `root` where a name must be given."""
    name: str | None = asked.user_name
    return None if name == _ROOT and caller.is_root else name


def get_owned(asked: OneDevice, caller: Caller, world: World) -> MfaDevice:
    """Return the device that is meant, or raise NoSuchEntity where it is not that owner's."""
    owner = get_owner(named_user(asked, caller), caller, world)
    device = find_device(world.reader, caller.account, asked.serial_number)
    if device is None or device.owner != owner.id:
        raise NoSuchEntity("MFA Device invalid for user.")
    return device
