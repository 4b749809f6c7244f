"""MFA devices: list an owner's or the virtual ones, and get one by serial.

Answers never show a seed.
Source: IAM API Reference; Service Authorization Reference.
"""

from collections.abc import Iterator
from typing import Any, Literal

from daypass.arn import root_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import User
from daypass.directory.entities.mfa_entities import VIRTUAL, MfaDevice
from daypass.directory.mfa_devices import devices_of, find_device
from daypass.directory.store import Reader
from daypass.operations.iam.iam_action import IamAction
from daypass.operations.iam.lookup import show_named
from daypass.operations.iam.mfa.device_owners import OfAnOwner, OneDevice, device_arn, get_device, get_owned, named_user
from daypass.operations.iam.paging import Paged, page_of_stream, page_of_values, read_marker
from daypass.operations.iam.self_service import get_owner, owner_context
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys, resource_tags


class _Devices(Paged, frozen=True):
    user_name: str | None = None


class ListMFADevices(OfAnOwner):
    """Lists an owner's devices."""

    action, takes, access = "ListMFADevices", _Devices, StoreAccess.SHORT_READ

    def perform(self, params: _Devices, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of devices."""
        owner = get_owner(named_user(params, caller), caller, ctx)
        return page_of_values(
            devices_of(ctx.reader, owner.account, owner.id),
            params,
            key=lambda device: device.serial,
            show=lambda device: _show_owned(device, owner.name),
            name="MFADevices",
        )


class GetMFADevice(OfAnOwner):
    """Shows one device of an owner."""

    action, access = "GetMFADevice", StoreAccess.SHORT_READ

    def resource(self, params: OneDevice, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the device's owner, or of a device without a user.

        Without a UserName, the serial number alone determines the device. The caller is never the default user:
        permissions on itself would show it the root user's and unowned devices.
        """
        if params.user_name is not None:
            return super().resource(params, caller, ctx)
        device = find_device(ctx.reader, caller.account, params.serial_number)
        if device is not None and device.owner == device.account:
            return root_arn(device.account)
        user = _owner_of(device, ctx.reader)
        return device_arn(caller.account, params.serial_number) if user is None else user.arn

    def context(self, params: OneDevice, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags of the resource: the owner, or an unowned device."""
        if params.user_name is not None:
            return super().context(params, caller, ctx)
        device = find_device(ctx.reader, caller.account, params.serial_number)
        user = _owner_of(device, ctx.reader)
        if user is not None:
            return owner_context(user)
        return {} if device is None or device.owner else resource_tags(device.tags)

    def perform(self, params: OneDevice, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the device."""
        if params.user_name is not None:
            owner = get_owner(named_user(params, caller), caller, ctx)
            return _show_owned(get_owned(params, caller, ctx), owner.name)
        device = get_device(ctx.reader, caller.account, params.serial_number)
        user = _owner_of(device, ctx.reader)
        return _show_owned(device, "" if user is None else user.name)


class _ListVirtual(Paged, frozen=True):
    assignment_status: Literal["Assigned", "Unassigned", "Any"] = "Any"


class ListVirtualMFADevices(IamAction[_ListVirtual]):
    """Lists the account's virtual devices."""

    action, takes = "ListVirtualMFADevices", _ListVirtual

    def perform(self, params: _ListVirtual, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of devices, without their seeds."""
        skipped = "Unassigned" if params.assignment_status == "Assigned" else "Assigned"
        devices = _virtual_devices(ctx.reader, caller.account, read_marker(params.marker))
        if params.assignment_status != "Any":
            devices = (place for place in devices if _status(place[1]) != skipped)
        return page_of_stream(
            devices, params, show=lambda device: _show_virtual(device, ctx.reader), name="VirtualMFADevices"
        )


def _owner_of(device: MfaDevice | None, reader: Reader) -> User | None:
    return None if device is None or not device.owner else records.find_by_id(reader, User, device.owner)


def _status(device: MfaDevice) -> str:
    return "Assigned" if device.owner else "Unassigned"


def _virtual_devices(reader: Reader, account: str, after: str) -> Iterator[tuple[str, MfaDevice]]:
    for record in records.each_record(reader, MfaDevice, account, after=after):
        device = records.to_entity(MfaDevice, record)
        if device.kind == VIRTUAL:
            yield record.sort, device


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
        # AWS shows a root user with its ARN, without a path or a name.
        shown["User"] = {"UserId": device.account, "Arn": root_arn(device.account), "CreateDate": device.created}
    elif device.owner:
        user = records.find_by_id(reader, User, device.owner)
        if user is not None:
            shown["User"] = show_named(user)
    return shown


OPERATIONS = (ListMFADevices(), GetMFADevice(), ListVirtualMFADevices())
