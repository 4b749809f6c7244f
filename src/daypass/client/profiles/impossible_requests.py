"""Find requests that STS can never grant, and settings without effect.

Pure. Owns both tables, so that a profile that can never work is refused before it is written.
Source: AWS STS API reference, DurationSeconds of each operation; IAM User Guide, "Role chaining".
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.client.credential_request import CredentialRequest
from daypass.client.durations import say_duration
from daypass.client.problems import UserFacingError
from daypass.client.profiles.profiles import Profiles

_LEAST, _CHAINED, _OF_ROLE, _OF_USER = 900, 3_600, 43_200, 129_600
_MOST: Mapping[str, int] = MappingProxyType(
    {"role": _OF_ROLE, "oidc": _OF_ROLE, "saml": _OF_ROLE, "session": _OF_USER, "federation": _OF_USER}
)
_OF_ASSUME_ROLE = frozenset({"session_name", "external_id", "source_identity", "tags", "transitive_tags"})
_LIMITS = frozenset({"duration", "policy", "policy_arns"})
_OF_MFA = frozenset({"mfa_serial", "mfa_command"})
_OF_ROLES = frozenset({"oidc", "saml", "portal", "role"})
# Method -> the settings that its call of STS has.
_USED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "role": _OF_ASSUME_ROLE | _LIMITS | _OF_MFA | {"source_profile"},
        "session": _OF_MFA | {"duration", "source_profile"},
        "oidc": _LIMITS
        | {"session_name", "issuer", "client_id", "scopes", "token_file", "token_command", "client_secret_file"},
        "saml": _LIMITS | {"provider_arn"},
    }
)
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {"policy_arns": "--policy-arn", "tags": "--tag", "transitive_tags": "--transitive-tag"}
)
_ALWAYS = frozenset(
    {"method", "profile", "endpoint_url", "region", "role_arn", "subject", "portal_url", "via", "credential_source"}
)


def find_unused_option(request: CredentialRequest) -> str:
    """Return an option that the request's method does not use.

    It is empty if all are used. Roles after the first one are assumed, so they use the options of AssumeRole.
    """
    used = _USED.get(request.method)
    if used is None:
        return ""
    if len(request.role_arn) > 1:
        used = used | _OF_ASSUME_ROLE
    names = [name for name in request.__dataclass_fields__ if name not in used | _ALWAYS and getattr(request, name)]
    return _OPTIONS.get(names[0], f"--{names[0].replace('_', '-')}") if names else ""


def find_impossibility(request: CredentialRequest, profiles: Profiles) -> str:
    """Return why STS can never grant a request, as a sentence.

    It is empty if STS can.
    """
    is_of_role = _is_role_session(request.source_profile, profiles)
    if request.method in {"session", "federation"} and is_of_role:
        return (
            f"Profile {request.source_profile!r} has the session of a role, which cannot get another session. Use a "
            "profile with long-term keys."
        )
    most = _MOST.get(request.method, 0)
    if not request.duration or not most:
        return ""
    if len(request.role_arn) > 1 or (request.method == "role" and is_of_role):
        most = _CHAINED
    if _LEAST <= request.duration <= most:
        return ""
    reason = " for a role that another role assumes" if most == _CHAINED else ""
    return (
        f"A duration of {say_duration(request.duration)} is not possible: STS allows from 15 min to "
        f"{say_duration(most)}{reason}. Change --duration."
    )


def _is_role_session(name: str, profiles: Profiles) -> bool:
    """Return whether a profile has the session of a role."""
    profile = profiles.by_name.get(name)
    if profile is None:
        return False
    try:
        request = profile.request
    except UserFacingError:
        return False
    if request is not None:
        return request.method in _OF_ROLES
    return bool(profile.options.get("role_arn"))
