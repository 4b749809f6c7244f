"""Exchange a proof for credentials: the STS calls of each method, and then the chain of roles.

Owns the choice of parameters for each call of a chain. The request is already completed. Does not cache.
"""

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from daypass.client.assertions import provider_for
from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.mfa import find_code, run_for_text
from daypass.client.partitions import partition_name
from daypass.client.problems import BadUsage, Misconfigured, SignInNeeded
from daypass.client.roles import first_role, needs_account, role_arns, session_name
from daypass.client.sts_call import Signer, call, connect, own_credentials
from daypass.client.token_claims import read_token_file
from daypass.client.wanted import Wanted
from daypass.client.words import printable

if TYPE_CHECKING:
    from daypass.client.obtain import Means

_LONGEST_CHAINED = 3600


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Credentials from STS, and the identity that they belong to."""

    credentials: Credentials
    arn: str = ""
    issuer: str = ""
    subject: str = ""


Obtain = Callable[[Wanted], Credentials]


def exchange(wanted: Wanted, means: "Means", obtain: Obtain) -> Exchanged:
    """Return the requested credentials."""
    if wanted.method == "keys":
        return Exchanged(own_credentials(wanted.source_profile)[0])
    if wanted.method in {"oidc", "saml"}:
        trade = _with_token if wanted.method == "oidc" else _with_assertion
        return _chain(wanted, trade(wanted, means), wanted.role_arn[1:])
    signer = _source(wanted, means, obtain)
    wanted = replace(wanted, mfa_serial=_serial(wanted, signer))
    if wanted.method == "session":
        return _session(wanted, means, signer)
    if wanted.method == "federation":
        return _federation(wanted, signer)
    return _roles(wanted, means, signer)


def found_roles(wanted: Wanted, means: "Means", obtain: Obtain) -> tuple[str, ...]:
    """Return the ARNs of the requested roles. Calls STS for the account if only a name is given."""
    if wanted.method == "role" and needs_account(wanted.role_arn):
        return _found_roles(wanted, _source(wanted, means, obtain))
    return role_arns(wanted.role_arn, partition=_partition(wanted)) if wanted.role_arn else ()


def _partition(wanted: Wanted) -> str:
    return partition_name(wanted.region, wanted.endpoint_url)


def _found_roles(wanted: Wanted, signer: Signer) -> tuple[str, ...]:
    if not needs_account(wanted.role_arn):
        return role_arns(wanted.role_arn, partition=_partition(wanted))
    caller = _call(wanted, signer, "GetCallerIdentity", {})
    return role_arns(wanted.role_arn, str(caller["Account"]), str(caller["Arn"]).split(":")[1])


def _source(wanted: Wanted, means: "Means", obtain: Obtain) -> Signer:
    name = wanted.source_profile
    if name and name == wanted.profile:
        raise Misconfigured(f"Profile {name!r} uses itself as its source. Change daypass_source_profile.")
    source = means.profiles.by_name.get(name) if name else None
    if source is not None and source.wanted is not None:
        return Signer(credentials=obtain(source.wanted))
    return Signer(profile=name)


def _serial(wanted: Wanted, signer: Signer) -> str:
    """Return the MFA device's serial number, which is looked up for `auto`."""
    if wanted.mfa_serial != "auto":
        return wanted.mfa_serial
    iam = connect("iam", signer, endpoint_url=wanted.endpoint_url, region=wanted.region)
    devices = call(iam, "ListMFADevices", {}).get("MFADevices", [])
    if len(devices) != 1:
        raise Misconfigured(f"You have {len(devices)} MFA devices. Choose one with --mfa-serial.")
    return str(devices[0]["SerialNumber"])


def _mfa(wanted: Wanted, means: "Means") -> dict[str, str]:
    if not wanted.mfa_serial:
        return {}
    code = find_code(wanted.mfa_serial, given=means.mfa_code, command=wanted.mfa_command, prompt=means.prompt)
    return {"SerialNumber": wanted.mfa_serial, "TokenCode": code}


