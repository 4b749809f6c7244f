"""`daypass mfa list|add-hardware|unlock`: MFA devices, for operators.

For operators only: a hardware token's seed comes from its manufacturer and is never sent through the API. `unlock` is
for devices that their owners cannot resynchronize.
"""

import base64
import binascii
import re
import sys
from pathlib import Path

import click
from msgspec.structs import replace

from daypass.cli.shared.account_option import account_option, choose_account
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list
from daypass.directory import records
from daypass.directory.entities.mfa_entities import HARDWARE, MfaDevice
from daypass.directory.mfa_devices import find_device
from daypass.operations.mfa_codes import is_locked

_SERIAL = re.compile(r"[A-Za-z0-9_+=/:,.@-]{9,256}")  # IAM's own form
_SHORTEST_SEED = 16  # bytes: RFC 4226 4, R6


@click.group()
def command() -> None:
    """List, register and unlock MFA devices.

    `add-hardware` registers hardware tokens. `unlock` is for devices that too many wrong codes locked.
    """


@command.command(name="list")
@account_option
@operator_options
def list_devices(account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """List the MFA devices of an account."""
    with opened(store, config_file) as there, there.store.read() as reader:
        devices = [_shown(device) for device in records.each(reader, MfaDevice, choose_account(reader, account))]
    none = "No MFA devices. Run `aws iam create-virtual-mfa-device` to create one."
    print_list("Devices", devices, output, line=_line, none=none)


def _line(shown: dict[str, object]) -> str:
    state = "locked" if shown["Locked"] else "enabled" if shown["Owner"] else "unassigned"
    return f"{shown['SerialNumber']}  {shown['Kind']}  {state}  {shown['Owner'] or ''}".rstrip()


@command.command(name="add-hardware")
@click.argument("serial")
@account_option
@operator_options
def add_hardware(serial: str, account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """Register the hardware token with the serial number SERIAL.

    Its seed, in base32 or hexadecimal, is read from standard input. Its owner then enables the token:
    `aws iam enable-mfa-device --serial-number SERIAL …`.
    """
    if not _SERIAL.fullmatch(serial):
        raise CommandError("A serial number has 9 to 256 characters: letters, digits and _+=/:,.@-", Exit.CONFIGURATION)
    seed = read_seed(_ask_for_seed())
    with operator_change("mfa add-hardware", "AddHardwareMFADevice", store, config_file) as change:
        there, writer = change.there, change.writer
        owner = choose_account(writer, account)
        change.tell(AccountId=owner, SerialNumber=serial)
        device = MfaDevice(serial=serial, account=owner, kind=HARDWARE, created=there.clock.now(), sealed_seed=b"")
        sealed = there.vault.encrypt(seed, bound_to=device.seed_name)
        taken = CommandError(f"Account {owner} already has a device {serial}.", Exit.CONFIGURATION)
        records.insert_new(writer, replace(device, sealed_seed=sealed), taken)
    _say(device, "registered", output)


@command.command()
@click.argument("serial")
@account_option
@operator_options
def unlock(serial: str, account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """Unlock a device that too many wrong codes locked.

    Used codes stay invalid.
    """
    with operator_change("mfa unlock", "UnlockMFADevice", store, config_file) as change:
        writer = change.writer
        owner = choose_account(writer, account)
        change.tell(AccountId=owner, SerialNumber=serial)
        device = find_device(writer, owner, serial)
        if device is None:
            raise CommandError(
                f"Account {owner} does not have a device {serial}. Run `daypass mfa list` to see its devices.",
                Exit.CONFIGURATION,
            )
        device = replace(device, failures=0)
        records.replace(writer, device)
    _say(device, "unlocked", output)


def read_seed(text: str) -> bytes:
    """Decode a seed from base32 or hexadecimal.

    Stops with exit code 6 if it is not valid.
    """
    compact = re.sub(r"[\s-]", "", text)
    try:
        # A base32 seed that is also valid hexadecimal is too rare to matter: one in 10**13.
        seed = bytes.fromhex(compact) if re.fullmatch(r"[0-9A-Fa-f]+", compact) else _from_base32(compact)
    except (ValueError, binascii.Error) as error:
        raise CommandError("The seed is not valid base32 or hexadecimal.", Exit.CONFIGURATION) from error
    if len(seed) < _SHORTEST_SEED:
        raise CommandError(f"The seed is too short; it must have at least {_SHORTEST_SEED} bytes.", Exit.CONFIGURATION)
    return seed


def _from_base32(text: str) -> bytes:
    bare = text.rstrip("=").upper()
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def _ask_for_seed() -> str:
    # Never an argument: all users of the machine can see those.
    if sys.stdin.isatty():
        prompted: str = click.prompt("Seed", hide_input=True)
        return prompted
    return sys.stdin.readline()


def _shown(device: MfaDevice) -> dict[str, object]:
    return {
        "SerialNumber": device.serial,
        "AccountId": device.account,
        "Kind": device.kind,
        "Owner": device.owner or None,
        "Locked": is_locked(device),
        "EnableDate": None if device.enabled is None else device.enabled.isoformat(),
    }


def _say(device: MfaDevice, what: str, output: str) -> None:
    if output == "json":
        print_json(_shown(device))
    else:
        click.echo(f"{device.serial} was {what}.")
