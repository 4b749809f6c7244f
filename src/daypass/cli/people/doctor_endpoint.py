"""The checks of `daypass doctor` that ask the endpoint.

Owns the connection and its findings: whether it answers as STS does, its clock, and the caller's identity. The
identity is checked as every command does, without prompts.
"""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException

from daypass.cli.shared.selection import Selection, select
from daypass.client.json_http import opener
from daypass.client.problems import SignInNeededError, UserFacingError
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import with_endpoint
from daypass.client.sessions.profile_faults import REGION
from daypass.client.text_format import printable, reason

# STS refuses signatures of another time than fifteen minutes around its own.
_MOST_SKEW = 900
# A second is no difference, and the header Date is up to a second old.
_SAME = 1.5
_TRUST = "Set AWS_CA_BUNDLE, or ca_bundle in the profile, to the file with your own certificate authorities."
_CHECK = "Check that the server runs and that AWS_ENDPOINT_URL or the profile's endpoint is right."


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of a check. `remedy` is empty if the check passed."""

    check: str
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """The configuration to check. `at_hand` is the profile that commands use."""

    client_context: ClientContext
    profile: str
    at_hand: str
    endpoint_url: str
    region: str

    @property
    def known_profile(self) -> str:
        """The profile at hand if it exists, else an empty string."""
        return self.at_hand if self.at_hand in self.client_context.profiles.by_name else ""


def check_endpoint(patient: Patient, *, is_sound: bool) -> list[DoctorFinding]:
    """Return the findings about the endpoint.

    With `is_sound` they include the caller's identity.
    """
    found = list(_endpoint(patient))
    if is_sound and not any(finding.remedy for finding in found):
        found += _identity(patient)
    return found


def _endpoint(patient: Patient) -> Iterator[DoctorFinding]:
    from daypass.client.sessions.sts_call import CallSigner, connect

    if not REGION.fullmatch(patient.region):
        yield DoctorFinding(
            "endpoint",
            f"the region {patient.region!r} is not valid",
            "Correct AWS_REGION, or the region of the profile.",
        )
        return
    signer = CallSigner(patient.known_profile, unsigned=True)
    try:
        sts = connect("sts", signer, endpoint_url=patient.endpoint_url, region=patient.region)
    except UserFacingError as problem:
        yield DoctorFinding("endpoint", str(problem), "Correct AWS_ENDPOINT_URL or the profile's endpoint.")
        return
    yield from _answers(patient, sts.meta.endpoint_url)


def _answers(patient: Patient, url: str) -> Iterator[DoctorFinding]:
    from daypass.client.sessions.sts_call import find_endpoint_fault

    started = time.time()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "daypass"})  # noqa: S310 - the user's endpoint
        with opener(_bundle(patient)).open(request, timeout=10) as answer:
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except UserFacingError as problem:
        yield DoctorFinding("endpoint", str(problem), "Correct or unset AWS_CA_BUNDLE, or ca_bundle of the profile.")
        return
    except (OSError, ValueError, HTTPException) as error:
        yield DoctorFinding("endpoint", f"{url} cannot be reached: {_why(error)}", _remedy(error))
        return
    ended = time.time()
    fault = find_endpoint_fault(endpoint_url=patient.endpoint_url, region=patient.region, profile=patient.known_profile)
    if fault:
        words, _, remedy = fault.partition(". ")
        yield DoctorFinding("endpoint", f"{words}.", remedy or _CHECK)
        return
    yield DoctorFinding(
        "endpoint", f"{url} responds" + ("" if patient.endpoint_url else " (AWS, as no endpoint is configured)")
    )
    yield from _clock(date, started, ended)


def _bundle(patient: Patient) -> str:
    profile = patient.client_context.profiles.by_name.get(patient.at_hand)
    own = profile.options.get("ca_bundle", "") if profile else ""
    return patient.client_context.environment.get("AWS_CA_BUNDLE") or own


def _why(error: Exception) -> str:
    # An HTTPException quotes the bytes that it could not parse.
    if isinstance(error, HTTPException):
        return type(error).__name__
    cause = getattr(error, "reason", error)
    return printable(getattr(cause, "verify_message", "")) or reason(cause)


def _remedy(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _TRUST
    if isinstance(cause, ssl.SSLError):
        return "The server does not speak TLS at this address. Use http:// if it runs without TLS, or another port."
    return _CHECK


def _clock(date: str | None, started: float, ended: float) -> Iterator[DoctorFinding]:
    """Compare the clocks. The server answered at some moment between the two times."""
    try:
        exact = (started + ended) / 2 - parsedate_to_datetime(date or "").timestamp() - 0.5
    except (ValueError, TypeError):
        return
    if abs(exact) <= _SAME + (ended - started) / 2:
        yield DoctorFinding("clock", "this machine's clock is the same as the server's")
        return
    skew = round(exact)
    words = f"this machine's clock is {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the server's"
    is_wrong = abs(skew) > _MOST_SKEW
    remedy = "Correct this machine's clock: signatures more than 15 minutes off are refused." if is_wrong else ""
    yield DoctorFinding("clock", words, remedy)


def _identity(patient: Patient) -> Iterator[DoctorFinding]:
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    try:
        selection: Selection = select(
            "role",
            {
                "profile": patient.profile,
                "endpoint_url": patient.endpoint_url,
                "region": patient.region,
                "no_input": True,
            },
        )
        request = with_endpoint(selection.request, selection.client_context)
        signer = CallSigner(patient.known_profile, selection.get_credentials().credentials)
        sts = connect("sts", signer, endpoint_url=request.endpoint_url, region=request.region)
        arn = printable(call(sts, "GetCallerIdentity", {})["Arn"])
    except SignInNeededError as problem:
        yield DoctorFinding("identity", f"not checked: {problem}")
    except UserFacingError as problem:
        words, _, remedy = str(problem).rpartition(". ")
        yield DoctorFinding("identity", f"{words}.", remedy or "Run `daypass whoami`.")
    else:
        yield DoctorFinding("identity", arn)
