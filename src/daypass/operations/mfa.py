"""Verify a caller's MFA device: its serial number and a current code.

Owns the order of the checks and the messages of the refusals. Used codes and failures are written in a transaction of
their own, before any other decision, so that a later refusal cannot undo them. mfa_codes.py owns the state of a device.
Source: AWS's answers, which do not distinguish wrong codes and devices of other users.
"""

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.mfa_devices import find_device
from daypass.errors import AccessDenied, ValidationError
from daypass.operations.mfa_codes import Verdict, present_code
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import PrincipalKind

_NO_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)
_WRONG_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
_ALONE = "SerialNumber and TokenCode must be given together."


def verify_mfa(serial: str | None, code: str | None, caller: Caller, ctx: RequestContext) -> Caller:
    """Return the caller, with the time of its MFA code if it presented one.

    Raises AccessDenied if the code or the device is not valid.
    """
    if serial is None and code is None:
        return caller
    if serial is None or code is None:
        raise ValidationError(_ALONE)
    owner = _owner_of(caller)
    with ctx.new_transaction() as writer:
        device = find_device(writer, caller.account, serial)
        if device is None or not owner or device.owner != owner:
            verdict = None
        else:
            seed = ctx.vault.decrypt(device.sealed_seed, bound_to=device.seed_name)
            verdict, changed = present_code(device, seed, code, now=int(ctx.now.timestamp()))
            if changed is not device:
                records.replace(writer, changed)
    if verdict is Verdict.ACCEPTED:
        return msgspec.structs.replace(caller, mfa_at=int(ctx.now.timestamp()))
    if verdict is Verdict.REFUSED:
        raise AccessDenied(_WRONG_CODE, detail=f"wrong or used code for {serial}")
    detail = "the device is locked" if verdict is Verdict.LOCKED else "the caller has no such device"
    raise AccessDenied(_NO_DEVICE, detail=detail)


def _owner_of(caller: Caller) -> str:
    """Return the owner of the MFA devices of a caller: a user or a root user.

    Roles and federated users have no devices.
    """
    if caller.is_root:
        return caller.account
    if caller.principal.kind is PrincipalKind.USER and caller.identity is not None:
        return caller.identity.id
    return ""
