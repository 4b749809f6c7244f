"""The credential request and its cache key.

Owns its conversion from and to a profile. Pure. Every setting that changes the response of STS is part of the key, so
that two requests never share an entry.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from daypass.client.durations import parse_duration
from daypass.client.problems import MisconfiguredError
from daypass.client.sha256 import sha256_hex

_VERSION = 2
_FORMER_VERSION = 1
# How a request was named or proven. The source and the result are the same, so these are not part of the cache key.
_NAMING = frozenset({"profile", "source_profile", "credential_source", "mfa_serial", "mfa_command"})
PREFIX = "daypass_"
METHODS = ("role", "session", "federation", "oidc", "saml", "portal")


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """A request for credentials.

    `method` selects the proof: keys for a role, a session or a federated user, a token for oidc, an assertion for saml,
    the sign-in at the server for portal.
    `source_profile` is the profile whose keys sign, or empty for AWS's own search. `profile` is the requested profile,
    or empty. `credential_source` is not empty for AWS's own role profiles (profiles/role_profiles.py).
    """

    method: str
    profile: str = ""
    endpoint_url: str = ""
    region: str = ""
    source_profile: str = ""
    role_arn: tuple[str, ...] = ()
    session_name: str = ""
    duration: int = 0
    external_id: str = ""
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    transitive_tags: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_serial: str = ""
    mfa_command: str = ""
    provider_arn: str = ""
    issuer: str = ""
    client_id: str = ""
    scopes: str = ""
    subject: str = ""
    token_file: str = ""
    token_command: str = ""
    client_secret_file: str = ""
    portal_url: str = ""
    via: str = ""
    credential_source: str = ""

    def cache_key(self, source_key: str) -> str:
        """Return the cache key. `source_key` identifies the source credentials.

        Requests that keys sign have the same key however their profile and MFA device were named. With a token or an
        assertion, the profile is the only name of the person.
        """
        if self.method in {"oidc", "saml"}:
            return self.former_cache_key(source_key)
        settings = {name: value for name, value in asdict(self).items() if name not in _NAMING}
        return _digest([_VERSION, source_key, settings, bool(self.mfa_serial)])

    def former_cache_key(self, source_key: str) -> str:
        """Return the key that version 0.1.0 cached this session under."""
        settings = asdict(self)
        del settings["credential_source"]  # Version 0.1.0 did not have it.
        return _digest([_FORMER_VERSION, source_key, settings])


def _digest(content: list[Any]) -> str:
    return sha256_hex(json.dumps(content, sort_keys=True, ensure_ascii=True).encode())


_LISTS = frozenset({"role_arn", "policy_arns", "tags", "transitive_tags"})
_NOT_SETTINGS = frozenset({"profile", "region", "credential_source"})
# The settings of a profile that have the prefix `daypass_`.
SETTINGS = tuple(field.name for field in fields(CredentialRequest) if field.name not in _NOT_SETTINGS)
OTHER_SETTINGS = ("sign_in_url",)


def request_from(profile: str, options: Mapping[str, str]) -> CredentialRequest | None:
    """Return the request of a profile, or None.

    Returns None if Daypass does not manage the profile. Raises MisconfiguredError.
    """
    own = {name.removeprefix(PREFIX): value for name, value in options.items() if name.startswith(PREFIX)}
    strange = sorted(set(own) - set(SETTINGS) - set(OTHER_SETTINGS))
    if strange:
        raise MisconfiguredError(f"Profile {profile} has an unknown setting: {PREFIX}{strange[0]}.")
    own = {name: value for name, value in own.items() if name in SETTINGS}
    if "method" not in own:
        return None
    if own["method"] not in METHODS:
        raise MisconfiguredError(f"Profile {profile}: {PREFIX}method must be one of {', '.join(METHODS)}.")
    values: dict[str, Any] = {name: _read(profile, name, value) for name, value in own.items()}
    return CredentialRequest(profile=profile, region=options.get("region", ""), **values)


def _read(profile: str, name: str, value: str) -> Any:
    if name in _LISTS:
        return tuple(value.split())
    if name == "duration":
        try:
            return parse_duration(value)
        except ValueError as error:
            raise MisconfiguredError(f"Profile {profile}: {PREFIX}duration: {error}.") from error
    return value


def options_of(request: CredentialRequest) -> dict[str, str]:
    """Return the request as settings of a profile."""
    found: dict[str, str] = {}
    for name in SETTINGS:
        value = getattr(request, name)
        if value:
            found[PREFIX + name] = " ".join(value) if isinstance(value, tuple) else str(value)
    return found


def login_command(request: CredentialRequest) -> str:
    """Return the sign-in command for this request."""
    suffix = f" --profile {request.profile}" if request.profile else ""
    method = "" if request.method == "portal" else f" {request.method}"
    return f"daypass login{method}{suffix}"
