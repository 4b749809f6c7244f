"""The calls of a soak, each with the answer that it must get.

Owns the experiment's users and role, and the mix. A client has a long-term key, the key of an administrator and the
last session that it got; each session has a new name, and some have a new session policy.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from bench.iam_subjects import VERSION as IAM_VERSION
from bench.iam_subjects import administrator
from bench.servers import Server
from bench.subjects import ROOT, Keys, Stage, policy, set_stage

_PEOPLE = 20
_STS_VERSION = "2011-06-15"
_EXTERNAL_ID = "bench-external-id"
_DENIED = b"<Code>AccessDenied</Code>"
_CREDENTIALS = re.compile(
    rb"<AccessKeyId>(?P<key_id>[^<]+)</AccessKeyId>\s*<SecretAccessKey>(?P<secret>[^<]+)</SecretAccessKey>"
    rb"\s*<SessionToken>(?P<token>[^<]+)</SessionToken>"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Its answer must have `status` and contain all of `markers`.

    `session` is the name of the session that the answer brings, and `only` the one user that the session may read.
    """

    name: str
    request: bytes
    markers: tuple[bytes, ...]
    status: int = 200
    is_signed: bool = True
    is_authenticated: bool = True
    session: str = ""
    only: int | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    keys: Keys
    name: str
    only: int | None


@dataclass(frozen=True, slots=True)
class SoakStage:
    """A server with the users and the role of the experiment."""

    stage: Stage
    administrator: Keys


def prepare(server: Server) -> SoakStage:
    """Create the users and the role. The role may read users."""
    stage = set_stage(server, ROOT)
    iam = stage.client("iam", ROOT)
    for number in range(_PEOPLE):
        iam.create_user(UserName=_person(number))
    iam.put_role_policy(RoleName="bench", PolicyName="own", PolicyDocument=policy("iam:GetUser"))
    return SoakStage(stage, administrator(stage))


def _person(number: int) -> str:
    return f"person-{number}"


