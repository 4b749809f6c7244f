"""`daypass doctor` finds each configuration with which commands fail.

Each row of the table is a machine's fault, the words of the command that fails with it, and the words of the doctor.
"""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from tests.client.in_process import here
from tests.client.machine import Machine
from tests.http_servers import HttpRequest, HttpSite
from tests.slow_cases import quick_first

ROLE = "daypass_method = role\ndaypass_role_arn = arn:aws:iam::123456789012:role/deploy\n"


@dataclass(frozen=True)
class Fault:
    """A fault of a machine: text for the config file, and variables. The command is `env` unless named."""

    config: str = ""
    doctor: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    profile: str = "p"
    keys: str = ""


def _ours(settings: str) -> str:
    return f"[profile p]\n{settings}"


FAULTS = {
    "a loop": Fault(_ours(f"{ROLE}daypass_source_profile = p\n"), "'p' uses itself as its source"),
    "a loop of two": Fault(
        "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = q\n"
        "[profile q]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = p\n",
        "p > q > p",
    ),
    "a missing source": Fault(_ours(f"{ROLE}daypass_source_profile = q\n"), "Profile q does not exist"),
    "an empty source": Fault(
        _ours(f"{ROLE}daypass_source_profile = q\n") + "[profile q]\nregion = eu-west-1\n", "no credentials"
    ),
    "a key twice": Fault("[profile y]\nregion = a\nregion = a\n", "has region twice", profile="ann"),
    "a section twice": Fault("[profile y]\n[profile y]\n", "has the section [profile y] twice", profile="ann"),
    "a foreign byte": Fault("# gr\udcf6\udcdfe\n", "are not UTF-8", profile="ann"),
    "a broken block": Fault("[profile y]\ns3 =\n  path\n", "cannot be parsed: line", profile="ann"),
    "an unknown setting": Fault(_ours(f"{ROLE}daypass_sorce = x\n"), "unknown setting: daypass_sorce"),
    "an unknown method": Fault(_ours("daypass_method = magic\n"), "daypass_method must be one of"),
    "a bad duration": Fault(_ours(f"{ROLE}daypass_duration = soon\n"), "daypass_duration"),
    "no role": Fault(_ours("daypass_method = role\ndaypass_source_profile = ann\n"), "has no daypass_role_arn"),
    "a bad role": Fault(
        _ours("daypass_method = role\ndaypass_role_arn = arn:x\ndaypass_source_profile = ann\n"), "not a valid role"
    ),
    "a token file that is not there": Fault(
        _ours("daypass_method = oidc\ndaypass_token_file = /nowhere\ndaypass_role_arn = 123456789012/deploy\n"),
        "/nowhere cannot be read",
    ),
    "a program that is not there": Fault(_ours("credential_process = /nonexistent/x y\n"), "was not found"),
    "a token of AWS's profile": Fault(
        _ours("role_arn = arn:aws:iam::123456789012:role/a\nweb_identity_token_file = /nowhere\n"), "/nowhere"
    ),
    "a token file without a token": Fault(
        _ours("role_arn = arn:aws:iam::123456789012:role/a\nweb_identity_token_file = /etc/hostname\n"),
        "is not a web identity token",
    ),
    "ours without a program": Fault(_ours(f"{ROLE}daypass_source_profile = ann\n"), "has no credential_process"),
    "a missing SSO setting": Fault(
        _ours("sso_session = s\nsso_account_id = 1\n[sso-session s]\nsso_region = a\n"),
        "missing required configuration",
    ),
    "a missing services section": Fault(_ours(f"services = no\n{ROLE}daypass_source_profile = ann\n"), "[services no]"),
    "a missing SSO section": Fault(
        _ours("sso_session = no\nsso_account_id = 1\nsso_role_name = r\n"), "[sso-session no]"
    ),
    "a region that is not valid": Fault(_ours("region = eu west\n"), "'eu west'", keys="p"),
    "an endpoint that is not a URL": Fault(_ours("endpoint_url = sts.example.com\n"), "is not a URL", keys="p"),
    "a bundle of the profile": Fault(
        _ours("ca_bundle = /nowhere.pem\nendpoint_url = https://127.0.0.1:1\n"), "ca_bundle", keys="p"
    ),
    "a bundle of the environment": Fault(
        doctor="AWS_CA_BUNDLE", environment=(("AWS_CA_BUNDLE", "/nowhere.pem"),), profile="ann"
    ),
    "a profile that is not there": Fault(
        doctor="which does not exist", environment=(("AWS_PROFILE", "no"),), profile=""
    ),
    "half a key": Fault(
        doctor="AWS_SECRET_ACCESS_KEY", environment=(("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF"),), profile=""
    ),
    "a folder that cannot be used": Fault(
        doctor="not writable", environment=(("DAYPASS_CACHE_DIR", "/dev/null/x"),), profile="", config="#"
    ),
    "an endpoint that is down": Fault(_ours("endpoint_url = http://127.0.0.1:1\n"), "cannot be reached", keys="p"),
    "a key that does not exist": Fault(_ours(""), "InvalidClientTokenId", keys="p"),
}
"""Faults for which a command succeeds all the same, with a warning of the doctor."""
HARMLESS = {"a folder that cannot be used", "a bundle of the environment"}


