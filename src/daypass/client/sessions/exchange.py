"""Exchange a proof for credentials.

Owns the parameters of the method's STS call, and of each call of the chain of roles. The request is already completed.
Does not cache.
"""

import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from daypass.client.credential_request import CredentialRequest, login_command
from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.operating_system import user_name
from daypass.client.partitions import partition_name
from daypass.client.problems import (
    BadUsageError,
    MisconfiguredError,
    RefusedError,
    SignInNeededError,
    UserFacingError,
)
from daypass.client.profiles.endpoints import find_endpoint
from daypass.client.profiles.role_profiles import OF_PROFILE, find_request, its_own_source, missing_source
from daypass.client.roles import first_role, needs_account, role_arns, session_name
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.mfa_session import FOR_ONE_ROLE, has_mfa_session, with_mfa_session
from daypass.client.sessions.own_credentials import own_credentials, provided_credentials
from daypass.client.sessions.server_sign_in import is_of_sign_in, role_credentials, role_session_arn
from daypass.client.sessions.source_keys import long_term_key, signing_profile
from daypass.client.sessions.sts_call import CallSigner, call, connect
from daypass.client.sign_in.assertions import provider_for
from daypass.client.sign_in.mfa import find_code, token_of_command
from daypass.client.sign_in.token_claims import read_web_identity_file, session_name_of
from daypass.client.text_format import printable


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Credentials from STS, and the identity that they belong to."""

    credentials: Credentials
    arn: str = ""
    issuer: str = ""
    subject: str = ""


Obtain = Callable[[CredentialRequest, ClientContext], CachedCredentials]


def exchange(request: CredentialRequest, client_context: ClientContext, get_credentials: Obtain) -> Exchanged:
    """Return the requested credentials."""
    if request.method == "keys":
        return Exchanged(own_credentials(request.source_profile, client_context)[0])
    if request.method == "portal" or is_of_sign_in(request, client_context):
        first = Exchanged(role_credentials(request, client_context), role_session_arn(request))
        return _chain(request, first, request.role_arn[1:], begins=True)
    if request.method in {"oidc", "saml"}:
        trade = _with_token if request.method == "oidc" else _with_assertion
        return _chain(request, trade(request, client_context), request.role_arn[1:], begins=True)
    signer = _source(request, client_context, get_credentials)
    if request.method == "federation":
        return _federation(request, signer)
    if request.method == "role":
        return _roles(request, client_context, signer, get_credentials)
    return _session(replace(request, mfa_serial=_serial(request, signer)), client_context, signer)


def found_roles(request: CredentialRequest, client_context: ClientContext, get_credentials: Obtain) -> tuple[str, ...]:
    """Return the ARNs of the requested roles.

    Calls STS for the account of a bare name.
    """
    if request.method == "role" and needs_account(request.role_arn):
        return _found_roles(request, _source(request, client_context, get_credentials))
    return role_arns(request.role_arn, partition=_partition(request)) if request.role_arn else ()


def _partition(request: CredentialRequest) -> str:
    return partition_name(request.region, request.endpoint_url)


def _found_roles(request: CredentialRequest, signer: CallSigner) -> tuple[str, ...]:
    if not needs_account(request.role_arn):
        return role_arns(request.role_arn, partition=_partition(request))
    caller = _call(request, signer, "GetCallerIdentity", {})
    return role_arns(request.role_arn, str(caller["Account"]), str(caller["Arn"]).split(":")[1])


def _source(request: CredentialRequest, client_context: ClientContext, get_credentials: Obtain) -> CallSigner:
    """Return the signer: the request of the source profile if it has one, else AWS's own search."""
    if request.credential_source not in {"", OF_PROFILE}:
        found = provided_credentials(request.credential_source, request.profile, client_context)
        return CallSigner(request.profile, found)
    as_source = request.credential_source == OF_PROFILE
    name = signing_profile(request, client_context.environment)
    source = client_context.profiles.by_name.get(name)
    if source is None and as_source:
        raise missing_source(request.profile, name)
    inner = find_request(source, as_source=as_source)
    if inner is None:
        found, _ = own_credentials(request.source_profile, client_context, as_source=as_source)
        return CallSigner(request.source_profile, found)
    visited = (*client_context.visited, request.profile)
    if name in visited:
        raise its_own_source(name)
    endpoint = find_endpoint(client_context.environment, client_context.profiles, name)
    inner = replace(
        inner,
        endpoint_url=inner.endpoint_url or endpoint or request.endpoint_url,
        region=inner.region or request.region,
        mfa_command=inner.mfa_command or request.mfa_command,
    )
    entry = get_credentials(inner, replace(client_context, fresh=False, visited=visited))
    return CallSigner(request.source_profile, entry.credentials)


