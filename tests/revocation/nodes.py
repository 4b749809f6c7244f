"""Two servers with one store, called without sockets.

Signatures, pipeline, caches and store are real; the test sets the time. As on two machines, a write is not announced to
the other node, which checks the store once its cached values are 0.9 s old.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from tests.documents import allow, document, trusting
from tests.mint.old_tokens import seal_old

from daypass.audit.event import AuditRecord
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.bootstrap import NewAccountRequest, RootKey, create_account
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.delegation_entities import Notification
from daypass.directory.entities.iam_entities import AccessKey, User
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.organization import organization_changes as changes
from daypass.directory.revocations import revoke_key
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.mint.session import Session
from daypass.mint.tokens import open_session
from daypass.operations.registry import full_registry
from daypass.operations.settings import ServiceSettings
from daypass.pipeline import Pipeline
from daypass.regions import is_region_name
from daypass.storage.cache import StoreCache
from daypass.storage.change_queries import FRESH_SECONDS
from daypass.storage.master_key import MasterKeySource
from daypass.storage.views import BlockingView, OpenedStore
from daypass.testing.clock import MovableClock
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.catalog import Catalog
from daypass.wire.http import HttpRequest
from daypass.wiring import HOME_REGION, make_issuer_keys
from daypass.wiring_store import open_everything

CUSTOMER, PARTNER, MEMBER = "111122223333", "444455556666", "777788889999"
ROLES = ("one", "two")
ISSUER, AUDIENCE = "issuer.example", "sts.amazonaws.com"
TASK = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
ALL = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
_VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08"}


class CallRefusedError(Exception):
    """A refused call.

    The caller gets `code` and `message`; the audit event has `detail`.
    """

    def __init__(self, code: str, message: str, detail: str) -> None:
        super().__init__(code, message, detail)
        self.code, self.message, self.detail = code, message, detail


@dataclass(frozen=True)
class Key:
    """An access key, long-term or temporary."""

    key_id: str
    secret: str
    token: str = ""
    expires: datetime | None = None


class Node:
    """One server."""

    def __init__(self, there: OpenedStore) -> None:
        self._seconds = 1000.0
        self._store = there.store
        self._noticed = there.store.change_counter[0]
        self._cache = StoreCache(there.store, monotonic=lambda: self._seconds)
        config = Config(host="127.0.0.1", port=7878)
        keychain, settings = Keychain(there.vault), ServiceSettings(public_url="https://sts.example.org")
        issuers = make_issuer_keys(config, there.clock)
        self._face = BlockingView(there, self._cache.loading, keychain, settings, issuers, lambda _: True)
        self._last: AuditRecord | None = None
        self._pipeline = Pipeline(
            catalog=Catalog.load(),
            registry=full_registry(),
            keychain=keychain,
            is_region=is_region_name,
            home_region=HOME_REGION,
            now=there.clock.now,
            record=self._record,
            report_bug=_fail,
        )
        self._clock = there.clock

    def call(self, key: Key | None, action: str, service: str = "sts", **parameters: str) -> dict[str, Any]:
        """Make a call, and return the result. Raises CallRefusedError."""
        asked = {"Action": action, "Version": _VERSIONS[service], **parameters}
        request = _request(asked) if key is None else _signed(key, asked, service, self._clock.now())
        with self._unannounced():
            answer = self._pipeline.answer_at_last(request, "request", self._face)
        document = msgspec.json.decode(answer.body)
        assert self._last is not None
        if "Error" in document:
            fault = self._last.fault
            assert fault is not None
            raise CallRefusedError(document["Error"]["Code"], document["Error"].get("Message", ""), fault.detail or "")
        result: dict[str, Any] = document[f"{action}Response"].get(f"{action}Result", {})
        return result

    def issue(self, key: Key | None, action: str, **parameters: str) -> Key:
        """Make a call that returns credentials."""
        made = self.call(key, action, **parameters)["Credentials"]
        expires = datetime.fromtimestamp(made["Expiration"], UTC)
        return Key(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], expires)

    def is_alive(self, key: Key) -> bool:
        """Return whether a key is valid, with a call that no policy can deny."""
        try:
            self.call(key, "GetCallerIdentity")
        except CallRefusedError as refusal:
            if refusal.code != "InvalidClientTokenId":
                raise
            return False
        return True

    def let_pass(self, seconds: float = FRESH_SECONDS) -> None:
        """Advance the time until the node checks the store for changes."""
        self._seconds += seconds

    @contextmanager
    def _unannounced(self) -> Iterator[None]:
        # The change counter works within one machine. Here each node sees only its own writes.
        change_counter = cast("list[int]", self._store.change_counter)
        real, change_counter[0] = change_counter[0], self._noticed
        try:
            yield
        finally:
            self._noticed, change_counter[0] = change_counter[0], max(real, change_counter[0])

    def _record(self, record: AuditRecord) -> None:
        self._last = record


def _request(asked: Mapping[str, str], *headers: tuple[bytes, bytes]) -> HttpRequest:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    headers = (form, (b"accept", b"application/json"), *headers)
    return HttpRequest("POST", b"/", b"", headers, urlencode(asked).encode(), "192.0.2.1", secure=True)


def _signed(key: Key, asked: Mapping[str, str], service: str, now: datetime) -> HttpRequest:
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": "sts.example.org", "x-amz-date": stamp}
    if key.token:
        signed["x-amz-security-token"] = key.token
    names, lines = ";".join(signed), [f"{name}:{value}" for name, value in signed.items()]
    digest = sha256(urlencode(asked).encode()).hexdigest()
    canonical = "\n".join(["POST", "/", "", *lines, "", names, digest])
    scope = f"{stamp[:8]}/{HOME_REGION}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = signing_key(key.secret, stamp[:8], HOME_REGION, service).sign(to_sign.encode())
    credential = f"Credential={key.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers = {**signed, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
    return _request(asked, *((name.encode(), value.encode()) for name, value in headers.items()))


def _fail(_: str, bug: Exception) -> None:
    raise bug


class Scene:
    """Two nodes, a customer, its partner, a member account and an issuer.

    The customer has users and roles. The issuer issues web identity tokens.
    """

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.clock.freeze(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC))
        self.there = open_everything(Config(store="memory:"), MasterKeySource(), clock=self.clock)
        self.root = self._account(CUSTOMER, standing="management")
        self.partner = self._account(PARTNER, standing="standalone")
        self._account(MEMBER, standing="member")
        with self.there.store.write() as writer:
            changes.set_features(writer, frozenset({"RootCredentialsManagement"}))
        self.here, self.elsewhere = Node(self.there), Node(self.there)
        self._issuer = SigningKey.generate("ES256", "one")
        self._build_roles()
        template = document(allow("*"))
        made = self.here.call(self.partner, "CreatePolicy", "iam", PolicyName="setup", PolicyDocument=template)
        self.template: str = made["Policy"]["Arn"]
        self._requests, self._users = 0, 0
        self.settle()

    def _account(self, account: str, **more: Any) -> Key:
        with self.there.store.write() as writer:
            wanted = NewAccountRequest(account=account, **more)
            made: RootKey = create_account(
                writer, wanted, now=self.clock.now(), entropy=os.urandom, vault=self.there.vault
            )
        return Key(made.access_key_id, made.secret_access_key)

    def _build_roles(self) -> None:
        web = f"arn:aws:iam::{CUSTOMER}:oidc-provider/{ISSUER}"
        self.here.call(
            self.root,
            "CreateOpenIDConnectProvider",
            "iam",
            Url=f"https://{ISSUER}",
            **{"ClientIDList.member.1": AUDIENCE},
        )
        with self.there.store.write() as writer:
            provider = records.find(writer, OidcProvider, CUSTOMER, ISSUER)
            assert provider is not None
            keys = json.dumps({"keys": [self._issuer.jwk()]})
            records.replace(writer, msgspec.structs.replace(provider, pinned_keys=keys))
        statements = [
            {"Effect": "Allow", "Principal": {"AWS": CUSTOMER}, "Action": "sts:AssumeRole"},
            {
                "Effect": "Allow",
                "Principal": {"Federated": web},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE}},
            },
        ]
        trust = json.dumps({"Version": "2012-10-17", "Statement": statements})
        for name in ROLES:
            self._build_role(self.root, name, trust)
        self._build_role(self.partner, "bridge", document(trusting({"AWS": PARTNER})))

    def _build_role(self, owner: Key, name: str, trust: str) -> None:
        self.here.call(
            owner, "CreateRole", "iam", RoleName=name, AssumeRolePolicyDocument=trust, MaxSessionDuration="43200"
        )
        self.here.call(owner, "PutRolePolicy", "iam", RoleName=name, PolicyName="p", PolicyDocument=ALL)

    def settle(self) -> None:
        """Let both nodes see all writes."""
        for node in (self.here, self.elsewhere):
            node.let_pass()

    def new_user(self, *, of: Key | None = None) -> Key:
        """Create a user with all permissions, and return its key."""
        self._users += 1
        owner, name = of or self.root, f"user-{self._users}"
        self.here.call(owner, "CreateUser", "iam", UserName=name)
        self.here.call(owner, "PutUserPolicy", "iam", UserName=name, PolicyName="p", PolicyDocument=ALL)
        made = self.here.call(owner, "CreateAccessKey", "iam", UserName=name)["AccessKey"]
        self.settle()
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def name_of(self, key: Key) -> str:
        """Return the name of a user by its key."""
        name: str = self.here.call(key, "GetCallerIdentity")["Arn"].rpartition("/")[2]
        return name

    def set_status(self, key: Key, status: str) -> None:
        """Activate or deactivate the key of a user of the customer."""
        with self.there.store.read() as reader:
            stored = records.find_by_id(reader, AccessKey, key.key_id)
            assert stored is not None
            user = records.find_by_id(reader, User, stored.owner)
        assert user is not None
        self.here.call(self.root, "UpdateAccessKey", "iam", UserName=user.name, AccessKeyId=key.key_id, Status=status)
        self.settle()

    def assume(self, key: Key, role: str = "one", node: Node | None = None, **more: str) -> Key:
        """Assume a role of the customer, or the partner's role `bridge`."""
        arn = f"arn:aws:iam::{PARTNER if role == 'bridge' else CUSTOMER}:role/{role}"
        return (node or self.here).issue(key, "AssumeRole", RoleArn=arn, RoleSessionName="step", **more)

    def assume_root(self, key: Key) -> Key:
        """Assume the root user of the member account for one task."""
        return self.here.issue(key, "AssumeRoot", TargetPrincipal=MEMBER, **{"TaskPolicyArn.arn": TASK})

    def start_by_web_identity(self, role: str = "one") -> Key:
        """Start a role chain without an access key."""
        now = int(self.clock.now().timestamp())
        claims = {"iss": f"https://{ISSUER}", "sub": "ci", "aud": AUDIENCE, "iat": now, "exp": now + 300}
        token = compact({"alg": "ES256", "kid": "one"}, claims, self._issuer)
        arn = f"arn:aws:iam::{CUSTOMER}:role/{role}"
        return self.here.issue(
            None, "AssumeRoleWithWebIdentity", RoleArn=arn, RoleSessionName="ci", WebIdentityToken=token
        )

    def request(self, seconds: int = 3600) -> str:
        """Create a delegation request of the partner."""
        self._requests += 1
        made = self.here.call(
            self.partner,
            "CreateDelegationRequest",
            "iam",
            OwnerAccountId=CUSTOMER,
            Description="Set up.",
            RequestorWorkflowId=f"workflow-{self._requests}",
            NotificationChannel="https://partner.example/hook",
            SessionDuration=str(seconds),
            **{"Permissions.PolicyTemplateArn": self.template},
        )
        request: str = made["DelegationRequestId"]
        return request

    def accept(self, key: Key, request: str) -> None:
        """Associate a request with the caller, and accept it."""
        for action in ("AssociateDelegationRequest", "AcceptDelegationRequest"):
            self.here.call(key, action, "iam", DelegationRequestId=request)

    def send(self, key: Key, request: str) -> str:
        """Send the exchange token of an accepted request, and return the token."""
        self.here.call(key, "SendDelegationToken", "iam", DelegationRequestId=request)
        tokens = []
        with self.there.store.write() as writer:
            for record in writer.page("notice", "", limit=100):
                notification = records.to_entity(Notification, record)
                message = json.loads(self.there.vault.decrypt(notification.sealed_body, bound_to=notification.bound_to))
                if message["DelegationRequestId"] == request and "ExchangeToken" in message:
                    tokens.append(message["ExchangeToken"])
                records.delete(writer, notification)
        token: str = tokens[-1]
        return token

    def redeem(self, key: Key, token: str) -> Key:
        """Redeem an exchange token."""
        return self.here.issue(key, "GetDelegatedAccessToken", TradeInToken=token)

    def session(self, key: Key) -> Session:
        """Return the session inside a session token."""
        with self.there.store.read() as reader:
            sealing_ring = load_sealing_ring(reader, self.there.vault)
        return open_session(key.token, access_key_id=key.key_id, sealing_ring=sealing_ring)

    def as_old(self, key: Key) -> Key:
        """Return the session with a token as version 0.1.0 sealed it."""
        with self.there.store.read() as reader:
            sealing_ring = load_sealing_ring(reader, self.there.vault)
        now = int(self.clock.now().timestamp())
        return replace(key, token=seal_old(self.session(key), sealing_ring=sealing_ring, now=now, entropy=os.urandom))

    def revoke(self, *names: str, before: int | None = None) -> None:
        """Revoke keys or requests from a third machine.

        It does the same as the operators' command.
        """
        now = int(self.clock.now().timestamp())
        with self.there.store.write() as writer:
            for name in names:
                revoke_key(writer, name, before=now + 1 if before is None else before, now=now)
