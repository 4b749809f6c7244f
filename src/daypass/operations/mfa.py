"""Prove that a caller holds an MFA device: a serial number and a code that it shows now.

Owns the words of the refusals and the order of the checks.
Source: AWS's answers for wrong codes and for devices that are not the caller's.
"""

from daypass.authenticate.caller import Caller
from daypass.errors import AccessDenied, ValidationError
from daypass.operations.world import World

_NO_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)


def prove_mfa(serial: str | None, code: str | None, caller: Caller, world: World) -> Caller:
    """Return the caller, with the instant at which its code was accepted where one was presented."""
    if serial is None and code is None:
        return caller
    if serial is None or code is None:
        raise ValidationError("SerialNumber and TokenCode must be given together.")
    raise AccessDenied(_NO_DEVICE, detail=f"no such device for {caller.user_id} at {world.now}")
