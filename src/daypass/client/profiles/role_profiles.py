"""AWS's own role profiles.

They have `role_arn` with `source_profile` or `credential_source`. Owns their credential request. chains.py owns the
faults of a chain. Pure. The rules are botocore's `AssumeRoleProvider`:

- `web_identity_token_file` in a profile overrides its source.
- A source that has keys is used as keys, even if it has a role too. So a profile may be its own source.
- A source is a profile alone: without credentials in it, the environment and the machine are not searched.
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import MisconfiguredError
from daypass.client.profiles.profiles import Profile

# The value of CredentialRequest.credential_source if a profile is the source. The others are AWS's.
OF_PROFILE = "profile"
# Name in AWS's setting -> the name of the provider in botocore.
PROVIDERS: Mapping[str, str] = MappingProxyType(
    {"Environment": "env", "EcsContainer": "container-role", "Ec2InstanceMetadata": "iam-role"}
)
_KEYS = ("aws_access_key_id", "aws_secret_access_key")


def has_keys(profile: Profile) -> bool:
    """Return whether the profile has keys, also incomplete ones."""
    return any(name in profile.options for name in _KEYS)


def is_role_profile(profile: Profile) -> bool:
    """Return whether AWS's tools assume the role of the profile."""
    return "role_arn" in profile.options and "web_identity_token_file" not in profile.options


def find_request(profile: Profile | None, *, as_source: bool = False) -> CredentialRequest | None:
    """Return the request of a profile, Daypass's own or AWS's, or None.

    `as_source`: the profile is the source of a role profile. Raises MisconfiguredError.
    """
    if profile is None or (as_source and has_keys(profile)):
        return None
    own = profile.request
    if own is not None or not is_role_profile(profile):
        return own
    return _role_request(profile)


def _role_request(profile: Profile) -> CredentialRequest:
    options, name = profile.options, profile.name
    source, place = options.get("source_profile", ""), options.get("credential_source", "")
    if source and place:
        raise MisconfiguredError(f"Profile {name!r} has both source_profile and credential_source. Remove one of them.")
    if not source and not place:
        raise MisconfiguredError(
            f"Profile {name!r} has role_arn without a source. Add source_profile or credential_source."
        )
    if place and place not in PROVIDERS:
        raise MisconfiguredError(
            f"Profile {name!r}: credential_source {place!r} is not valid. Use one of {', '.join(PROVIDERS)}."
        )
    return CredentialRequest(
        "role",
        profile=name,
        source_profile=source,
        credential_source=place or OF_PROFILE,
        role_arn=(options["role_arn"],),
        session_name=options.get("role_session_name", ""),
        external_id=options.get("external_id", ""),
        duration=_duration(profile),
        mfa_serial=options.get("mfa_serial", ""),
    )


def _duration(profile: Profile) -> int:
    text = profile.options.get("duration_seconds", "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise MisconfiguredError(f"Profile {profile.name!r}: duration_seconds {text!r} is not a number of seconds.")
    return int(text)


def its_own_source(name: str) -> MisconfiguredError:
    """Return the error for a profile that is its own source."""
    return MisconfiguredError(
        f"Profile {name!r} uses itself as its source. Change its source_profile, daypass_source_profile or "
        "credential_process."
    )


def missing_source(profile: str, source: str) -> MisconfiguredError:
    """Return the error for a source that does not exist."""
    return MisconfiguredError(
        f"Profile {profile!r} uses {source!r} as its source, and that profile does not exist. Run `daypass profile "
        "list` to see all profiles."
    )


def source_without_credentials(profile: str) -> MisconfiguredError:
    """Return the error for a source without credentials."""
    return MisconfiguredError(
        f"Profile {profile!r} is the source of another profile and has no credentials. Add keys with `daypass profile "
        f"add {profile} --access-key-id ID`, or change source_profile."
    )
