"""MFA devices: create, enable, synchronize, deactivate, delete, list, get.

Owns AWS's rules of a device's life: made as nobody's, enabled for one owner by two consecutive codes, deactivated
before it is deleted. Their tags are mfa_tags.py's. Hardware tokens are registered by an operator, and enabled by the
serial number that is printed on them.
Source: IAM API Reference; Service Authorization Reference for resources.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from daypass.arn import iam_arn, root_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities import Account, User
from daypass.directory.mfa_devices import devices_of, find_device
from daypass.directory.mfa_entities import VIRTUAL, MfaDevice, unassigned
from daypass.directory.store import Exists, Reader
from daypass.errors import DeleteConflict, EntityAlreadyExists, InvalidAuthenticationCode, LimitExceeded, NoSuchEntity
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.action import Asked, Context, IamAction, with_tagging
from daypass.operations.iam.mfa_enrolment import base32, new_seed, otpauth_uri, qr_code
from daypass.operations.iam.paging import Paged, page_of_stream, page_of_values, read_marker
from daypass.operations.iam.self_service import find_owner, get_owner, owner_arn, owner_context
from daypass.operations.iam.tags import Tag
from daypass.operations.iam.users import show_user
from daypass.operations.mfa_codes import synchronize
from daypass.operations.operation import Asking, Touches
from daypass.operations.world import World

_MOST = 1000
_ROOT = "root"
_WRONG_CODES = "Authentication code for device is not valid."


def get_device(reader: Reader, account: str, serial: str) -> MfaDevice:
    """Return the account's device, or raise NoSuchEntity."""
    found = find_device(reader, account, serial)
    if found is None:
        raise NoSuchEntity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    return found


class _Owned(Asked, frozen=True):
    user_name: str | None = None


class _OneDevice(_Owned, frozen=True):
    serial_number: str = ""


class _Codes(_OneDevice, frozen=True):
    authentication_code1: str = ""
    authentication_code2: str = ""


class _Devices(Paged, frozen=True):
    user_name: str | None = None


class _OfAnOwner(IamAction[Any]):
    """What the actions about an owner's devices share: the owner's ARN."""

    takes: type[Asked] = _OneDevice

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the owner's ARN."""
        return owner_arn(_named(asked, caller), caller, world)

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the owner's tags."""
        return owner_context(find_owner(_named(asked, caller), caller, world))


class _Create(Asked, frozen=True):
    virtual_mfa_device_name: str = msgspec.field(name="VirtualMFADeviceName")
    path: str = "/"
    tags: tuple[Tag, ...] = ()


