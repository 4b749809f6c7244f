"""Prove that a caller holds an MFA device: a serial number and a code that it shows now.

Owns the order of the checks and the words of the refusals. A code is taken once, and the ninth refused in a row locks
its device; both are written in a transaction of their own, before anything else is decided, so that no refusal that
follows can make a code or a failure unhappen. What a device remembers is mfa_codes.py's rule.
Source: AWS's answers for wrong codes and for devices that are not the caller's; they do not tell which it was.
"""

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.mfa_devices import find_device
from daypass.errors import AccessDenied, ValidationError
from daypass.operations.mfa_codes import Verdict, present_code
from daypass.operations.world import World
from daypass.policy.question import PrincipalKind

_NO_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)
_WRONG_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
_ALONE = "SerialNumber and TokenCode must be given together."


def prove_mfa(serial: str | None, code: str | None, caller: Caller, world: World) -> Caller:
    """Return the caller, with the instant at which its code was accepted where one was presented."""
    if serial is None and code is None:
        return caller
    if serial is None or code is None:
        raise ValidationError(_ALONE)
    owner = _owner_of(caller)
    with world.apart() as writer:
        device = find_device(writer, caller.account, serial)
        if device is None or not owner or device.owner != owner:
            verdict = None
        else:
            seed = world.vault.decrypt(device.sealed_seed, bound_to=device.seed_name)
            verdict, changed = present_code(device, seed, code, now=int(world.now.timestamp()))
            if changed is not device:
                records.replace(writer, changed)
    if verdict is Verdict.ACCEPTED:
        return msgspec.structs.replace(caller, mfa_at=int(world.now.timestamp()))
    if verdict is Verdict.REFUSED:
        raise AccessDenied(_WRONG_CODE, detail=f"wrong or used code for {serial}")
    detail = "the device is locked" if verdict is Verdict.LOCKED else "no such device of this caller"
    raise AccessDenied(_NO_DEVICE, detail=detail)


def _owner_of(caller: Caller) -> str:
    """Return whose devices speak for a caller: a user's or a root user's own. Roles and federated users have none."""
    if caller.is_root:
        return caller.account
    if caller.principal.kind is PrincipalKind.USER and caller.identity is not None:
        return caller.identity.id
    return ""
