"""A request with a member that its operation does not read is refused by name, without any effect."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.documents import deny, document, trusting
from tests.http.raw import FORM, send, signed
from tests.refusals import refused

from daypass.operations.declared import IGNORED_MEMBERS, REFUSED_MEMBERS
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.wire.model import SERVICES, ServiceModel, load_service

MODELS = {service: load_service(service) for service in SERVICES}
NEW = "NewMember"
TRUST = document(trusting({"AWS": "123456789012"}, ["sts:AssumeRole", "sts:TagSession"]))
NOTHING = document(deny("*"))


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run one server for the module, with one role and with outbound federation."""
    with running_server() as running:
        iam = client_factory(running)("iam")
        iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=TRUST)
        iam.enable_outbound_web_identity_federation()
        yield running


def _nested(model: ServiceModel, name: str, prefix: str = "") -> Iterator[str]:
    """Yield a new member for each structure of an input, spelled as a parameter."""
    shape = model.shapes[name]
    if shape.type == "structure":
        yield f"{prefix}{NEW}"
        for member, ref in shape.members.items():
            yield from _nested(model, ref.shape, f"{prefix}{ref.location_name or member}.")
    if shape.type == "list" and shape.member:
        yield from _nested(model, shape.member.shape, f"{prefix}member.1.")


def _undeclared() -> Iterator[tuple[str, str, str]]:
    """Yield service, action and parameter: the refused members, and an unknown one at each place."""
    for service, model in MODELS.items():
        for action, shape in model.operations.items():
            yield from (
                (service, action, name) for name in (_nested(model, shape.input.shape) if shape.input else [NEW])
            )
    yield from REFUSED_MEMBERS


def _named(text: str, accept: str) -> tuple[str, str]:
    """Return the code and the message of a refusal."""
    if accept == "application/json":
        error = json.loads(text)["Error"]
        return error["Code"], error["Message"]
    code, words = (text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0] for tag in ("Code", "Message"))
    return code, words


def _records(server: RunningServer) -> Any:
    state = server.there.store._state  # type: ignore[attr-defined]
    return {key: record for key, record in state.records.items() if "use" not in key[0]}, dict(state.claims)


@pytest.mark.parametrize("accept", ["application/xml", "application/json"])
def test_every_member_that_is_not_declared_is_refused_by_name(server: RunningServer, accept: str) -> None:
    """In both protocols, before any other check, and without a change in the store."""
    before = _records(server)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    credentials = Credentials(server.root.access_key_id, server.root.secret_access_key)
    for service, action, name in _undeclared():
        body = urlencode({"Action": action, "Version": SERVICES[service], name: "x"})
        request = AWSRequest("POST", f"{server.url}/", data=body, headers={"Content-Type": FORM})
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
        connection.request("POST", "/", body, {**request.headers, "Accept": accept})
        answer = connection.getresponse()
        code, words = _named(answer.read().decode(), accept)
        assert (answer.status, code) == (400, "ValidationError"), (action, name, words)
        top = name.partition(".")[0]
        assert words in {f"{name} is not supported by this server.", f"{top} is not supported by this server."}, action
    connection.close()
    assert _records(server) == before


CALLS: tuple[tuple[str, str, dict[str, str], Callable[[Any], bool]], ...] = (
    ("iam", "CreateUser", {"UserName": "eve"}, lambda iam: "eve" not in str(iam.list_users())),
    (
        "iam",
        "CreateRole",
        {"RoleName": "wide", "AssumeRolePolicyDocument": TRUST},
        lambda iam: [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["deploy"],
    ),
    (
        "iam",
        "UpdateRole",
        {"RoleName": "deploy", "MaxSessionDuration": "7200"},
        lambda iam: iam.get_role(RoleName="deploy")["Role"]["MaxSessionDuration"] == 3600,
    ),
    (
        "iam",
        "CreateOpenIDConnectProvider",
        {"Url": "https://issuer.example.com"},
        lambda iam: not iam.list_open_id_connect_providers()["OpenIDConnectProviderList"],
    ),
)


@pytest.mark.parametrize(("service", "action", "params", "is_undone"), CALLS, ids=[call[1] for call in CALLS])
@pytest.mark.parametrize("name", [NEW, "ContextProvider.News", "MaxSigninDuration", "Tags.member.1.X"])
def test_a_valid_call_with_one_member_more_does_nothing(
    server: RunningServer,
    service: str,
    action: str,
    params: dict[str, str],
    is_undone: Callable[[Any], bool],
    name: str,
) -> None:
    """The other parameters are valid."""
    body, headers = signed(
        server, {"Action": action, "Version": SERVICES[service], **params, name: "1"}, service=service
    )
    answer = send(server, body, headers)
    assert (answer.status, _named(answer.text, "")[0]) == (400, "ValidationError")
    assert is_undone(client_factory(server)("iam"))


def test_a_restriction_that_sdks_send_is_there(server: RunningServer) -> None:
    """A caller that requests a restriction and does not get it would have too many permissions."""
    iam = client_factory(server)("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, MaxSigninSessionDuration=3600)
    assert iam.get_role(RoleName="r")["Role"]["MaxSigninSessionDuration"] == 3600


def test_a_refused_action_is_authorized_first(server: RunningServer) -> None:
    """A caller without the permission is denied, and learns no more."""
    make = client_factory(server)
    iam = make("iam")
    iam.create_user(UserName="ann")
    ann = make("iam", iam.create_access_key(UserName="ann")["AccessKey"])
    assert refused(ann.create_login_profile, UserName="ann", Password="correct-horse")[0] == "AccessDenied"


def test_a_refused_action_keeps_its_words_with_every_member(server: RunningServer) -> None:
    """A password is what is missing here, and not the longest sign-in of a user."""
    iam = client_factory(server)("iam")
    iam.create_user(UserName="bob")
    more = {"UserName": "bob", "MaxSigninSessionDuration": 3600}
    code, _, words = refused(iam.create_login_profile, Password="correct-horse", **more)
    assert (code, "has no passwords" in words) == ("NotSupportedService", True)
    assert refused(iam.update_login_profile, **more).code == "NoSuchEntity"


def test_what_is_ignored_is_accepted(server: RunningServer) -> None:
    """The members that the table lists have no effect, but are not refused."""
    assert {path for _, _, path in IGNORED_MEMBERS} == {"ResourceHandlingOption"}
    answer = client_factory(server)("iam").simulate_custom_policy(
        PolicyInputList=[NOTHING], ActionNames=["ec2:RunInstances"], ResourceHandlingOption="EC2-VPC-InstanceStore"
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "explicitDeny"
