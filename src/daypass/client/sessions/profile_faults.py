"""Find settings of a profile that no command can use.

Owns the table of the checks: a request that is not complete, a program or a file that does not exist, a section that
is not there. Looks at the disk, and sends no requests. chains.py owns the sources, own_keys.py the keys.
"""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from daypass.client.credential_request import CredentialRequest
from daypass.client.operating_system import split_command
from daypass.client.problems import UserFacingError
from daypass.client.profiles.endpoints import is_http_url
from daypass.client.profiles.impossible_requests import find_impossibility
from daypass.client.profiles.profiles import Profile, Profiles
from daypass.client.roles import role_arns
from daypass.client.sign_in.token_claims import read_web_identity_file
from daypass.client.text_format import printable

REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_FOR_AWS_TOOLS = ("credential_process", "aws_access_key_id", "role_arn", "sso_session")
_OF_SSO = ("sso_account_id", "sso_role_name")
_OF_SSO_SESSION = ("sso_start_url", "sso_region")


@dataclass(frozen=True, slots=True)
class ProfileFault:
    """What is wrong with a profile, and what to do."""

    words: str
    remedy: str


def find_profile_faults(profiles: Profiles, name: str) -> list[ProfileFault]:
    """Return the faults of a profile's own settings."""
    profile = profiles.by_name[name]
    return [fault for check in CHECKS for fault in check(profile, profiles)]


def _shown(name: str) -> str:
    return f"Run `daypass profile show {shlex.quote(printable(name))}`."


def _request(profile: Profile, profiles: Profiles) -> Iterator[ProfileFault]:
    try:
        request = profile.request
        words = _incomplete(request) or find_impossibility(request, profiles) if request else ""
    except UserFacingError as problem:
        words = str(problem)
    if words:
        words = words if profile.name in words else f"Profile {printable(profile.name)}: {words}"
        yield ProfileFault(words, _shown(profile.name))


def _incomplete(request: CredentialRequest) -> str:
    """Return why no credentials can be requested, or an empty string. Raises UserFacingError too."""
    if not request.role_arn and request.method not in {"session", "federation"}:
        return f"Profile {printable(request.profile)} has no daypass_role_arn."
    role_arns(request.role_arn)
    if request.method == "oidc" and request.token_file:
        read_web_identity_file(request.token_file)
    return ""


def _programs(profile: Profile, _: Profiles) -> Iterator[ProfileFault]:
    for key in ("credential_process", "daypass_token_command", "daypass_mfa_command"):
        command = profile.options.get(key, "")
        try:
            words = split_command(command)
        except ValueError:
            words = []
        if command and (not words or shutil.which(words[0]) is None):
            program = words[0] if words else command
            yield ProfileFault(
                f"{profile.name} runs {program}, which was not found",
                f"Install it, or set its full path in {key} with `daypass profile set`.",
            )
    if profile.config.get("daypass_method") and not any(profile.options.get(key) for key in _FOR_AWS_TOOLS):
        name = shlex.quote(profile.name)
        yield ProfileFault(
            f"{profile.name} has no credential_process, so AWS tools find no credentials in it",
            f"Run `daypass profile set {name} credential_process='daypass credential-process --profile {name}'`.",
        )
    if profile.options.get("credential_process") and profile.credentials.get("aws_access_key_id"):
        yield ProfileFault(
            f"{profile.name} has keys, which override its credential_process",
            f"Run `daypass profile remove {shlex.quote(profile.name)}`.",
        )


def _files(profile: Profile, _: Profiles) -> Iterator[ProfileFault]:
    for key in ("web_identity_token_file", "ca_bundle"):
        path = profile.options.get(key, "")
        if path and not Path(path).expanduser().is_file():
            yield ProfileFault(
                f"{profile.name} has {key} = {path}, which does not exist",
                f"Correct or remove {key} with `daypass profile set`.",
            )


