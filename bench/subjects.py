"""What is measured over HTTP: each subject is a server, the signed requests sent to it and the answer wanted.

Owns the experiment's users, roles and policies. They are made through boto3, as anybody would, in Daypass and
in moto alike. An SDK never sends a request twice, and each session has a new name. So calls with a name are signed
anew for each round, and calls without one have more signatures than a server remembers. Only `assume_role_repeated`
sends the same few bytes again.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import boto3
from bench.servers import Measured, Server
from bench.signed import Signer

_VARIANTS = 256  # requests of the subject that repeats them
_SIGNATURES = 8_192  # of a call without a name, far more than a server may remember
_VERSION = "2011-06-15"
_EXTERNAL_ID = "bench-external-id"
_TAGS = 50
_MOST = 1_000_000
SIDE = 0.25
"""The share of a round's length for subjects without a bar on a ratio: they need less precision."""


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key of the experiment, with the session token of temporary credentials."""

    key_id: str
    secret: str
    token: str = ""


ROOT = Keys("AKIADAYPASSBENCHROOT", "bench/only/secret/of/forty/characters/00")
ROOT_ENVIRONMENT: Mapping[str, str] = {
    "DAYPASS_UNSIGNED_CALLS_PER_MINUTE": "0",  # no limit: the load comes from one peer
    "DAYPASS_CONNECTIONS_PER_PEER": "2000",  # the same, for the subjects with 1,000 connections
    "DAYPASS_ROOT_ACCOUNT_ID": "111122223333",
    "DAYPASS_ROOT_ACCESS_KEY_ID": ROOT.key_id,
    "DAYPASS_ROOT_SECRET_ACCESS_KEY": ROOT.secret,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure.

    `requests` are sent again and again. With `fresh`, which returns so many new requests, no request is sent twice;
    `most` limits the requests of a round. `share` is the length of its rounds as a share of a full one, `connections`
    is 0 for the usual number.
    """

    name: str
    server: Measured
    requests: tuple[bytes, ...]
    marker: bytes
    status: int = 200
    fresh: Callable[[int], Iterable[bytes]] | None = None
    most: int = _MOST
    share: float = 1.0
    connections: int = 0
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """The user that calls and the role that is assumed, on one server."""

    server: Measured
    admin: Keys
    caller: Keys
    caller_arn: str
    role_arn: str
    ca: str = ""

    def signer(self, keys: Keys | None = None, service: str = "sts") -> Signer:
        """Return a signer of requests to the server, as the caller or with other keys."""
        used = keys or self.caller
        return Signer(key_id=used.key_id, secret=used.secret, token=used.token, port=self.server.port, service=service)

    def client(self, service: str, keys: Keys) -> Any:
        """Return a boto3 client."""
        return client(service, self.server.port, keys, ca=self.ca)

    def new_session(self, role_arn: str) -> Keys:
        """Return the keys of a session of a role that trusts the caller."""
        sts = self.client("sts", self.caller)
        made = sts.assume_role(RoleArn=role_arn, RoleSessionName="bench", ExternalId=_EXTERNAL_ID)["Credentials"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def client(service: str, port: int, keys: Keys, *, ca: str = "") -> Any:
    """Return a boto3 client for a server on loopback. With TLS, `ca` is the file with its authority."""
    return boto3.client(
        service,
        endpoint_url=f"{'https' if ca else 'http'}://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=keys.key_id,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token or None,
        verify=ca or None,
    )


def set_stage(server: Server, admin: Keys, *, ca: str = "", has_conditions: bool = True) -> Stage:
    """Create a user with a key and a role that trusts it, under two conditions."""
    iam = client("iam", server.port, admin, ca=ca)
    user_arn: str = iam.create_user(UserName="bench")["User"]["Arn"]
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    trust = trust_of(user_arn, has_conditions=has_conditions)
    role_arn: str = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    keys = Keys(key["AccessKeyId"], key["SecretAccessKey"])
    return Stage(server, admin, keys, user_arn, role_arn, ca)


def trust_of(user_arn: str, *, has_conditions: bool = True) -> str:
    """Return the trust policy of the roles of the experiment: one user, under two conditions."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    if has_conditions:
        statement["Condition"] = {
            "StringEquals": {"sts:ExternalId": _EXTERNAL_ID},
            "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]},
        }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(*actions: str) -> str:
    """Return a policy that allows actions on every resource."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def get_caller_identity(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the subject that asks who it is. The answer must name the caller."""
    marker = f"<Arn>{stage.caller_arn}</Arn>".encode()
    return _identity_subject(name, stage, stage.signer(), marker, more)


def get_caller_identity_session(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the same with a session token. The answer must name the session."""
    signer = stage.signer(stage.new_session(stage.role_arn))
    return _identity_subject(name, stage, signer, b":assumed-role/bench/bench</Arn>", more)


def _identity_subject(name: str, stage: Stage, signer: Signer, marker: bytes, more: Mapping[str, Any]) -> Subject:
    asked = {"Action": "GetCallerIdentity", "Version": _VERSION}
    requests = tuple(signer.sign(asked) for _ in range(_SIGNATURES))
    return Subject(name, stage.server, requests, marker, tls=bool(stage.ca), **more)


def assume_role(name: str, stage: Stage, *, parameters: Mapping[str, str] | None = None, **more: Any) -> Subject:
    """Return the subject that assumes the role. The answer must hold temporary credentials.

    Each request has a session name that was never used before.
    """
    signer, names = stage.signer(), count()
    asked = {**_assume_role_of(stage.role_arn), **(parameters or {})}

    def fresh(number: int) -> Iterable[bytes]:
        return (signer.sign({**asked, "RoleSessionName": f"bench-{next(names)}"}) for _ in range(number))

    marker = {"marker": b"<AccessKeyId>ASIA", **more}
    return Subject(name, stage.server, (), fresh=fresh, tls=bool(stage.ca), **marker)


def _assume_role_of(role_arn: str) -> dict[str, str]:
    return {"Action": "AssumeRole", "Version": _VERSION, "RoleArn": role_arn, "ExternalId": _EXTERNAL_ID}


def assume_role_repeated(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the subject that repeats requests, which a server may remember. No SDK does so."""
    signer = stage.signer()
    requests = tuple(
        signer.sign({**_assume_role_of(stage.role_arn), "RoleSessionName": f"again-{number}"})
        for number in range(_VARIANTS)
    )
    return Subject(name, stage.server, requests, b"<AccessKeyId>ASIA", tls=bool(stage.ca), **more)


def assume_role_denied(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the subject whose external id is wrong. The answer must be a refusal."""
    wrong = {"ExternalId": "another-external-id"}
    return assume_role(name, stage, parameters=wrong, marker=b"<Code>AccessDenied", status=403, **more)


def assume_role_tagged(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the subject with the greatest number of session tags."""
    tags = {}
    for number in range(1, _TAGS + 1):
        tags[f"Tags.member.{number}.Key"] = f"k{number}"
        tags[f"Tags.member.{number}.Value"] = "v"
    return assume_role(name, stage, parameters=tags, **more)


def get_scoped_credentials(name: str, stage: Stage, **more: Any) -> Subject:
    """Return the subject that narrows a session of a role by a policy. The answer must say that it has one."""
    iam = stage.client("iam", stage.admin)
    trust, rights = trust_of(stage.caller_arn), policy("sts:GetScopedCredentials")
    role = iam.create_role(RoleName="bench-scoped", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="bench-scoped", PolicyName="own", PolicyDocument=rights)
    signer = stage.signer(stage.new_session(role))
    asked = {
        "Action": "GetScopedCredentials",
        "Version": _VERSION,
        "Policy": policy("s3:GetObject"),
        "DurationSeconds": "600",
    }

    def fresh(number: int) -> Iterable[bytes]:
        return (signer.sign(asked) for _ in range(number))

    return Subject(name, stage.server, (), b"<ScopedPoliciesCount>1<", fresh=fresh, **more)


def empty(server: Server, like: Subject) -> Subject:
    """Return the bare server's subject: the same bytes as `like`, which it does not look at."""
    return Subject("bare", server, like.requests, b"ok")
