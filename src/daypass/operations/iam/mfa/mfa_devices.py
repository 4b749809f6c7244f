"""MFA devices: create, enable, synchronize, deactivate, delete.

Owns the seed of a new device with its base32 form and its QR code, and the lifecycle of a device as on AWS:

- A new virtual device does not have an owner.
- Two consecutive codes enable it for one owner.
- It must be deactivated before it can be deleted.

An operator registers hardware tokens, which are enabled by their printed serial number. Lists are in device_lists.py,
tags in tag_actions.py.
Source: IAM API Reference; Service Authorization Reference.
"""

import base64
import io
from typing import Any
from urllib.parse import quote

import msgspec
import segno

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.mfa_entities import VIRTUAL, MfaDevice, unassigned
from daypass.directory.mfa_devices import devices_of
from daypass.errors import DeleteConflict, EntityAlreadyExists, InvalidAuthenticationCode, LimitExceeded, NoSuchEntity
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import CreateWithTags, IamAction, IamParams
from daypass.operations.iam.lookup import check_quota
from daypass.operations.iam.mfa import device_lists
from daypass.operations.iam.mfa.device_owners import OfAnOwner, OneDevice, get_device, get_owned, named_user
from daypass.operations.iam.self_service import get_owner
from daypass.operations.iam.tags import Tag
from daypass.operations.mfa_codes import synchronize
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.ports import Entropy

_WRONG_CODES = "Authentication code for device is not valid."

_SEED_BYTES = 40  # AWS's own length: 64 characters of base32 without padding
_ISSUER = "Daypass"
_PIXELS = 5


class _Codes(OneDevice, frozen=True):
    authentication_code1: str = ""
    authentication_code2: str = ""


class _CreateVirtualMFADeviceParams(IamParams, frozen=True):
    virtual_mfa_device_name: str = msgspec.field(name="VirtualMFADeviceName")
    path: str = "/"
    tags: tuple[Tag, ...] = ()


