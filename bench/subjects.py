"""What is measured over HTTP: each subject is a server, the signed requests sent to it and the answer wanted.

Owns the experiment's users, roles and policies. They are made through boto3, as anybody would, in Daypass and
in moto alike.
"""

import json
from dataclasses import dataclass

import boto3
from bench.servers import Measured, Server
from bench.signed import sign

# Requests signed for each subject, and sent in turn.
_VARIANTS = 256
NEW_NAMES = 8_192  # requests that are repeated so late that they are as good as new
_VERSION = "2011-06-15"
_EXTERNAL_ID = "bench-external-id"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key of the experiment."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure."""

    name: str
    server: Measured
    requests: tuple[bytes, ...]
    marker: bytes


@dataclass(frozen=True, slots=True)
class Stage:
    """The user that calls and the role that is assumed, on one server."""

    server: Server
    caller: Keys
    caller_arn: str
    role_arn: str

    def signed(self, parameters: dict[str, str]) -> bytes:
        """Return a request of the caller."""
        return sign(parameters, key_id=self.caller.key_id, secret=self.caller.secret, port=self.server.port)


def set_stage(server: Server, admin: Keys) -> Stage:
    """Create a user with a key and a role that trusts it under two conditions."""
    iam = boto3.client(
        "iam",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id=admin.key_id,
        aws_secret_access_key=admin.secret,
    )
    user_arn: str = iam.create_user(UserName="bench")["User"]["Arn"]
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    trust = _trust_of(user_arn)
    role_arn: str = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return Stage(server, Keys(key["AccessKeyId"], key["SecretAccessKey"]), user_arn, role_arn)


def _trust_of(user_arn: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"sts:ExternalId": _EXTERNAL_ID},
            "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def get_caller_identity(name: str, stage: Stage) -> Subject:
    """Return the subject that asks who it is. The answer must name the caller."""
    requests = (stage.signed({"Action": "GetCallerIdentity", "Version": _VERSION}) for _ in range(_VARIANTS))
    return Subject(name, stage.server, tuple(requests), f"<Arn>{stage.caller_arn}</Arn>".encode())


def assume_role(name: str, stage: Stage, *, variants: int = _VARIANTS) -> Subject:
    """Return the subject that assumes the role. The answer must hold temporary credentials.

    Each variant has another session name. A server that keeps parsed requests keeps fewer than NEW_NAMES.
    """
    requests = (
        stage.signed(
            {
                "Action": "AssumeRole",
                "Version": _VERSION,
                "RoleArn": stage.role_arn,
                "RoleSessionName": f"bench-{number}",
                "ExternalId": _EXTERNAL_ID,
            }
        )
        for number in range(variants)
    )
    return Subject(name, stage.server, tuple(requests), b"<AccessKeyId>ASIA")


def get_scoped_credentials(name: str, stage: Stage, admin: Keys) -> Subject:
    """Return the subject that narrows a session of a role by a policy. The answer must say that it has one."""
    place = {"endpoint_url": f"http://127.0.0.1:{stage.server.port}", "region_name": "us-east-1"}
    iam = boto3.client("iam", aws_access_key_id=admin.key_id, aws_secret_access_key=admin.secret, **place)
    caller = stage.caller
    sts = boto3.client("sts", aws_access_key_id=caller.key_id, aws_secret_access_key=caller.secret, **place)
    trust, rights = _trust_of(stage.caller_arn), _policy("sts:GetScopedCredentials")
    role = iam.create_role(RoleName="bench-scoped", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="bench-scoped", PolicyName="own", PolicyDocument=rights)
    key = sts.assume_role(RoleArn=role, RoleSessionName="bench", ExternalId=_EXTERNAL_ID)["Credentials"]
    parameters = {
        "Action": "GetScopedCredentials",
        "Version": _VERSION,
        "Policy": _policy("s3:GetObject"),
        "DurationSeconds": "600",
    }
    requests = (
        sign(
            parameters,
            key_id=key["AccessKeyId"],
            secret=key["SecretAccessKey"],
            token=key["SessionToken"],
            port=stage.server.port,
        )
        for _ in range(_VARIANTS)
    )
    return Subject(name, stage.server, tuple(requests), b"<ScopedPoliciesCount>1<")


def _policy(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def empty(server: Server, like: Subject) -> Subject:
    """Return the bare server's subject: the same bytes as `like`, which it does not look at."""
    return Subject("bare", server, like.requests, b"ok")
