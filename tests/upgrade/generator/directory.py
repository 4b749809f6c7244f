"""Fill the old directory with applied and imported files, and with API calls.

Owns the running server of the old version, the calls, and the records of each session and secret.
"""

import base64
import json
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from click.testing import CliRunner
from tests.portal.command import Command
from tests.sts.authenticator import Authenticator, enrol, new_device
from tests.upgrade.generator.identity import (
    ADMINISTRATOR,
    CI_KEY,
    HOOK,
    IMPORTED,
    ISSUER,
    MANAGER,
    MASTER_KEY,
    MEMBER,
    PARTNER,
    ROOTS,
    SECRETS,
    Keys,
    allow,
    iam_arn,
    policy,
)

from daypass.cli.main import cli
from daypass.directory import records
from daypass.directory.organization import organization_changes as changes
from daypass.directory.records import kinds_by_name
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import Encryption
from daypass.testing.server import RunningServer

PROBES = ("iam.list_users", "iam.list_roles", "iam.get_account_summary", "sts.get_session_token")
_TEMPLATE = policy(allow("iam:CreateUser", "arn:aws:iam::*:user/@{userPath}/*"), allow(["iam:ListUsers", "sts:*"]))


def probe(as_caller: Any, keys: Any, action: str) -> str:
    """Return the result of one call: `ok`, or the code of its refusal."""
    service, _, name = action.partition(".")
    try:
        getattr(as_caller(service, keys), name)()
    except ClientError as refusal:
        return str(refusal.response["Error"]["Code"])
    return "ok"


class Scene:
    """The running server, and all recorded data."""

    def __init__(self, server: RunningServer, keys: Keys, folder: Path) -> None:
        # Its public name does not resolve; calls go to its listening address.
        self.server = replace(server, url=f"http://127.0.0.1:{server.config.port}")
        self.keys, self.folder = keys, folder
        self.as_caller = client_factory(self.server)
        self.roots = {
            account: {"AccessKeyId": ROOTS[account], "SecretAccessKey": SECRETS[name]}
            for account, name in ((MANAGER, "ROOT_MANAGER"), (MEMBER, "ROOT_MEMBER"))
        }
        root = server.root
        self.roots[PARTNER] = {"AccessKeyId": root.access_key_id, "SecretAccessKey": root.secret_access_key}
        self.ci = {"AccessKeyId": CI_KEY, "SecretAccessKey": SECRETS["CI_SECRET"]}
        self.sessions: dict[str, Any] = {}
        self.more: dict[str, Any] = {}
        config = BotoConfig(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        self.unsigned = boto3.client("sts", endpoint_url=self.server.url, region_name="us-east-1", config=config)

    @property
    def iam(self) -> Any:
        """Return a client of the member account's root user."""
        return self.as_caller("iam", self.roots[MEMBER])

    @property
    def secrets(self) -> dict[str, str]:
        """Return the secrets of the identity file."""
        return {**SECRETS, "IDP_KEY": self.keys.opens.pem}

    def command(self, *words: str) -> str:
        """Run an operators' command beside the server."""
        secrets = {f"DAYPASS_SECRET_{name}": value for name, value in self.secrets.items()}
        given = {**secrets, "DAYPASS_MASTER_KEY": MASTER_KEY}
        done = CliRunner().invoke(cli, [*words, "--store", self.server.config.store], env=given)
        if done.exit_code:
            raise RuntimeError(f"{words}: {done.output}")
        return done.stdout

    def record(self, name: str, answer: Any) -> Any:
        """Record a session's keys with its present permissions."""
        credentials = answer["Credentials"]
        keys = {name: credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        who = self.as_caller("sts", keys).get_caller_identity()
        self.sessions[name] = {
            "keys": keys,
            "expires": credentials["Expiration"].isoformat(),
            "arn": who["Arn"],
            "user_id": who["UserId"],
            "rights": {action: probe(self.as_caller, keys, action) for action in PROBES},
        }
        return keys

    def move(self, **by: float) -> None:
        """Move the clock."""
        self.server.clock.move(timedelta(**by))

    def saml_response(self, *roles: str, encrypted: bool = False) -> str:
        """Return a response of the workforce's provider."""
        provider = iam_arn("saml-provider", "idp")
        assertion = Assertion(roles=tuple(f"{iam_arn('role', role)},{provider}" for role in roles))
        how = Encryption(self.keys.opens_publicly) if encrypted else None
        return self.keys.saml.response(assertion, now=self.server.clock.now(), encryption=how)


def furnish(scene: Scene) -> None:
    """Apply the identity file, import the account, and create entities that files cannot describe."""
    scene.command("apply", str(scene.folder / "identity.yaml"))
    scene.command("import", str(scene.folder / "account-details.json"), "--account", IMPORTED, "--rewrite")
    with scene.server.there.store.write() as writer:
        changes.set_features(writer, {"RootCredentialsManagement", "RootSessions"})
        changes.set_delegate(writer, MEMBER)
    iam = scene.iam
    version = {"PolicyArn": iam_arn("policy", "edge"), "PolicyDocument": json.dumps(policy(allow("*")))}
    iam.create_policy_version(**version)
    iam.create_instance_profile(InstanceProfileName="machine", Path="/ops/", Tags=[{"Key": "a", "Value": "b"}])
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="deploy")
    linked = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]["RoleName"]
    scene.more["deletion_task"] = iam.delete_service_linked_role(RoleName=linked)["DeletionTaskId"]
    iam.create_service_linked_role(AWSServiceName="lex.amazonaws.com")
    iam.generate_credential_report()
    scene.command("saml", "rotate-key")
    scene.more["outbound_issuer"] = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]