def _set_up(machine: Machine, fault: Fault) -> dict[str, str]:
    machine.credentials.chmod(0o600)
    with machine.config.open("a", errors="surrogateescape") as config:
        config.write(fault.config)
        if fault.keys and "endpoint_url" not in fault.config:
            config.write(f"endpoint_url = {machine.server.url}\n")
    if fault.keys:
        with machine.credentials.open("a") as file:
            file.write(
                f"[{fault.keys}]\naws_access_key_id = AKIA0123456789ABCDEF\naws_secret_access_key = {'s' * 40}\n"
            )
    return dict(fault.environment)


@pytest.mark.parametrize("name", quick_first(FAULTS, 6))
def test_the_doctor_finds_what_ends_a_command(machine: Machine, name: str) -> None:
    """The command fails, and the doctor has a line for it with a remedy."""
    fault = FAULTS[name]
    environment = _set_up(machine, fault)
    chosen = ("--profile", fault.profile) if fault.profile else ()
    place = () if fault.profile else ("--endpoint-url", machine.server.url)
    failed = here(machine, "whoami", *chosen, *place, **environment)
    assert name in HARMLESS or failed.code in {2, 3, 4, 5, 6, 7, 9}, failed
    assert "unexpected" not in failed.err
    done = here(machine, "doctor", *chosen, *place, **environment)
    lines = done.out.splitlines()
    found = [number for number, line in enumerate(lines) if line.startswith("!!") and fault.doctor in line]
    assert (done.code, bool(found)) == (6, True), (failed, done)
    assert all(lines[number + 1].strip() for number in found), done.out


def test_a_healthy_machine_has_no_findings(machine: Machine) -> None:
    """The doctor shows the key and the identity, and suggests no changes."""
    machine.credentials.chmod(0o600)
    done = here(machine, "doctor", "--profile", "ann")
    assert done.code == 0, done
    assert "!!" not in done.out
    assert "identity: arn:aws:iam::123456789012:user/ann" in done.out
    assert "key AKIA" in done.out


PAGE = b"<html><body>Welcome</body></html>"
STORE = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, PAGE), (200, b""), (200, b"{}"), (404, PAGE), (403, STORE), (302, b""), (502, PAGE)],
)
def test_an_endpoint_that_is_not_sts_is_found(machine: Machine, status: int, body: bytes) -> None:
    """A page, a store, a redirect and a proxy do not count as an endpoint that responds."""

    def answer(request: HttpRequest) -> None:
        request.reply(status, body, Location="/login")

    machine.credentials.chmod(0o600)
    with HttpSite(answer) as site:
        done = here(machine, "doctor", "--profile", "ann", "--endpoint-url", site.url)
        failed = here(machine, "whoami", "--profile", "ann", "--endpoint-url", site.url)
    assert failed.code in {6, 7}, failed
    (line,) = [line for line in done.out.splitlines() if line.startswith("!!")]
    assert line.startswith(f"!!  endpoint: {site.url}"), done.out


def test_an_untrusted_certificate_leads_to_the_bundle(machine: Machine, tls: tuple[ssl.SSLContext, Path]) -> None:
    """The remedy is the variable or the setting, and the profile's own bundle is used."""
    context, bundle = tls

    def answer(request: HttpRequest) -> None:
        request.reply(403, b"<ErrorResponse><Error><Code>MissingAuthenticationToken</Code></Error></ErrorResponse>")

    with HttpSite(answer, tls=context) as site:
        with machine.config.open("a") as config:
            config.write(f"[profile p]\nendpoint_url = {site.url}\n[profile q]\nendpoint_url = {site.url}\n")
            config.write(f"ca_bundle = {bundle}\n")
        refused = here(machine, "doctor", "--profile", "p").out
        accepted = here(machine, "doctor", "--profile", "q").out
    assert "ca_bundle in the profile" in refused, refused
    assert f"{site.url} responds" in accepted, accepted


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Return a certificate of 127.0.0.1 for a server, and the file of its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, folder / "ca.pem"


@pytest.fixture
def clock() -> Iterator[Callable[[float], str]]:
    """Return a function that starts an endpoint whose clock is some seconds behind this machine's."""
    sites: list[HttpSite] = []

    def start(seconds: float) -> str:
        def answer(request: HttpRequest) -> None:
            moment = datetime.now(UTC) - timedelta(seconds=seconds)
            request.date_time_string = lambda timestamp=None: format_datetime(moment, usegmt=True)  # type: ignore[method-assign] # noqa: ARG005
            body = b"<ErrorResponse><Error><Code>MissingAuthenticationToken</Code></Error></ErrorResponse>"
            request.reply(403, body)

        site = HttpSite(answer)
        sites.append(site)
        return site.__enter__().url

    yield start
    for site in sites:
        site.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("seconds", "words", "mark"),
    [
        (0, "the same as", "ok"),
        (1, "the same as", "ok"),
        (14 * 60, "ahead of", "ok"),
        (-14 * 60, "behind", "ok"),
        (16 * 60, "ahead of", "!!"),
        (-16 * 60, "behind", "!!"),
    ],
)
def test_only_a_clock_that_sts_refuses_is_wrong(
    machine: Machine, clock: Callable[[float], str], seconds: int, words: str, mark: str
) -> None:
    """STS takes signatures of fifteen minutes around its own time; a second is no difference."""
    done = here(machine, "doctor", "--endpoint-url", clock(seconds))
    (line,) = [line for line in done.out.splitlines() if "  clock:" in line]
    assert line.startswith(mark), done.out
    assert words in line