class CreateVirtualMFADevice(CreateWithTags):
    """Creates a virtual device without an owner. Its seed is shown only once."""

    action, takes, tag_action = "CreateVirtualMFADevice", _CreateVirtualMFADeviceParams, "iam:TagMFADevice"

    def resource(self, params: _CreateVirtualMFADeviceParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the device will have."""
        return iam_arn(caller.account, "mfa", params.path, params.virtual_mfa_device_name)

    def perform(self, params: _CreateVirtualMFADeviceParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the device with its seed, as a string and as a QR code."""
        quotas = ctx.settings.quotas
        # AWS: the quota of virtual devices, enabled or not, is the quota of users.
        check_quota(ctx.reader, MfaDevice, caller.account, name="VirtualMFADevicesPerAccount", most=quotas.users)
        seed = new_seed(ctx.entropy)
        device = MfaDevice(
            serial=self.resource(params, caller, ctx),
            account=caller.account,
            created=ctx.now,
            sealed_seed=b"",
            tags=tagging.read_tags(params.tags, most=quotas.tags),
        )
        sealed = ctx.vault.encrypt(seed, bound_to=device.seed_name)
        taken = EntityAlreadyExists("MFADevice entity at the same path and name already exists.")
        records.insert_new(ctx.writer, msgspec.structs.replace(device, sealed_seed=sealed), taken)
        uri = otpauth_uri(seed, device=params.virtual_mfa_device_name, account=_account_name(caller.account, ctx))
        return {
            "VirtualMFADevice": {
                "SerialNumber": device.serial,
                "Base32StringSeed": base32(seed),
                "QRCodePNG": qr_code(uri),
                **tagging.echoed(params.tags),
            }
        }


class EnableMFADevice(OfAnOwner):
    """Assigns a device to a user whose two codes prove possession of it."""

    action, takes, access = "EnableMFADevice", _Codes, StoreAccess.WRITE

    def perform(self, params: _Codes, caller: Caller, ctx: RequestContext) -> None:
        """Enable the device. The two codes must be consecutive and are used up."""
        owner = get_owner(named_user(params, caller), caller, ctx)
        device = get_device(ctx.reader, caller.account, params.serial_number)
        if device.owner:
            raise EntityAlreadyExists("MFA Device is already in use.")
        most = ctx.settings.quotas.mfa_devices_per_user
        if len(devices_of(ctx.reader, owner.account, owner.id)) >= most:
            raise LimitExceeded(f"Cannot exceed quota for MFADevicesPerUser: {most}")
        synchronized = _synchronize(device, params, ctx)
        records.replace(ctx.writer, msgspec.structs.replace(synchronized, owner=owner.id, enabled=ctx.now))


class ResyncMFADevice(OfAnOwner):
    """Sets a device's clock by two consecutive codes, and unlocks the device."""

    action, takes, access = "ResyncMFADevice", _Codes, StoreAccess.WRITE

    def perform(self, params: _Codes, caller: Caller, ctx: RequestContext) -> None:
        """Synchronize the device."""
        device = get_owned(params, caller, ctx)
        records.replace(ctx.writer, _synchronize(device, params, ctx))


class DeactivateMFADevice(OfAnOwner):
    """Removes the owner of a device."""

    action, access = "DeactivateMFADevice", StoreAccess.WRITE

    def perform(self, params: OneDevice, caller: Caller, ctx: RequestContext) -> None:
        """Remove the owner."""
        records.replace(ctx.writer, unassigned(get_owned(params, caller, ctx)))


class _Serial(IamParams, frozen=True):
    serial_number: str


class DeleteVirtualMFADevice(IamAction[_Serial]):
    """Deletes a virtual device that does not have an owner."""

    action, takes, access = "DeleteVirtualMFADevice", _Serial, StoreAccess.WRITE

    def resource(self, params: _Serial, caller: Caller, ctx: RequestContext) -> str:
        """Return the serial number, which is the device's ARN."""
        return params.serial_number

    def perform(self, params: _Serial, caller: Caller, ctx: RequestContext) -> None:
        """Delete the device."""
        device = get_device(ctx.reader, caller.account, params.serial_number)
        if device.kind != VIRTUAL:
            raise NoSuchEntity(f"VirtualMFADevice with serial number {params.serial_number} doesn't exist.")
        if device.owner:
            raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")
        records.delete(ctx.writer, device)


def _synchronize(device: MfaDevice, params: _Codes, ctx: RequestContext) -> MfaDevice:
    seed = ctx.vault.decrypt(device.sealed_seed, bound_to=device.seed_name)
    codes = params.authentication_code1, params.authentication_code2
    synchronized = synchronize(device, seed, codes, now=int(ctx.now.timestamp()))
    if synchronized is None:
        raise InvalidAuthenticationCode(_WRONG_CODES)
    return synchronized


def _account_name(account: str, ctx: RequestContext) -> str:
    found = records.find(ctx.reader, Account, "", account)
    return found.alias if found is not None and found.alias else account


def new_seed(entropy: Entropy) -> bytes:
    """Return a new seed."""
    return entropy(_SEED_BYTES)


def base32(seed: bytes) -> bytes:
    """Return the seed as people type it."""
    return base64.b32encode(seed)


def otpauth_uri(seed: bytes, *, device: str, account: str) -> str:
    """Return the URI that enrols a device of this name.

    `account` is the name that people use for the account.
    """
    label = f"{quote(_ISSUER)}:{quote(device)}@{quote(account)}"
    return f"otpauth://totp/{label}?secret={base32(seed).decode()}&issuer={quote(_ISSUER)}"


def qr_code(uri: str) -> bytes:
    """Return the URI as a QR code in PNG format."""
    picture = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(picture, kind="png", scale=_PIXELS)
    return picture.getvalue()


OPERATIONS = (
    CreateVirtualMFADevice(),
    EnableMFADevice(),
    ResyncMFADevice(),
    DeactivateMFADevice(),
    DeleteVirtualMFADevice(),
    *device_lists.OPERATIONS,
)
