"""`daypass doctor`: find problems, with a remedy for each one.

Owns the order of the checks and their output. client/ finds the faults of files, profiles and keys;
doctor_endpoint.py asks the endpoint. The checks change no profiles, never prompt, and send requests only to the
configured endpoint.
"""

import shlex
import stat
from collections.abc import Callable, Iterator

import click

from daypass.cli.people.doctor_endpoint import DoctorFinding, Patient, check_endpoint
from daypass.cli.shared.exit_codes import Exit
from daypass.cli.shared.output import output_option, show
from daypass.cli.shared.profile_writer import places
from daypass.cli.shared.selection import means_of, now
from daypass.cli.shared.session_options import PLACE
from daypass.cli.shared.session_options import options as with_options
from daypass.client.operating_system import is_readable_by_others
from daypass.client.problems import UserFacingError
from daypass.client.profiles.aws_files import find_fault
from daypass.client.profiles.chains import find_chain_fault
from daypass.client.profiles.endpoints import find_endpoint, find_region, profile_at_hand
from daypass.client.profiles.own_keys import ENVIRONMENT, find_key_faults
from daypass.client.profiles.sources import find_sources
from daypass.client.prompt import Prompt
from daypass.client.sessions.profile_faults import find_profile_faults, find_variable_faults
from daypass.client.text_format import printable


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
    client_context = means_of({"no_input": True})
    at_hand = profile_at_hand(client_context.environment, profile)
    url = endpoint_url or find_endpoint(client_context.environment, client_context.profiles, at_hand)
    region = region or find_region(client_context.environment, client_context.profiles, at_hand)
    patient = Patient(client_context, profile, at_hand, url, region)
    findings = [finding for check in CHECKS for finding in check(patient)]
    # The endpoint is asked with credentials only if nothing else explains a failure.
    is_sound = not any(finding.remedy for finding in findings if finding.check in {"credentials", "environment"})
    findings += check_endpoint(patient, is_sound=is_sound)
    findings += _terminal(patient)
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
    """Find errors in the two files, which the other checks need."""
    for path in (places().config, places().credentials):
        fault = find_fault(path)
        if fault:
            yield DoctorFinding("files", fault, "AWS tools cannot read this file. Correct it with an editor.")


def _files(_: Patient) -> Iterator[DoctorFinding]:
    for path in (places().config, places().credentials):
        if not path.exists():
            yield DoctorFinding("files", f"{path} does not exist")
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path == places().credentials
        remedy = f"chmod 600 {shlex.quote(str(path))}" if secret and is_readable_by_others(mode) else ""
        yield DoctorFinding("files", f"{path} has mode {mode:04o}", remedy)


def _variables(patient: Patient) -> Iterator[DoctorFinding]:
    environment = patient.client_context.environment
    for fault in find_variable_faults(environment):
        yield DoctorFinding("environment", fault.words, fault.remedy)
    chosen, other = environment.get("AWS_PROFILE"), environment.get("AWS_DEFAULT_PROFILE")
    if chosen and other and chosen != other and not patient.profile:
        yield DoctorFinding(
            "environment",
            f"AWS_PROFILE is {chosen}, and AWS_DEFAULT_PROFILE is {other}: boto3 and the AWS CLI v1 use the second",
            "Unset AWS_DEFAULT_PROFILE.",
        )


def _named_profile(patient: Patient) -> Iterator[DoctorFinding]:
    known, name = patient.client_context.profiles.by_name, patient.at_hand
    is_of_environment = not patient.profile and patient.client_context.environment.get("AWS_ACCESS_KEY_ID")
    if name in known or (name == "default" and not patient.profile) or is_of_environment:
        return
    where = "--profile" if patient.profile else "AWS_PROFILE"
    yield DoctorFinding(
        "credentials",
        f"{where} names the profile {name}, which does not exist",
        "Run `daypass profile list` to see all profiles.",
    )