def enrol_devices(scene: Scene) -> tuple[Any, Authenticator]:
    """Give devices to two users and leave one unassigned.

    Return a user's key and device.
    """
    clock = scene.server.clock
    devices = {name: new_device(scene.iam, clock, name) for name in ("phone", "safe", "spare")}
    enrol(scene.iam, devices["phone"], "alice")
    enrol(scene.iam, devices["safe"], "bob")
    scene.more["devices"] = {
        name: {"serial": each.serial, "seed": base64.b32encode(each.seed).decode()} for name, each in devices.items()
    }
    for name in ("alice", "bob"):
        made = scene.iam.create_access_key(UserName=name)["AccessKey"]
        scene.more[name] = {part: made[part] for part in ("AccessKeyId", "SecretAccessKey")}
    scene.move(minutes=2)
    return scene.more["alice"], devices["phone"]


def open_sessions(scene: Scene) -> None:
    """Create a session of every kind except delegated ones."""
    alice, phone = enrol_devices(scene)
    sts = scene.as_caller("sts", scene.ci)
    scene.record("session token", sts.get_session_token(DurationSeconds=129_600))
    mfa = {"SerialNumber": phone.serial, "TokenCode": phone.code()}
    scene.record("session token with mfa", scene.as_caller("sts", alice).get_session_token(**mfa))
    scene.record("root", scene.as_caller("sts", scene.roots[MEMBER]).get_session_token(DurationSeconds=3600))
    federation = {"Name": "guest", "Policy": json.dumps(policy(allow("iam:ListUsers"))), "DurationSeconds": 7200}
    scene.record("federation", sts.get_federation_token(**federation, Tags=[{"Key": "t", "Value": "v"}]))
    deploy = {"RoleArn": iam_arn("role", "ops/deploy"), "RoleSessionName": "monday", "DurationSeconds": 43_200}
    role = sts.assume_role(
        **deploy,
        Tags=[{"Key": "team", "Value": "blue"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="alice",
    )
    role_keys = scene.record("role", role)
    limited = {"PolicyArns": [{"arn": ADMINISTRATOR}], "Policy": json.dumps(policy(allow("iam:ListUsers")))}
    scene.record("role with session policies", sts.assume_role(**deploy, **limited))
    scene.command("keys", "rotate")
    scene.move(minutes=2)  # From here on the second sealing key seals.
    second = {"RoleArn": iam_arn("role", "second"), "RoleSessionName": "tuesday"}
    scene.record("chained role", scene.as_caller("sts", role_keys).assume_role(**second))
    provider = iam_arn("saml-provider", "idp")
    people = {"RoleArn": iam_arn("role", "people"), "PrincipalArn": provider}
    redeem = scene.unsigned.assume_role_with_saml
    scene.record("saml", redeem(**people, SAMLAssertion=scene.saml_response("people", encrypted=True)))
    token = scene.keys.token(scene.server.clock.now())
    pipeline = {"RoleArn": iam_arn("role", "pipeline"), "RoleSessionName": "build-1", "WebIdentityToken": token}
    scene.record("web identity", scene.unsigned.assume_role_with_web_identity(**pipeline))
    task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
    chief = scene.as_caller("iam", scene.roots[MANAGER]).create_access_key(UserName="chief")["AccessKey"]
    assume_root = scene.as_caller("sts", chief).assume_root
    scene.record("assume root", assume_root(TargetPrincipal=MEMBER, TaskPolicyArn={"arn": task}))


def delegate(scene: Scene) -> None:
    """Create delegation requests in every state: one redeemed, one with a waiting token."""
    partner = scene.as_caller("iam", scene.roots[PARTNER])
    template = partner.create_policy(PolicyName="setup", PolicyDocument=json.dumps(_TEMPLATE))["Policy"]["Arn"]

    def request(workflow: str, **more: Any) -> str:
        parameter = {"Name": "userPath", "Values": ["monitoring"], "Type": "string"}
        answer = partner.create_delegation_request(
            Description="Set up the monitoring.",
            Permissions={"PolicyTemplateArn": template, "Parameters": [parameter]},
            RequestorWorkflowId=workflow,
            NotificationChannel=HOOK,
            SessionDuration=7200,
            **more,
        )
        return str(answer["DelegationRequestId"])

    iam, mine = scene.iam, {"OwnerAccountId": MEMBER}
    states = ("ASSIGNED", "PENDING_APPROVAL", "ACCEPTED", "FINALIZED", "REDEEMED", "REJECTED")
    found = {state: request(state.lower(), **mine) for state in states}
    scene.more["requests"] = {**found, "UNASSIGNED": request("unassigned")}
    for each in found.values():
        iam.associate_delegation_request(DelegationRequestId=each)
    iam.update_delegation_request(DelegationRequestId=found["PENDING_APPROVAL"], Notes="please look")
    iam.reject_delegation_request(DelegationRequestId=found["REJECTED"], Notes="no")
    iam.accept_delegation_request(DelegationRequestId=found["ACCEPTED"])
    role = scene.as_caller("iam", scene.sessions["role"]["keys"])
    tokens = {
        "FINALIZED": _finalize(scene, iam, found["FINALIZED"]),
        "REDEEMED": _finalize(scene, iam, found["REDEEMED"]),
        "BY_ROLE": _finalize(scene, role, request("by-role", **mine)),
    }
    redeem = scene.as_caller("sts", scene.roots[PARTNER]).get_delegated_access_token
    scene.record("delegated", redeem(TradeInToken=tokens["REDEEMED"]))
    scene.record("delegated by a role", redeem(TradeInToken=tokens["BY_ROLE"]))
    scene.more["trade_in_tokens"] = tokens


def _finalize(scene: Scene, approver: Any, request: str) -> str:
    """Take a request on, accept it and send its token, which is returned."""
    with suppress(ClientError):  # It may have an owner already.
        approver.associate_delegation_request(DelegationRequestId=request)
    approver.accept_delegation_request(DelegationRequestId=request)
    approver.send_delegation_token(DelegationRequestId=request)
    return _queued_token(scene, request)


def _queued_token(scene: Scene, request: str) -> str:
    """Return the exchange token of a waiting notification: its webhook cannot be reached."""
    type_: Any = kinds_by_name()["notice"]
    with scene.server.there.store.read() as reader:
        notices = [records.to_entity(type_, record) for record in reader.page("notice", "", limit=1000)]
    for notice in notices:
        message = json.loads(scene.server.there.vault.decrypt(notice.sealed_body, bound_to=notice.bound_to))
        if message["DelegationRequestId"] == request and "ExchangeToken" in message:
            return str(message["ExchangeToken"])
    raise LookupError(request)


def revoke(scene: Scene) -> None:
    """End a session by its issuing key, and one by its role."""
    iam = scene.iam
    iam.create_user(UserName="leaked")
    iam.put_user_policy(UserName="leaked", PolicyName="own", PolicyDocument=json.dumps(policy(allow("*"))))
    leaked = iam.create_access_key(UserName="leaked")["AccessKey"]
    scene.record("revoked", scene.as_caller("sts", leaked).get_session_token())
    scene.move(seconds=2)
    before = scene.server.clock.now().isoformat()
    scene.command("sessions", "revoke", "--access-key", leaked["AccessKeyId"], "--issued-before", before)
    scene.command("sessions", "revoke", "--role", "people-too", "--account", MEMBER, "--issued-before", before)


def leave_pending(scene: Scene) -> None:
    """Leave pending items: a choice of role, a CLI sign-in, a list marker, a denial's message."""
    fields = urllib.parse.urlencode({"SAMLResponse": scene.saml_response("people", "people-too")}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{scene.server.url}/saml", fields, {"Accept": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        offered = json.load(answer)
        cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie")]
    scene.more["sign_in"] = {"handle": offered["Handle"], "cookie": "; ".join(cookies)}
    waiting = Command(scene.server.url, "device")
    scene.more["handover"] = {"handover": waiting.begun["handover"], "code_verifier": waiting.verifier}
    scene.more["marker"] = scene.iam.list_users(MaxItems=1)["Marker"]
    try:
        scene.as_caller("iam", scene.ci).create_user(UserName="nobody")
    except ClientError as denied:
        message = denied.response["ResponseMetadata"]["HTTPHeaders"]["x-daypass-authorization-message"]
    decode = scene.as_caller("sts", scene.roots[MEMBER]).decode_authorization_message
    scene.more["denial"] = {
        "encoded": message,
        "decoded": json.loads(decode(EncodedMessage=message)["DecodedMessage"]),
    }
    web = scene.as_caller("sts", scene.sessions["role"]["keys"])
    outbound = web.get_web_identity_token(Audience=["https://api.example"], SigningAlgorithm="ES384")
    scene.more["web_identity_token"] = outbound["WebIdentityToken"]
    scene.more["issuer_key"] = scene.keys.issuer.pem.decode()
    scene.more["issuer"] = ISSUER
    scene.more["idp_key"] = scene.keys.idp.pem
    scene.more["idp_certificate"] = scene.keys.idp.encoded
    scene.more["encryption_certificate"] = scene.keys.opens.encoded
