"""Identify the source credentials of a session.

Owns that part of the cache key. Other programs are not called for this: if the source cannot be known in advance, as
with another program's credential_process, the session is not cached, because the next result may belong to another
identity.
Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".
"""

from collections.abc import Mapping

from daypass.client.credential_request import CredentialRequest
from daypass.client.profiles.endpoints import profile_at_hand
from daypass.client.profiles.profiles import Profile, Profiles
from daypass.client.profiles.role_profiles import OF_PROFILE, find_request, its_own_source
from daypass.client.sessions.cache import CredentialCache
from daypass.client.sha256 import sha256_hex

# Settings of a profile that AWS's tools use before its keys, and the token that marks keys of a session.
_KEYS_OVERRIDDEN = frozenset(
    {"role_arn", "web_identity_token_file", "login_session", "aws_session_token", "aws_security_token"}
)
_OF_CONTAINERS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)


def source_key(
    request: CredentialRequest,
    profiles: Profiles,
    environment: Mapping[str, str],
    seen: tuple[str, ...] = (),
    *,
    proof: str = "",
) -> str:
    """Return the identity of the source, or an empty string if unknown.

    It is the signing keys, or issuer and subject. `proof` is a known token; the subject of a command's next token is
    unknown.
    """
    if request.method == "oidc" and request.token_file:
        return _of_token(request.token_file)
    if request.method == "oidc" and request.token_command:
        return of_proof(proof) if proof else ""
    if request.method == "portal":
        return _of_sign_in(request, environment)
    if request.method in {"oidc", "saml"}:
        return f"profile {request.profile}"
    return _of_signer(request, profiles, environment, seen)


def _of_signer(
    request: CredentialRequest, profiles: Profiles, environment: Mapping[str, str], seen: tuple[str, ...]
) -> str:
    if request.credential_source not in {"", OF_PROFILE}:
        return _of_provider(request.credential_source, environment)
    name = signing_profile(request, environment)
    if not name:
        return f"key {environment['AWS_ACCESS_KEY_ID']}"
    return _of_profile(name, request, profiles, environment, seen)


def signing_profile(request: CredentialRequest, environment: Mapping[str, str]) -> str:
    """Return the profile whose credentials sign a request.

    It is empty if the keys of the environment sign.
    """
    if not request.source_profile and environment.get("AWS_ACCESS_KEY_ID"):
        return ""
    return profile_at_hand(environment, request.source_profile)


def _of_profile(
    name: str, wanted: CredentialRequest, profiles: Profiles, environment: Mapping[str, str], seen: tuple[str, ...]
) -> str:
    profile = profiles.by_name.get(name)
    if profile is None:
        return _of_surroundings(environment)
    own = find_request(profile, as_source=wanted.credential_source == OF_PROFILE)
    if own is not None:
        if name in seen:
            raise its_own_source(name)
        further = source_key(own, profiles, environment, (*seen, name))
    else:
        further = _of_others(profile, environment)
    return f"profile {profile.fingerprint()} {further}" if further else ""


def _of_others(profile: Profile, environment: Mapping[str, str]) -> str:
    """Return the identity of a profile without a request, in the order of AWS's tools."""
    options = profile.options
    if options.get("web_identity_token_file"):
        return _of_token(options["web_identity_token_file"])
    if options.get("aws_access_key_id") or any(option.startswith("sso_") for option in options):
        return "its own"
    return "" if options.get("credential_process") else _of_surroundings(environment)


def _of_provider(credential_source: str, environment: Mapping[str, str]) -> str:
    if credential_source == "Environment":
        key_id = environment.get("AWS_ACCESS_KEY_ID")
        return f"key {key_id}" if key_id else ""
    return "machine" if credential_source == "Ec2InstanceMetadata" else _of_container(environment)


def _of_sign_in(request: CredentialRequest, environment: Mapping[str, str]) -> str:
    from daypass.client.sessions.server_sign_in import SignInStore

    found = SignInStore(CredentialCache.of(environment)).find_id(request.endpoint_url)
    return f"sign-in {found}" if found else ""


def long_term_key(request: CredentialRequest, profiles: Profiles, environment: Mapping[str, str]) -> str:
    """Return the ID of the user's own access key that signs a request.

    It is empty if other credentials sign: a session has a token, and its account and its MFA are its own.
    """
    name = signing_profile(request, environment)
    if request.credential_source not in {"", OF_PROFILE}:
        if request.credential_source != "Environment":
            return ""
        name = ""
    if not name:
        has_token = environment.get("AWS_SESSION_TOKEN") or environment.get("AWS_SECURITY_TOKEN")
        return "" if has_token else environment.get("AWS_ACCESS_KEY_ID", "")
    profile = profiles.by_name.get(name)
    as_source = request.credential_source == OF_PROFILE
    # The keys of a source count, even if it has a role too.
    overriding = _KEYS_OVERRIDDEN - ({"role_arn"} if as_source else set())
    if profile is None or overriding & set(profile.options):
        return ""
    if find_request(profile, as_source=as_source) is not None:
        return ""
    if any(name.startswith("sso_") for name in profile.options):
        return ""
    key_id = profile.credentials.get("aws_access_key_id", "")
    if not key_id and not profile.options.get("credential_process"):
        key_id = profile.config.get("aws_access_key_id", "")
    return key_id


def _of_surroundings(environment: Mapping[str, str]) -> str:
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        role = environment.get("AWS_ROLE_ARN", "")
        return f"{_of_token(environment['AWS_WEB_IDENTITY_TOKEN_FILE'])} {role}"
    return _of_container(environment) or "machine"


def _of_container(environment: Mapping[str, str]) -> str:
    container = "\n".join(environment.get(name, "") for name in _OF_CONTAINERS)
    if not container.strip():
        return ""
    return f"container {sha256_hex(container.encode('utf-8', 'surrogateescape'))}"


def _of_token(path: str) -> str:
    from daypass.client.sign_in.token_claims import read_web_identity_file

    return of_proof(read_web_identity_file(path))


def of_proof(token: str) -> str:
    """Return the issuer and the subject of a token."""
    from daypass.client.sign_in.token_claims import read_claims

    claims = read_claims(token)
    return f"token {claims.issuer} {claims.subject}"