def _serial(request: CredentialRequest, signer: CallSigner) -> str:
    """Return the MFA device's serial number, which is looked up for `auto`."""
    if request.mfa_serial != "auto":
        return request.mfa_serial
    devices = _devices(request, signer)
    if not devices:
        raise MisconfiguredError("You do not have an MFA device. Register one, or name a device with --mfa-serial ARN.")
    if len(devices) > 1:
        listed = ", ".join(devices)
        raise MisconfiguredError(f"You have {len(devices)} MFA devices. Choose one with --mfa-serial: {listed}.")
    return devices[0]


def _devices(request: CredentialRequest, signer: CallSigner) -> list[str]:
    """Return the serial numbers of the caller's MFA devices. Raises UserFacingError if IAM does not say."""
    iam = connect("iam", signer, endpoint_url=request.endpoint_url, region=request.region)
    return [printable(each["SerialNumber"]) for each in call(iam, "ListMFADevices", {}).get("MFADevices", [])]


def _with_mfa_advice(
    refusal: RefusedError, request: CredentialRequest, client_context: ClientContext, signer: CallSigner
) -> RefusedError:
    """Return the refusal of a role, with the option for MFA if the role may need it.

    A caller without a device, and a session, cannot give a code.
    """
    if not str(refusal).startswith("AccessDenied"):
        return refusal
    if not long_term_key(request, client_context.profiles, client_context.environment):
        return refusal
    with contextlib.suppress(UserFacingError):
        if not _devices(request, signer):
            return refusal
    advised = RefusedError(f"{refusal} If the role needs MFA, use --mfa-serial auto.")
    for note in getattr(refusal, "__notes__", ()):
        advised.add_note(note)
    return advised


def _mfa(request: CredentialRequest, client_context: ClientContext) -> dict[str, str]:
    if not request.mfa_serial:
        return {}
    code = find_code(
        request.mfa_serial, given=client_context.mfa_code, command=request.mfa_command, prompt=client_context.prompt
    )
    return {"SerialNumber": request.mfa_serial, "TokenCode": code}


