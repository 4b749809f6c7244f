"""Base of actions about MFA devices: their device and owner.

Owns the messages for a device that is missing or belongs to another owner.
Source: IAM API Reference; Service Authorization Reference.
"""

from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.mfa_devices import find_device
from daypass.directory.store import Reader
from daypass.errors import NoSuchEntity
from daypass.operations.iam.iam_action import IamParams
from daypass.operations.iam.self_service import AboutOwner, Owned, get_owner
from daypass.operations.request_context import RequestContext

_ROOT = "root"


def get_device(reader: Reader, account: str, serial: str) -> MfaDevice:
    """Return the account's device, or raise NoSuchEntity."""
    found = find_device(reader, account, serial)
    if found is None:
        raise NoSuchEntity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    return found


def device_arn(account: str, serial: str) -> str:
    """Return the ARN for a permission check. The device need not exist.

    The serial number of a virtual device is its ARN; that of a hardware token is printed on it and is not an ARN.
    """
    virtual = iam_arn(account, "mfa", "/", "")
    return serial if serial.startswith(virtual) else f"{virtual}{serial}"


class OneDevice(Owned, frozen=True):
    """The parameters of an action about one device of a user."""

    serial_number: str = ""


class OfAnOwner(AboutOwner):
    """The base class of actions about an owner's devices."""

    takes: type[IamParams] = OneDevice

    def named_user(self, params: Any, caller: Caller) -> str | None:
        """Return the user name of the request, or None for the caller."""
        return named_user(params, caller)


def named_user(params: Any, caller: Caller) -> str | None:
    """Return the user name of the request, or None for the caller.

    A root user can pass `root` if a name is required.
    """
    name: str | None = params.user_name
    return None if name == _ROOT and caller.is_root else name


def get_owned(params: OneDevice, caller: Caller, ctx: RequestContext) -> MfaDevice:
    """Return the owner's device. Raises NoSuchEntity if the owner differs."""
    owner = get_owner(named_user(params, caller), caller, ctx)
    device = find_device(ctx.reader, caller.account, params.serial_number)
    if device is None or device.owner != owner.id:
        raise NoSuchEntity("MFA Device invalid for user.")
    return device
