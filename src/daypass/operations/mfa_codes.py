"""The state of an MFA device: used codes, failures, and clock drift.

Pure. Owns the rules:

* A code is valid for two steps either way, and only once.
* The ninth refused code in a row locks the device.
* Two consecutive codes enrol the device, or set its clock again.

Source: RFC 6238 section 5.2; AWS's observed window and lock.
"""

from enum import Enum
from hmac import compare_digest

from msgspec.structs import replace

from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.mint.totp import STEP, find_step, hotp

FAILURES_TO_LOCK = 9

# An hour either way. Two codes are twelve digits, so this large window does not help an attacker who guesses.
_FARTHEST_DRIFT = 120
_TOLERATED_DRIFT = 2

# More than the steps that nodes whose clocks differ by five minutes could accept at one time.
_REMEMBERED = 32


class Verdict(Enum):
    """The result of presenting a code."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOCKED = "locked"


def is_locked(device: MfaDevice) -> bool:
    """Tell whether the device is locked."""
    return device.failures >= FAILURES_TO_LOCK


def present_code(device: MfaDevice, seed: bytes, code: str, *, now: int) -> tuple[Verdict, MfaDevice]:
    """Return the result for a code, and the new state of the device.

    The caller must store the state before it answers.
    """
    if is_locked(device):
        return Verdict.LOCKED, device
    step = find_step(seed, code, now=now + device.drift * STEP)
    if step is None or step in device.used:
        return Verdict.REFUSED, replace(device, failures=device.failures + 1)
    return Verdict.ACCEPTED, replace(device, used=_remember(device, step), failures=0)


def synchronize(device: MfaDevice, seed: bytes, codes: tuple[str, str], *, now: int) -> MfaDevice | None:
    """Return the device with its clock set by two consecutive codes.

    Returns None if they are not two codes of this device. Both codes are used up, and the failures are reset.
    """
    step = _find_pair(seed, codes, present=now // STEP, used=device.used)
    if step is None:
        return None
    drift = step + 1 - now // STEP
    if abs(drift) <= _TOLERATED_DRIFT:
        drift = 0  # The user needed time to type; the device's clock is right.
    used = _remember(replace(device, used=_remember(device, step)), step + 1)
    return replace(device, drift=drift, used=used, failures=0)


def _find_pair(seed: bytes, codes: tuple[str, str], *, present: int, used: tuple[int, ...]) -> int | None:
    # From the present outwards, so that the nearest pair is found.
    steps = range(present - 1 - _FARTHEST_DRIFT, present + _FARTHEST_DRIFT)
    for step in sorted(steps, key=lambda at: abs(at - (present - 1))):
        if step < 0 or step in used or step + 1 in used:
            continue
        if all(map(compare_digest, (hotp(seed, step), hotp(seed, step + 1)), codes)):
            return step
    return None


def _remember(device: MfaDevice, step: int) -> tuple[int, ...]:
    return (*device.used, step)[-_REMEMBERED:]