class CreateVirtualMFADevice(IamAction[_Create]):
    """Makes a virtual device that is nobody's yet. Its seed is shown this once."""

    action, takes, reach = "CreateVirtualMFADevice", _Create, Touches.WRITES

    def resource(self, asked: _Create, caller: Caller, world: World) -> str:
        """Return the ARN that the device will have."""
        return iam_arn(caller.account, "mfa", asked.path, asked.virtual_mfa_device_name)

    def context(self, asked: _Create, caller: Caller, world: World) -> Context:
        """Return the tags that the device will have."""
        return tagging.request_tags(asked.tags)

    def question(self, asked: _Create, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask for iam:TagMFADevice as well where it is born with tags."""
        return with_tagging(super().question(asked, caller, world), "iam:TagMFADevice", asked.tags)

    def perform(self, asked: _Create, caller: Caller, world: World) -> dict[str, Any]:
        """Return the device with its seed, to type and to photograph."""
        quotas = world.settings.quotas
        # AWS: as many virtual devices, enabled or not, as an account may have users.
        if world.reader.count(records.kind_name(MfaDevice), caller.account) >= quotas.users:
            raise LimitExceeded(f"Cannot exceed quota for VirtualMFADevicesPerAccount: {quotas.users}")
        seed = new_seed(world.entropy)
        device = MfaDevice(
            serial=self.resource(asked, caller, world),
            account=caller.account,
            created=world.now,
            sealed_seed=b"",
            tags=tagging.read_tags(asked.tags, most=quotas.tags),
        )
        sealed = world.vault.encrypt(seed, bound_to=device.seed_name)
        try:
            records.insert(world.writer, msgspec.structs.replace(device, sealed_seed=sealed))
        except Exists as taken:
            raise EntityAlreadyExists("MFADevice entity at the same path and name already exists.") from taken
        uri = otpauth_uri(seed, device=asked.virtual_mfa_device_name, account=_account_name(caller.account, world))
        return {
            "VirtualMFADevice": {
                "SerialNumber": device.serial,
                "Base32StringSeed": base32(seed),
                "QRCodePNG": qr_code(uri),
                **tagging.echoed(asked.tags),
            }
        }


class EnableMFADevice(_OfAnOwner):
    """Makes a device a user's, once two consecutive codes show that the user holds it."""

    action, takes, reach = "EnableMFADevice", _Codes, Touches.WRITES

    def perform(self, asked: _Codes, caller: Caller, world: World) -> None:
        """Enable it. The two codes are used up."""
        owner = get_owner(_named(asked, caller), caller, world)
        device = get_device(world.reader, caller.account, asked.serial_number)
        if device.owner:
            raise EntityAlreadyExists("MFA Device is already in use.")
        most = world.settings.quotas.mfa_devices_per_user
        if len(devices_of(world.reader, owner.account, owner.id)) >= most:
            raise LimitExceeded(f"Cannot exceed quota for MFADevicesPerUser: {most}")
        synchronized = _synchronize(device, asked, world)
        records.replace(world.writer, msgspec.structs.replace(synchronized, owner=owner.id, enabled=world.now))


class ResyncMFADevice(_OfAnOwner):
    """Sets a device's clock by two consecutive codes. A device that was locked is open again."""

    action, takes, reach = "ResyncMFADevice", _Codes, Touches.WRITES

    def perform(self, asked: _Codes, caller: Caller, world: World) -> None:
        """Synchronize it."""
        device = _get_owned(asked, caller, world)
        records.replace(world.writer, _synchronize(device, asked, world))


class DeactivateMFADevice(_OfAnOwner):
    """Makes a device nobody's again."""

    action, reach = "DeactivateMFADevice", Touches.WRITES

    def perform(self, asked: _OneDevice, caller: Caller, world: World) -> None:
        """Take it away from its owner."""
        records.replace(world.writer, unassigned(_get_owned(asked, caller, world)))


class _Serial(Asked, frozen=True):
    serial_number: str


class DeleteVirtualMFADevice(IamAction[_Serial]):
    """Deletes a virtual device that is nobody's."""

    action, takes, reach = "DeleteVirtualMFADevice", _Serial, Touches.WRITES

    def resource(self, asked: _Serial, caller: Caller, world: World) -> str:
        """Return the serial number, which is the device's ARN."""
        return asked.serial_number

    def perform(self, asked: _Serial, caller: Caller, world: World) -> None:
        """Delete it."""
        device = get_device(world.reader, caller.account, asked.serial_number)
        if device.kind != VIRTUAL:
            raise NoSuchEntity(f"VirtualMFADevice with serial number {asked.serial_number} doesn't exist.")
        if device.owner:
            raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")
        records.delete(world.writer, device)


class ListMFADevices(_OfAnOwner):
    """Lists an owner's devices."""

    action, takes = "ListMFADevices", _Devices

    def perform(self, asked: _Devices, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of devices."""
        owner = get_owner(_named(asked, caller), caller, world)
        return page_of_values(
            devices_of(world.reader, owner.account, owner.id),
            asked,
            key=lambda device: device.serial,
            show=lambda device: _show_owned(device, owner.name),
            name="MFADevices",
        )


class GetMFADevice(_OfAnOwner):
    """Shows one device of an owner."""

    action = "GetMFADevice"

    def perform(self, asked: _OneDevice, caller: Caller, world: World) -> dict[str, Any]:
        """Return the device."""
        if asked.user_name is not None:
            owner = get_owner(_named(asked, caller), caller, world)
            return _show_owned(_get_owned(asked, caller, world), owner.name)
        device = get_device(world.reader, caller.account, asked.serial_number)
        user = records.find_by_id(world.reader, User, device.owner)
        return _show_owned(device, "" if user is None else user.name)


class _ListVirtual(Paged, frozen=True):
    assignment_status: Literal["Assigned", "Unassigned", "Any"] = "Any"


class ListVirtualMFADevices(IamAction[_ListVirtual]):
    """Lists the account's virtual devices."""

    action, takes = "ListVirtualMFADevices", _ListVirtual

    def perform(self, asked: _ListVirtual, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of devices, without their seeds."""
        skipped = "Unassigned" if asked.assignment_status == "Assigned" else "Assigned"
        devices = _virtual_devices(world.reader, caller.account, read_marker(asked.marker))
        if asked.assignment_status != "Any":
            devices = (place for place in devices if _status(place[1]) != skipped)
        return page_of_stream(
            devices, asked, show=lambda device: _show_virtual(device, world.reader), name="VirtualMFADevices"
        )


def _status(device: MfaDevice) -> str:
    return "Assigned" if device.owner else "Unassigned"


def _virtual_devices(reader: Reader, account: str, after: str) -> Iterator[tuple[str, MfaDevice]]:
    while found := reader.page(records.kind_name(MfaDevice), account, after=after, limit=_MOST):
        for record in found:
            device = records.to_entity(MfaDevice, record)
            if device.kind == VIRTUAL:
                yield record.sort, device
        after = found[-1].sort


def _named(asked: Any, caller: Caller) -> str | None:
    """Return the user that is named. A root user, who has no name, calls itself `root` where a name must be given."""
    name: str | None = asked.user_name
    return None if name == _ROOT and caller.is_root else name


def _get_owned(asked: _OneDevice, caller: Caller, world: World) -> MfaDevice:
    owner = get_owner(_named(asked, caller), caller, world)
    device = find_device(world.reader, caller.account, asked.serial_number)
    if device is None or device.owner != owner.id:
        raise NoSuchEntity("MFA Device invalid for user.")
    return device


def _synchronize(device: MfaDevice, asked: _Codes, world: World) -> MfaDevice:
    seed = world.vault.decrypt(device.sealed_seed, bound_to=device.seed_name)
    codes = asked.authentication_code1, asked.authentication_code2
    synchronized = synchronize(device, seed, codes, now=int(world.now.timestamp()))
    if synchronized is None:
        raise InvalidAuthenticationCode(_WRONG_CODES)
    return synchronized


def _account_name(account: str, world: World) -> str:
    found = records.find(world.reader, Account, "", account)
    return found.alias if found is not None and found.alias else account


def _show_owned(device: MfaDevice, user_name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"SerialNumber": device.serial}
    if user_name:
        shown["UserName"] = user_name
    if device.enabled is not None:
        shown["EnableDate"] = device.enabled
    return shown


def _show_virtual(device: MfaDevice, reader: Reader) -> dict[str, Any]:
    shown: dict[str, Any] = {"SerialNumber": device.serial}
    if device.enabled is not None:
        shown["EnableDate"] = device.enabled
    if device.owner == device.account:
        # As AWS shows a root user: by its ARN, without a path or a name.
        shown["User"] = {"UserId": device.account, "Arn": root_arn(device.account), "CreateDate": device.created}
    elif device.owner:
        user = records.find_by_id(reader, User, device.owner)
        if user is not None:
            shown["User"] = show_user(user)
    return shown


OPERATIONS = (
    CreateVirtualMFADevice(),
    EnableMFADevice(),
    ResyncMFADevice(),
    DeactivateMFADevice(),
    DeleteVirtualMFADevice(),
    ListMFADevices(),
    GetMFADevice(),
    ListVirtualMFADevices(),
)