def _call(wanted: Wanted, signer: Signer, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    client = connect("sts", signer, endpoint_url=wanted.endpoint_url, region=wanted.region)
    return call(client, operation, {name: value for name, value in parameters.items() if value})


def _exchanged(answer: Mapping[str, Any], user: str, **more: str) -> Exchanged:
    credentials = verify_credentials(answer.get("Credentials") or {})
    return Exchanged(credentials, printable((answer.get(user) or {}).get("Arn", "")), **more)


def _session(wanted: Wanted, means: "Means", signer: Signer) -> Exchanged:
    answer = _call(wanted, signer, "GetSessionToken", {"DurationSeconds": wanted.duration, **_mfa(wanted, means)})
    return _exchanged(answer, "")


def _federation(wanted: Wanted, signer: Signer) -> Exchanged:
    parameters = {
        "Name": wanted.session_name or default_session_name(),
        "DurationSeconds": wanted.duration,
        "Tags": _tags(wanted),
        **_policies(wanted),
    }
    return _exchanged(_call(wanted, signer, "GetFederationToken", parameters), "FederatedUser")


def _roles(wanted: Wanted, means: "Means", signer: Signer) -> Exchanged:
    if not wanted.role_arn:
        raise BadUsage("Name a role: its ARN, ACCOUNT/NAME or its name.")
    roles = _found_roles(wanted, signer)
    first = _assume(wanted, signer, roles[0], first=True, last=len(roles) == 1, more=_mfa(wanted, means))
    return _chain(replace(wanted, role_arn=roles), first, roles[1:])


def _chain(wanted: Wanted, found: Exchanged, roles: tuple[str, ...]) -> Exchanged:
    roles = role_arns(wanted.role_arn, partition=_partition(wanted))[1:] if roles else ()
    for position, role in enumerate(roles, 1):
        signer = Signer(credentials=found.credentials)
        step = _assume(wanted, signer, role, first=False, last=position == len(roles), more={})
        found = replace(step, issuer=found.issuer, subject=found.subject)
    return found


def _assume(
    wanted: Wanted, signer: Signer, role: str, *, first: bool, last: bool, more: Mapping[str, str]
) -> Exchanged:
    # Transitive tags must be set on the first role of the chain; other tags matter only on the last one.
    tagged = first if wanted.transitive_tags else last
    parameters: dict[str, Any] = {
        "RoleArn": role,
        "RoleSessionName": wanted.session_name or default_session_name(),
        "ExternalId": wanted.external_id,
        "SourceIdentity": wanted.source_identity if first else "",
        "Tags": _tags(wanted) if tagged else [],
        "TransitiveTagKeys": list(wanted.transitive_tags) if tagged else [],
        "DurationSeconds": wanted.duration if last else 0,
        **(_policies(wanted) if last else {}),
        **more,
    }
    return _exchanged(_call(wanted, signer, "AssumeRole", parameters), "AssumedRoleUser")


def _with_token(wanted: Wanted, means: "Means") -> Exchanged:
    token = means.proof
    if not token and wanted.token_file:
        token = read_token_file(wanted.token_file)
    if not token and wanted.token_command:
        token = run_for_text(wanted.token_command, "--token-command")
    if not token:
        raise SignInNeeded(f"Not signed in. Run `{login_command(wanted)}`.")
    only = len(wanted.role_arn) == 1
    parameters = {
        "RoleArn": first_role(wanted.role_arn, _partition(wanted)),
        "RoleSessionName": wanted.session_name or default_session_name(),
        "WebIdentityToken": token,
        **({"DurationSeconds": wanted.duration, **_policies(wanted)} if only else {}),
    }
    answer = _call(wanted, Signer(unsigned=True), "AssumeRoleWithWebIdentity", parameters)
    subject = printable(answer.get("SubjectFromWebIdentityToken", ""))
    return _exchanged(answer, "AssumedRoleUser", issuer=printable(answer.get("Provider", "")), subject=subject)


def _with_assertion(wanted: Wanted, means: "Means") -> Exchanged:
    if not means.proof:
        raise SignInNeeded(f"Not signed in. Run `{login_command(wanted)}`.")
    role = first_role(wanted.role_arn, _partition(wanted))
    only = len(wanted.role_arn) == 1
    parameters = {
        "RoleArn": role,
        "PrincipalArn": wanted.provider_arn or provider_for(means.proof, role),
        "SAMLAssertion": means.proof,
        **({"DurationSeconds": wanted.duration, **_policies(wanted)} if only else {}),
    }
    answer = _call(wanted, Signer(unsigned=True), "AssumeRoleWithSAML", parameters)
    issuer, subject = printable(answer.get("Issuer", "")), printable(answer.get("Subject", ""))
    return _exchanged(answer, "AssumedRoleUser", issuer=issuer, subject=subject)


def login_command(wanted: Wanted) -> str:
    """Return the sign-in command for this request."""
    suffix = f" --profile {wanted.profile}" if wanted.profile else ""
    return f"daypass login {wanted.method}{suffix}"


def _policies(wanted: Wanted) -> dict[str, Any]:
    return {"Policy": wanted.policy, "PolicyArns": [{"arn": arn} for arn in wanted.policy_arns]}


def _tags(wanted: Wanted) -> list[dict[str, str]]:
    pairs = [tag.partition("=") for tag in wanted.tags]
    if not all(key and sign for key, sign, _ in pairs):
        raise BadUsage("A tag must have the form KEY=VALUE.")
    return [{"Key": key, "Value": value} for key, _, value in pairs]


def default_session_name() -> str:
    """Return USER@HOST, which identifies the session in audit logs."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return session_name(user, socket.gethostname().partition(".")[0])