def _call(
    request: CredentialRequest, signer: CallSigner, operation: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    client = connect("sts", signer, endpoint_url=request.endpoint_url, region=request.region)
    return call(client, operation, {name: value for name, value in parameters.items() if value})


def _exchanged(answer: Mapping[str, Any], user: str, **more: str) -> Exchanged:
    credentials = verify_credentials(answer.get("Credentials") or {})
    return Exchanged(credentials, printable((answer.get(user) or {}).get("Arn", "")), **more)


def _session(request: CredentialRequest, client_context: ClientContext, signer: CallSigner) -> Exchanged:
    answer = _call(
        request, signer, "GetSessionToken", {"DurationSeconds": request.duration, **_mfa(request, client_context)}
    )
    found = _exchanged(answer, "")
    return replace(found, arn=_arn_of(request, found.credentials))


def _arn_of(request: CredentialRequest, credentials: Credentials) -> str:
    """Return the ARN of a session, which GetSessionToken does not say; empty if STS does not answer."""
    with contextlib.suppress(UserFacingError):
        return printable(_call(request, CallSigner(credentials=credentials), "GetCallerIdentity", {}).get("Arn", ""))
    return ""


def _federation(request: CredentialRequest, signer: CallSigner) -> Exchanged:
    parameters = {
        "Name": request.session_name or default_session_name(),
        "DurationSeconds": request.duration,
        "Tags": _tags(request),
        **_policies(request),
    }
    return _exchanged(_call(request, signer, "GetFederationToken", parameters), "FederatedUser")


def _roles(
    request: CredentialRequest, client_context: ClientContext, signer: CallSigner, get_credentials: Obtain
) -> Exchanged:
    if not request.role_arn:
        raise BadUsageError("Name a role: its ARN, ACCOUNT/NAME or its name.")
    roles = _found_roles(request, signer)

    def assume(signer: CallSigner, more: Mapping[str, str]) -> Exchanged:
        return _assume(request, signer, roles[0], first=True, last=len(roles) == 1, more=more)

    def assume_with_code(client_context: ClientContext) -> Exchanged:
        return assume(signer, _mfa(replace(request, mfa_serial=_serial(request, signer)), client_context))

    def assume_with_session(session: Credentials) -> Exchanged:
        return assume(replace(signer, credentials=session), {})

    if not request.mfa_serial:
        try:
            first = assume(signer, {})
        except RefusedError as refusal:
            advised = _with_mfa_advice(refusal, request, client_context, signer)
            if advised is refusal:
                raise  # An exception that is its own cause has a trace without end.
            raise advised from refusal
    elif has_mfa_session(request, client_context):
        first = with_mfa_session(request, client_context, get_credentials, assume_with_session, assume_with_code)
    else:
        client_context.prompt.tell(f"daypass: {FOR_ONE_ROLE}")
        first = assume_with_code(client_context)
    return _chain(replace(request, role_arn=roles), first, roles[1:], begins=False)


def _chain(request: CredentialRequest, found: Exchanged, roles: tuple[str, ...], *, begins: bool) -> Exchanged:
    """Assume each role with the session of the role before it.

    `begins`: the first of them is the first call of AssumeRole, which sets source identity and transitive tags.
    """
    roles = role_arns(request.role_arn, partition=_partition(request))[1:] if roles else ()
    for position, role in enumerate(roles, 1):
        signer = CallSigner(credentials=found.credentials)
        first = begins and position == 1
        step = _assume(request, signer, role, first=first, last=position == len(roles), more={})
        found = replace(step, issuer=found.issuer, subject=found.subject)
    return found


def _assume(
    request: CredentialRequest, signer: CallSigner, role: str, *, first: bool, last: bool, more: Mapping[str, str]
) -> Exchanged:
    # Transitive tags must be set on the chain's first role; others matter only on the last.
    tagged = first if request.transitive_tags else last
    parameters: dict[str, Any] = {
        "RoleArn": role,
        "RoleSessionName": request.session_name or default_session_name(),
        "ExternalId": request.external_id,
        "SourceIdentity": request.source_identity if first else "",
        "Tags": _tags(request) if tagged else [],
        "TransitiveTagKeys": list(request.transitive_tags) if tagged else [],
        "DurationSeconds": request.duration if last else 0,
        **(_policies(request) if last else {}),
        **more,
    }
    return _exchanged(_call(request, signer, "AssumeRole", parameters), "AssumedRoleUser")


def _unsigned(request: CredentialRequest, client_context: ClientContext) -> CallSigner:
    """Return the signer of an unsigned call, with the settings of the profile if it exists already."""
    return CallSigner(request.profile if request.profile in client_context.profiles.by_name else "", unsigned=True)


def _with_token(request: CredentialRequest, client_context: ClientContext) -> Exchanged:
    token = client_context.proof
    if not token and request.token_file:
        token = read_web_identity_file(request.token_file)
    if not token and request.token_command:
        token = token_of_command(request.token_command)
    if not token:
        raise SignInNeededError(f"Not signed in. Run `{login_command(request)}`.")
    only = len(request.role_arn) == 1
    parameters = {
        "RoleArn": first_role(request.role_arn, _partition(request)),
        "RoleSessionName": request.session_name or session_name_of(token) or default_session_name(),
        "WebIdentityToken": token,
        **({"DurationSeconds": request.duration, **_policies(request)} if only else {}),
    }
    answer = _call(request, _unsigned(request, client_context), "AssumeRoleWithWebIdentity", parameters)
    subject = printable(answer.get("SubjectFromWebIdentityToken", ""))
    return _exchanged(answer, "AssumedRoleUser", issuer=printable(answer.get("Provider", "")), subject=subject)


def _with_assertion(request: CredentialRequest, client_context: ClientContext) -> Exchanged:
    if not client_context.proof:
        raise SignInNeededError(f"Not signed in. Run `{login_command(request)}`.")
    role = first_role(request.role_arn, _partition(request))
    only = len(request.role_arn) == 1
    parameters = {
        "RoleArn": role,
        "PrincipalArn": request.provider_arn or provider_for(client_context.proof, role),
        "SAMLAssertion": client_context.proof,
        **({"DurationSeconds": request.duration, **_policies(request)} if only else {}),
    }
    answer = _call(request, _unsigned(request, client_context), "AssumeRoleWithSAML", parameters)
    issuer, subject = printable(answer.get("Issuer", "")), printable(answer.get("Subject", ""))
    return _exchanged(answer, "AssumedRoleUser", issuer=issuer, subject=subject)


def _policies(request: CredentialRequest) -> dict[str, Any]:
    return {"Policy": request.policy, "PolicyArns": [{"arn": arn} for arn in request.policy_arns]}


def _tags(request: CredentialRequest) -> list[dict[str, str]]:
    pairs = [tag.partition("=") for tag in request.tags]
    if not all(key and sign for key, sign, _ in pairs):
        raise BadUsageError("A tag must have the form KEY=VALUE.")
    return [{"Key": key, "Value": value} for key, _, value in pairs]


def default_session_name() -> str:
    """Return USER@HOST, which identifies the session in audit logs."""
    return session_name(user_name(), socket.gethostname().partition(".")[0])
