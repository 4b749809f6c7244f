"""Which credentials are wanted: one value, its reading from a profile, and the key under which they are kept.

Pure. Everything that changes what STS would answer is part of the key, so that two wishes never share an answer.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from daypass.client.durations import parse_duration
from daypass.client.problems import Misconfigured

_VERSION = 1
PREFIX = "daypass_"
METHODS = ("role", "session", "federation", "oidc", "saml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Credentials that somebody asks for.

    `method` says what proves who asks: keys for a role, a session or a federated user, a token for oidc, an assertion
    for saml. `source` is the profile whose keys sign, empty for what AWS's own search finds. `profile` is the profile
    that is asked for, empty where none is.
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

    def cache_key(self, source_key: str) -> str:
        """Return the name under which the answer is kept. `source_key` tells whose keys sign."""
        content = json.dumps([_VERSION, source_key, asdict(self)], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(content.encode()).hexdigest()


_LISTS = frozenset({"role_arn", "policy_arns", "tags", "transitive_tags"})
# What a profile may say with the prefix `daypass_`.
SETTINGS = tuple(field.name for field in fields(Wanted) if field.name not in {"profile", "region"})
OTHER_SETTINGS = ("sign_in_url",)


def wanted_from(profile: str, options: Mapping[str, str]) -> Wanted | None:
    """Return what a profile asks of Daypass, or None where it asks nothing. Raises Misconfigured."""
    own = {name.removeprefix(PREFIX): value for name, value in options.items() if name.startswith(PREFIX)}
    strange = sorted(set(own) - set(SETTINGS) - set(OTHER_SETTINGS))
    if strange:
        raise Misconfigured(f"Profile {profile} has a setting that does not exist: {PREFIX}{strange[0]}.")
    own = {name: value for name, value in own.items() if name in SETTINGS}
    if "method" not in own:
        return None
    if own["method"] not in METHODS:
        raise Misconfigured(f"Profile {profile}: {PREFIX}method is one of {', '.join(METHODS)}.")
    values: dict[str, Any] = {name: _read(profile, name, value) for name, value in own.items()}
    return Wanted(profile=profile, region=options.get("region", ""), **values)


def _read(profile: str, name: str, value: str) -> Any:
    if name in _LISTS:
        return tuple(value.split())
    if name == "duration":
        try:
            return parse_duration(value)
        except ValueError as error:
            raise Misconfigured(f"Profile {profile}: {PREFIX}duration: {error}.") from error
    return value


def options_of(wanted: Wanted) -> dict[str, str]:
    """Return the settings that make a profile ask for this."""
    found: dict[str, str] = {}
    for name in SETTINGS:
        value = getattr(wanted, name)
        if value:
            found[PREFIX + name] = " ".join(value) if isinstance(value, tuple) else str(value)
    return found
