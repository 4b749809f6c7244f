"""An authenticator app and its users: written from RFC 6238, without code of Daypass."""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from tests.documents import allow, document

from daypass.testing.clock import MovableClock
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

ALLOW_ALL = document(allow("*"))


@dataclass(frozen=True)
class Authenticator:
    """An app with a seed and a clock."""

    serial: str
    seed: bytes
    clock: MovableClock

    def code(self, steps: int = 0) -> str:
        """Return the current code, or that of a number of steps of thirty seconds later."""
        counter = int(self.clock.now().timestamp()) // 30 + steps
        digest = hmac.new(self.seed, struct.pack(">Q", counter), hashlib.sha1).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"

    def wrong(self) -> str:
        """Return a code that fits no step near the present."""
        near = {self.code(steps) for steps in range(-130, 131)}
        return next(code for code in (f"{number:06d}" for number in range(10**6)) if code not in near)


@dataclass(frozen=True)
class User:
    """A user with a key."""

    name: str
    key: Any


def new_user(iam: Any, name: str, policy: str | None = ALLOW_ALL) -> User:
    """Create a user with an access key, and with an inline policy if given."""
    iam.create_user(UserName=name)
    if policy is not None:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    return User(name, iam.create_access_key(UserName=name)["AccessKey"])


def new_device(iam: Any, clock: MovableClock, name: str) -> Authenticator:
    """Create a virtual device and enter its seed into an app."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
    return Authenticator(made["SerialNumber"], base64.b32decode(made["Base32StringSeed"]), clock)


def enrol(iam: Any, app: Authenticator, user: str) -> None:
    """Enable a device for a user with the last two codes, then let their steps pass."""
    iam.enable_mfa_device(
        UserName=user,
        SerialNumber=app.serial,
        AuthenticationCode1=app.code(-1),
        AuthenticationCode2=app.code(),
    )


def loose_client(server: RunningServer, key: Any) -> Any:
    """Return an STS client that does not validate its parameters."""
    return boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


def who(client: ClientFactory, credentials: Any) -> str:
    """Return the ARN of credentials."""
    arn: str = client("sts", credentials).get_caller_identity()["Arn"]
    return arn
