"""`daypass doctor`: find problems, with a remedy for each one.

Owns the table of checks of files, profiles, the endpoint and the clock. They change no files, and send requests only to
the configured endpoint.
"""

import os
import shlex
import shutil
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.exit_codes import Exit
from daypass.cli.shared.output import output_option, show
from daypass.cli.shared.profile_writer import places
from daypass.cli.shared.session_options import PLACE, means_of
from daypass.cli.shared.session_options import options as with_options
from daypass.client.json_http import opener
from daypass.client.problems import UserFacingError
from daypass.client.profiles.aws_files import find_fault
from daypass.client.profiles.chains import find_chain_fault
from daypass.client.profiles.endpoints import find_endpoint, find_region, profile_at_hand
from daypass.client.profiles.sources import find_sources
from daypass.client.sessions.client_context import ClientContext
from daypass.client.text_format import printable, reason

_MOST_SKEW = 240


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of a check. `remedy` is empty if the check passed."""

    check: str
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Patient:
    client_context: ClientContext
    profile: str
    endpoint_url: str
    region: str


@click.command()
@with_options(PLACE)
@output_option
def command(*, profile: str, endpoint_url: str, region: str, output: str) -> int:
    """Diagnose problems with credentials, profiles and the endpoint.

    Each problem is shown with a suggested fix.
    """
    broken = list(_unreadable())
    if broken:
        _say(broken, output)
        return Exit.CONFIGURATION
    client_context = means_of({})
    at_hand = profile_at_hand(client_context.environment, profile)
    url = endpoint_url or find_endpoint(client_context.environment, client_context.profiles, at_hand)
    patient = _Patient(
        client_context,
        profile,
        url,
        region or find_region(client_context.environment, client_context.profiles, at_hand),
    )
    findings = [finding for check in CHECKS for finding in check(patient)]
    _say(findings, output)
    return Exit.CONFIGURATION if any(finding.remedy for finding in findings) else Exit.OK


def _say(findings: list[DoctorFinding], output: str) -> None:
    if output == "text":
        for finding in findings:
            mark = "!!" if finding.remedy else "ok"
            click.echo(f"{mark}  {finding.check}: {printable(finding.words)}")
            if finding.remedy:
                click.echo(f"      {printable(finding.remedy)}")
    else:
        show([{"Check": each.check, "Found": each.words, "Remedy": each.remedy} for each in findings], output)


def _unreadable() -> Iterator[DoctorFinding]:
    """Find syntax errors in the two files, which the other checks need."""
    for path in (places().config, places().credentials):
        fault = find_fault(path)
        if fault:
            yield DoctorFinding("files", fault, "AWS tools cannot read this file. Correct it with an editor.")


def _files(_: _Patient) -> Iterator[DoctorFinding]:
    for path in (places().config, places().credentials):
        if not path.exists():
            yield DoctorFinding("files", f"{path} does not exist")
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path == places().credentials
        remedy = f"chmod 600 {shlex.quote(str(path))}" if secret and mode & 0o077 else ""
        yield DoctorFinding("files", f"{path} has mode {mode:04o}", remedy)


def _sources(patient: _Patient) -> Iterator[DoctorFinding]:
    found = find_sources(patient.client_context.environment, patient.client_context.profiles, patient.profile)
    if not found:
        yield DoctorFinding("credentials", "none found", "Run `daypass login` or `daypass profile add`.")
        return
    used, *others = found
    shadowed = ", ".join(source.where for source in others)
    yield DoctorFinding("credentials", f"from {used.where}" + (f"; it shadows {shadowed}" if shadowed else ""))
    token = patient.client_context.environment.get("AWS_SESSION_TOKEN")
    if used.kind == "environment" and used.key_id.startswith("ASIA") and not token:
        yield DoctorFinding(
            "credentials", "a temporary key without AWS_SESSION_TOKEN", "Set all three variables, or unset them."
        )


def _processes(patient: _Patient) -> Iterator[DoctorFinding]:
    for name, profile in sorted(patient.client_context.profiles.by_name.items()):
        process = profile.options.get("credential_process", "")
        if not process:
            continue
        try:
            program = shlex.split(process)[0]
        except (ValueError, IndexError):
            program = ""
        if not program or shutil.which(program) is None:
            where = "set its full path in credential_process with `daypass profile set`"
            yield DoctorFinding(
                "profiles", f"{name} runs {program or process}, which was not found", f"Install it, or {where}."
            )
        if profile.credentials.get("aws_access_key_id"):
            yield DoctorFinding(
                "profiles",
                f"{name} has keys, which override its credential_process",
                f"Run `daypass profile remove {name}`.",
            )


def _references(patient: _Patient) -> Iterator[DoctorFinding]:
    said: set[str] = set()
    for name, profile in sorted(patient.client_context.profiles.by_name.items()):
        fault = find_chain_fault(patient.client_context.profiles, name)
        if fault and fault not in said:
            said.add(fault)
            yield DoctorFinding("profiles", fault, f"Run `daypass profile show {shlex.quote(name)}`.")
        try:
            _ = profile.request
        except UserFacingError as problem:
            yield DoctorFinding("profiles", str(problem), f"Run `daypass profile show {shlex.quote(name)}`.")


def _endpoint(patient: _Patient) -> Iterator[DoctorFinding]:
    from daypass.client.sessions.sts_call import CallSigner, connect

    started = time.time()
    try:
        url = connect(
            "sts", CallSigner(unsigned=True), endpoint_url=patient.endpoint_url, region=patient.region
        ).meta.endpoint_url
    except UserFacingError as problem:
        yield DoctorFinding("endpoint", str(problem), "Correct AWS_ENDPOINT_URL or the profile's services section.")
        return
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "daypass"})  # noqa: S310 - the user's endpoint
        with opener().open(request, timeout=10) as answer:
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except UserFacingError as problem:
        yield DoctorFinding("endpoint", str(problem), "Correct or unset AWS_CA_BUNDLE.")
        return
    except (OSError, ValueError, HTTPException) as error:
        # An HTTPException quotes the bytes that it could not parse.
        why = type(error).__name__ if isinstance(error, HTTPException) else reason(getattr(error, "reason", error))
        words = f"{url} cannot be reached: {why}"
        yield DoctorFinding("endpoint", words, "Check that the server runs and that AWS_ENDPOINT_URL is right.")
        return
    yield DoctorFinding(
        "endpoint", f"{url} responds" + ("" if patient.endpoint_url else " (AWS, as no endpoint is configured)")
    )
    yield from _clock(date, (started + time.time()) / 2)


def _clock(date: str | None, at: float) -> Iterator[DoctorFinding]:
    try:
        skew = round(at - parsedate_to_datetime(date or "").timestamp())
    except (ValueError, TypeError):
        return
    off = f"{abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the server's" if skew else "the same as the server's"
    remedy = (
        "Correct this machine's clock: signatures older than five minutes are rejected."
        if abs(skew) > _MOST_SKEW
        else ""
    )
    yield DoctorFinding("clock", f"this machine's clock is {off}", remedy)


def _surroundings(patient: _Patient) -> Iterator[DoctorFinding]:
    bundle = patient.client_context.environment.get("AWS_CA_BUNDLE")
    if bundle and not Path(bundle).is_file():
        yield DoctorFinding(
            "surroundings", f"AWS_CA_BUNDLE is set to {bundle}, which does not exist", "Correct or unset it."
        )
    if not os.access("/dev/tty", os.R_OK | os.W_OK):
        yield DoctorFinding("surroundings", "no terminal; prompts will fail at once")


CHECKS: tuple[Callable[[Any], Iterator[DoctorFinding]], ...] = (
    _files,
    _sources,
    _processes,
    _references,
    _endpoint,
    _surroundings,
)
