"""The sources of credentials, in the order of AWS's tools.

Pure. Owns the table. Source: the credential providers of boto3 and the AWS CLI; the other SDKs differ in details.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from daypass.client.profiles.endpoints import profile_at_hand
from daypass.client.profiles.profiles import Profile, Profiles


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """One source of credentials.

    `used` marks the first, which overrides the others.
    """

    kind: str
    where: str
    key_id: str = ""
    used: bool = False


_Finder = Callable[[Profile], str]


def _has(name: str) -> _Finder:
    return lambda profile: profile.options.get(name, "")


# Kind of source in a profile, by priority -> its description, and the function that finds it.
IN_PROFILE: Mapping[str, tuple[str, _Finder]] = MappingProxyType(
    {
        "assume-role": (
            "role_arn with a source",
            lambda profile: (
                profile.options.get("role_arn", "")
                if profile.options.get("source_profile") or profile.options.get("credential_source")
                else ""
            ),
        ),
        "web-identity": ("web_identity_token_file", _has("web_identity_token_file")),
        "sso": (
            "sso_session",
            lambda profile: profile.options.get("sso_session", "") or profile.options.get("sso_start_url", ""),
        ),
        "keys": ("keys in the credentials file", lambda profile: profile.credentials.get("aws_access_key_id", "")),
        "login": ("login_session", _has("login_session")),
        "process": ("credential_process", _has("credential_process")),
        "config-keys": ("keys in the config file", lambda profile: profile.config.get("aws_access_key_id", "")),
    }
)


def find_sources(environment: Mapping[str, str], profiles: Profiles, profile: str) -> list[CredentialSource]:
    """Return all sources of credentials by priority.

    `profile` is the one that the user named.
    """
    name = profile_at_hand(environment, profile)
    found: list[CredentialSource] = []
    keys = environment.get("AWS_ACCESS_KEY_ID", "")
    if keys and not profile:
        found.append(CredentialSource("environment", "AWS_ACCESS_KEY_ID in the environment", keys))
    if name in profiles.by_name:
        found += _in_profile(profiles.by_name[name])
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") and not profile:
        found.append(CredentialSource("environment-token", "AWS_WEB_IDENTITY_TOKEN_FILE in the environment"))
    if any(environment.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI") for kind in ("FULL", "RELATIVE")):
        found.append(CredentialSource("container", "the container's credential endpoint"))
    used = [CredentialSource(each.kind, each.where, each.key_id, used=index == 0) for index, each in enumerate(found)]
    if not profile:
        used += _other_profile(environment)
    if keys and profile:
        used.append(
            CredentialSource(
                "environment", f"AWS_ACCESS_KEY_ID in the environment, overridden by --profile {profile}", keys
            )
        )
    return used


def _other_profile(environment: Mapping[str, str]) -> list[CredentialSource]:
    """Return the profile of AWS_DEFAULT_PROFILE if AWS_PROFILE names another one."""
    chosen, other = environment.get("AWS_PROFILE"), environment.get("AWS_DEFAULT_PROFILE")
    if not chosen or not other or chosen == other:
        return []
    return [
        CredentialSource(
            "environment-profile",
            f"profile {other} of AWS_DEFAULT_PROFILE, which boto3 and the AWS CLI v1 use instead of AWS_PROFILE",
        )
    ]


def _in_profile(profile: Profile) -> list[CredentialSource]:
    found = []
    for kind, (words, find) in IN_PROFILE.items():
        value = find(profile)
        if value:
            key_id = value if kind in {"keys", "config-keys"} else ""
            found.append(CredentialSource(kind, f"profile {profile.name}: {words}", key_id))
    return found