def _tokens(profile: Profile, _: Profiles) -> Iterator[ProfileFault]:
    path = profile.options.get("web_identity_token_file", "")
    if not path or not Path(path).expanduser().is_file():
        return
    try:
        read_web_identity_file(path)
    except UserFacingError as problem:
        yield ProfileFault(f"Profile {printable(profile.name)}: {problem}", "Check the program that writes the file.")


def _sections(profile: Profile, profiles: Profiles) -> Iterator[ProfileFault]:
    services = profile.options.get("services", "")
    if services and services not in profiles.services:
        yield ProfileFault(
            f"{profile.name} uses the section [services {services}], which does not exist",
            "Add it, or remove services with `daypass profile set`.",
        )
    session = profile.options.get("sso_session", "")
    if session and session not in profiles.sso_sessions:
        yield ProfileFault(
            f"{profile.name} uses the section [sso-session {session}], which does not exist",
            "Add it, or remove sso_session with `daypass profile set`.",
        )
    elif session:
        lacks = [key for key in _OF_SSO if not profile.options.get(key)]
        lacks += [key for key in _OF_SSO_SESSION if not profiles.sso_sessions[session].get(key)]
        if lacks:
            yield ProfileFault(
                f'The profile "{profile.name}" is configured to use SSO but is missing required configuration: '
                f"{', '.join(lacks)}",
                "Add it, or run `daypass profile sync --sso`.",
            )


def _places(profile: Profile, profiles: Profiles) -> Iterator[ProfileFault]:
    region = profile.options.get("region", "")
    if region and not REGION.fullmatch(region):
        yield ProfileFault(
            f"{profile.name} has the region {region!r}, which is not valid",
            "Use letters, digits and hyphens, such as eu-west-1.",
        )
    urls = {
        "endpoint_url": profile.options.get("endpoint_url", ""),
        "daypass_endpoint_url": profile.options.get("daypass_endpoint_url", ""),
        "services": profiles.service_endpoint(profile, "sts"),
    }
    for key, url in urls.items():
        if url and not is_http_url(url):
            yield ProfileFault(
                f"{profile.name} has the endpoint {url!r} ({key}), which is not a URL",
                "Use a URL such as https://sts.example.com.",
            )


CHECKS: tuple[Callable[[Profile, Profiles], Iterator[ProfileFault]], ...] = (
    _request,
    _programs,
    _files,
    _tokens,
    _sections,
    _places,
)

# A variable of the environment -> whether its value is valid, and the remedy.
VARIABLES: Mapping[str, tuple[Callable[[str], object], str]] = MappingProxyType(
    {
        "AWS_CA_BUNDLE": (lambda value: Path(value).is_file(), "Correct or unset it."),
        "AWS_WEB_IDENTITY_TOKEN_FILE": (lambda value: Path(value).is_file(), "Correct or unset it."),
        "AWS_ENDPOINT_URL": (is_http_url, "Use a URL such as https://sts.example.com."),
        "AWS_ENDPOINT_URL_STS": (is_http_url, "Use a URL such as https://sts.example.com."),
        "AWS_ENDPOINT_URL_IAM": (is_http_url, "Use a URL such as https://sts.example.com."),
        "AWS_REGION": (REGION.fullmatch, "Use letters, digits and hyphens, such as eu-west-1."),
        "AWS_DEFAULT_REGION": (REGION.fullmatch, "Use letters, digits and hyphens, such as eu-west-1."),
    }
)


def find_variable_faults(environment: Mapping[str, str]) -> list[ProfileFault]:
    """Return the faults of variables that select files, endpoints and regions."""
    return [
        ProfileFault(f"{name} is {printable(environment[name])!r}, which {_missing(name)}", remedy)
        for name, (is_valid, remedy) in VARIABLES.items()
        if environment.get(name) and not is_valid(environment[name])
    ]


def _missing(name: str) -> str:
    return "does not exist" if name.endswith(("_BUNDLE", "_FILE")) else "is not valid"