class Mix:
    """The calls of one client. `number` is its own, so that names of clients differ."""

    def __init__(self, prepared: SoakStage, number: int) -> None:
        stage = prepared.stage
        self._stage = stage
        self._account = stage.caller_arn.split(":")[4]
        self._caller, self._caller_iam = stage.signer(), stage.signer(service="iam")
        self._forger = stage.signer(Keys(stage.caller.key_id, "x" * 40))
        self._admin = stage.signer(prepared.administrator, "iam")
        self._number, self._names = number, count()
        self._random = random.Random(number)  # noqa: S311 - the order of calls, the same in each run
        self._session: _Session | None = None
        self._created = ""
        weighted: Mapping[Callable[[], Call], int] = {
            self._own_identity: 25,
            self._new_session: 15,
            self._narrow_session: 10,
            self._session_call: 25,
            self._wrong_external_id: 4,
            self._without_permission: 4,
            self._wrong_signature: 1,
            self._read: 10,
            self._write: 2,
            self._page: 4,
        }
        self._makers, self._weights = list(weighted), list(weighted.values())

    def next(self) -> Call:
        """Return the next call."""
        return self._random.choices(self._makers, self._weights)[0]()

    def learn(self, call: Call, answer: bytes) -> None:
        """Keep the session of a right answer."""
        if call.session and (found := _CREDENTIALS.search(answer)):
            values = {name: value.decode() for name, value in found.groupdict().items()}
            self._session = _Session(Keys(**values), call.session, call.only)

    def _own_identity(self) -> Call:
        marker = f"<Arn>{self._stage.caller_arn}</Arn>".encode()
        return Call("identity", self._caller.sign(_sts("GetCallerIdentity")), (marker,))

    def _new_session(self) -> Call:
        return self._assume("assume", {}, None)

    def _narrow_session(self) -> Call:
        only = self._random.randrange(_PEOPLE)
        # The resource that does not exist makes each policy a new one.
        resources = [self._user_arn(_person(only)), self._user_arn(f"absent-{self._number}-{next(self._names)}")]
        return self._assume("narrow", {"Policy": _allow_get_user(resources)}, only)

    def _assume(self, name: str, more: Mapping[str, str], only: int | None) -> Call:
        session = f"soak-{self._number}-{next(self._names)}"
        request = self._caller.sign({**self._assume_parameters(session, _EXTERNAL_ID), **more})
        markers = (b"<AccessKeyId>ASIA", f"<Arn>{self._session_arn(session)}</Arn>".encode())
        return Call(name, request, markers, session=session, only=only)

    def _session_call(self) -> Call:
        """Ask who the session is, or read a user, which its policies allow or deny."""
        if self._session is None:
            return self._new_session()
        session, person = self._session, self._random.randrange(_PEOPLE)
        arn = self._session_arn(session.name)
        if self._random.random() < 0.5:
            request = self._stage.signer(session.keys).sign(_sts("GetCallerIdentity"))
            return Call("session", request, (f"<Arn>{arn}</Arn>".encode(),))
        if session.only is not None and self._random.random() < 0.5:
            person = session.only
        request = self._stage.signer(session.keys, "iam").sign(_iam("GetUser", UserName=_person(person)))
        if session.only in {None, person}:
            return Call("session read", request, (f"<Arn>{self._user_arn(_person(person))}</Arn>".encode(),))
        return Call("session denied", request, (_DENIED, arn.encode()), 403)

    def _wrong_external_id(self) -> Call:
        parameters = self._assume_parameters(f"soak-{next(self._names)}", "another-external-id")
        markers = (_DENIED, self._stage.caller_arn.encode())
        return Call("assume denied", self._caller.sign(parameters), markers, 403)

    def _without_permission(self) -> Call:
        markers = (_DENIED, self._stage.caller_arn.encode())
        return Call("read denied", self._caller_iam.sign(_iam("ListUsers")), markers, 403)

    def _wrong_signature(self) -> Call:
        request, marker = self._forger.sign(_sts("GetCallerIdentity")), b"<Code>SignatureDoesNotMatch</Code>"
        return Call("wrong signature", request, (marker,), 403, is_authenticated=False)

    def _read(self) -> Call:
        person = _person(self._random.randrange(_PEOPLE))
        parameters, arn = self._random.choice(
            [
                (_iam("GetUser", UserName=person), self._user_arn(person)),
                (_iam("GetRole", RoleName="bench"), self._stage.role_arn),
                (_iam("ListUsers"), self._user_arn(person)),
            ]
        )
        return Call("read", self._admin.sign(parameters), (f"<Arn>{arn}</Arn>".encode(),))

    def _write(self) -> Call:
        """Create a user, or delete the one that was created before: the store keeps its size."""
        if self._created:
            user, self._created = self._created, ""
            return Call("write", self._admin.sign(_iam("DeleteUser", UserName=user)), (b"<DeleteUserResponse ",))
        self._created = f"soak-{self._number}-{next(self._names)}"
        marker = f"<Arn>{self._user_arn(self._created)}</Arn>".encode()
        return Call("write", self._admin.sign(_iam("CreateUser", UserName=self._created)), (marker,))

    def _page(self) -> Call:
        path, marker = self._random.choice([("/healthz", b"ok\n"), ("/login", b"<!doctype html>")])
        host = f"127.0.0.1:{self._stage.server.port}"
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: daypass-soak\r\n\r\n"
        return Call(path, request.encode(), (marker,), is_signed=False)

    def _assume_parameters(self, session: str, external_id: str) -> dict[str, str]:
        named = {"RoleArn": self._stage.role_arn, "RoleSessionName": session, "ExternalId": external_id}
        return _sts("AssumeRole") | named

    def _session_arn(self, session: str) -> str:
        return f"arn:aws:sts::{self._account}:assumed-role/bench/{session}"

    def _user_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self._account}:user/{name}"


def _sts(action: str) -> dict[str, str]:
    return {"Action": action, "Version": _STS_VERSION}


def _iam(action: str, **parameters: str) -> dict[str, str]:
    return {"Action": action, "Version": IAM_VERSION, **parameters}


def _allow_get_user(resources: list[str]) -> str:
    statement = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