def _sources(patient: Patient) -> Iterator[DoctorFinding]:
    context = patient.client_context
    found = find_sources(context.environment, context.profiles, patient.profile)
    if not found:
        if list(_named_profile(patient)):
            return  # The profile does not exist, which is said already.
        yield DoctorFinding("credentials", "none found", "Run `daypass login` or `daypass profile add`.")
        return
    used, *others = found
    shadowed = ", ".join(source.where for source in others)
    key = f", key {used.key_id}" if used.key_id.isascii() and used.key_id.isalnum() else ""
    yield DoctorFinding("credentials", f"from {used.where}{key}" + (f"; it shadows {shadowed}" if shadowed else ""))
    faults = find_key_faults(context.environment, context.profiles, patient.at_hand, now=now())
    for fault in faults:
        if not (patient.profile and fault.source == ENVIRONMENT):
            yield DoctorFinding("credentials", fault.words, fault.remedy)
    token = context.environment.get("AWS_SESSION_TOKEN")
    if used.kind == "environment" and used.key_id.startswith("ASIA") and not token and not faults:
        yield DoctorFinding(
            "credentials", "a temporary key without AWS_SESSION_TOKEN", "Set all three variables, or unset them."
        )


def _chains(patient: Patient) -> Iterator[DoctorFinding]:
    """Check the chain of the profile at hand, then those of all others."""
    profiles = patient.client_context.profiles
    said: set[str] = set()
    for name in sorted(profiles.by_name, key=lambda name: (name != patient.at_hand, name)):
        fault = find_chain_fault(profiles, name)
        if fault and fault not in said:
            said.add(fault)
            check = "credentials" if name == patient.at_hand else "profiles"
            yield DoctorFinding(check, fault, f"Run `daypass profile show {shlex.quote(name)}`.")


def _profiles(patient: Patient) -> Iterator[DoctorFinding]:
    profiles = patient.client_context.profiles
    said = {finding.words for finding in _chains(patient)}
    for name in sorted(profiles.by_name):
        check = "credentials" if name == patient.at_hand else "profiles"
        for fault in (fault for fault in find_profile_faults(profiles, name) if fault.words not in said):
            yield DoctorFinding(check, fault.words, fault.remedy)


def _tools(patient: Patient) -> Iterator[DoctorFinding]:
    """Name the tools that do not see an endpoint in a services section."""
    profile = patient.client_context.profiles.by_name.get(patient.at_hand)
    if profile is not None and patient.client_context.profiles.service_endpoint(profile, "sts"):
        yield DoctorFinding(
            "tools",
            f"profile {profile.name} names its endpoint in a services section, which the AWS CLI before 2.13 and 1.29 "
            "and older SDKs do not read: they call AWS unless you give them --endpoint-url",
        )


def _cache(patient: Patient) -> Iterator[DoctorFinding]:
    cache = patient.client_context.cache
    try:
        cache.must_keep()
    except UserFacingError as problem:
        yield DoctorFinding("cache", *split_message(str(problem)))
    ahead = sum(1 for entry in cache.entries() if entry.is_from_the_future(now()))
    if ahead:
        noun = "session is" if ahead == 1 else "sessions are"
        yield DoctorFinding(
            "cache",
            f"{ahead} cached {noun} newer than this machine's clock, which has gone back",
            "Correct the clock. Until then these sessions are not used.",
        )


def split_message(message: str) -> tuple[str, str]:
    """Return the sentences of an error, and the last one, which is its remedy."""
    words, _, remedy = message.rpartition(". ")
    return (f"{words}.", remedy) if words else (message, "Run `daypass whoami` to see it again.")


def _terminal(_: Patient) -> Iterator[DoctorFinding]:
    if not Prompt().has_terminal():
        yield DoctorFinding("surroundings", "no terminal; prompts will fail at once")


CHECKS: tuple[Callable[[Patient], Iterator[DoctorFinding]], ...] = (
    _files,
    _variables,
    _named_profile,
    _sources,
    _chains,
    _profiles,
    _tools,
    _cache,
)
