"""Each event says what its call issued or created, and never a secret."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents import allow, document

from daypass.audit.lines import to_line
from daypass.audit.response_elements import SHOWN, decode_answer, elements_of, encode_answer
from daypass.bootstrap import RootKey
from daypass.operations.operation import is_read_only
from daypass.operations.registry import full_registry
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer
from daypass.wire.model import SERVICES, Shape, load_service

_MODELS = {service: load_service(service) for service in SERVICES}
_SECRET = "do-not-show"
_END = datetime(2026, 11, 30, 23, 0, 0, tzinfo=UTC)
_SECRETS = {"SessionToken", "SecretAccessKey", "WebIdentityToken", "ServicePassword", "Base32StringSeed", "QRCodePNG"}
_DOCUMENTS = {"AssumeRolePolicyDocument", "Document", "DecodedMessage", "CertificateBody", "SSHPublicKeyBody"}


def _filled(shapes: dict[str, Shape], name: str, member: str = "", depth: int = 0) -> Any:
    """Return a value of a shape, in which every secret is the marker."""
    shape = shapes[name]
    if shape.type == "structure" and depth < 6:
        return {key: _filled(shapes, ref.shape, key, depth + 1) for key, ref in shape.members.items()}
    if shape.type == "list" and shape.member is not None and depth < 6:
        return [_filled(shapes, shape.member.shape, member, depth + 1)]
    if shape.type == "timestamp":
        return _END
    is_hidden = member in _SECRETS | _DOCUMENTS or shape.type == "blob" or (shape.sensitive and member not in _PUBLIC)
    return _SECRET if is_hidden else f"value-of-{member}"


# The model of 2026 hides these names of a person, which the answers of AssumeRoleWithSAML show as well.
_PUBLIC = {"Issuer", "Subject", "SubjectType"}
_ISSUING = sorted(
    (service, action)
    for service, model in _MODELS.items()
    for action, operation in model.operations.items()
    if operation.output is not None and not (service == "iam" and action.startswith(("Get", "List", "Simulate")))
)


@pytest.mark.parametrize(("service", "action"), _ISSUING)
def test_no_answer_shows_a_secret(service: str, action: str) -> None:
    """Every member of every answer of the models that can contain a secret is hidden."""
    model = _MODELS[service]
    output = model.operations[action].output
    assert output is not None
    result = _filled(model.shapes, output.shape)
    shown = json.dumps(elements_of(result), default=str)
    assert _SECRET not in shown
    if "Credentials" in result or "AccessKey" in result:
        issued = elements_of(result).get("credentials") or elements_of(result)["accessKey"]
        assert issued["accessKeyId"] == "value-of-AccessKeyId"
    if "Credentials" in result:
        assert issued["expiration"] == _END


def test_the_shown_names_are_those_of_answers() -> None:
    """No name is shown that could become a secret: not one of the models' secret members."""
    assert not {name[0].lower() + name[1:] for name in _SECRETS | _DOCUMENTS} & SHOWN


@settings(max_examples=60, deadline=None)
@given(
    result=st.dictionaries(
        st.sampled_from(["Arn", "SecretAccessKey", "Tags", "User", "é", "Path"]),
        st.recursive(
            st.one_of(st.text(max_size=5), st.integers(0, 9), st.booleans(), st.just(_SECRET)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["SecretAccessKey", "Arn", "Token"]), inner, max_size=2),
            ),
            max_leaves=6,
        ),
        max_size=4,
    ),
    shared=st.text(max_size=5),
)
def test_what_was_encoded_can_be_decoded(result: dict[str, Any], shared: str) -> None:
    """The general way of an event has the members of the usual way."""
    expected = elements_of(result)
    found = decode_answer(encode_answer(result, None, "", shared))
    assert (found.response_elements or {}) == json.loads(json.dumps(expected))


def test_each_read_only_call_is_known() -> None:
    """A call that only reads has no response elements, as on AWS."""
    registry = full_registry()
    reads = [name for name in registry.names() if name.partition(":")[2].startswith(("Get", "List"))]
    assert reads
    iam = registry.find("iam", "GetUser")
    assert is_read_only(iam, iam.store_access(None))


def _events(server: RunningServer) -> list[dict[str, Any]]:
    return [json.loads(to_line(record, "event")) for record in server.audit.audit_records]


def _last(server: RunningServer, name: str) -> dict[str, Any]:
    return [event for event in _events(server) if event["eventName"] == name][-1]


_TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}]}
)
_ALWAYS = {
    *("eventVersion", "eventType", "eventID", "eventTime", "eventSource", "eventName", "awsRegion", "readOnly"),
    *("managementEvent", "eventCategory", "sourceIPAddress", "userAgent", "requestID", "userIdentity"),
    *("requestParameters", "responseElements"),
}


def test_each_event_has_the_members_that_cloudtrail_always_writes(
    server: RunningServer, root: RootKey, as_caller: ClientFactory, iam: Any
) -> None:
    """A success, a refusal and a call without parameters have all of them."""
    iam.create_user(UserName="ada")
    iam.list_users()
    as_caller("sts", root).get_caller_identity()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="nobody")
    for event in _events(server):
        assert not _ALWAYS - set(event)
        assert event["eventVersion"] == "1.11"
        assert event["eventType"] == "AwsApiCall"
        assert event["recipientAccountId"] == event["userIdentity"]["accountId"]
    created, listed = _last(server, "CreateUser"), _last(server, "ListUsers")
    assert created["responseElements"]["user"]["userName"] == "ada"
    assert (created["readOnly"], listed["readOnly"], listed["responseElements"]) == (False, True, None)


def test_each_action_that_issues_credentials_names_the_key(
    server: RunningServer, root: RootKey, as_caller: ClientFactory, iam: Any, account: str
) -> None:
    """AssumeRole by both ways, GetSessionToken, GetFederationToken and CreateAccessKey name key, end and session."""
    iam.create_user(UserName="ada")
    iam.put_user_policy(UserName="ada", PolicyName="all", PolicyDocument=document(allow("*")))
    iam.create_role(RoleName="deploy", Path="/x/", AssumeRolePolicyDocument=_TRUST)
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document(allow("*")))
    made = iam.create_access_key(UserName="ada")["AccessKey"]
    event = _last(server, "CreateAccessKey")
    assert event["responseElements"]["accessKey"]["accessKeyId"] == made["AccessKeyId"]
    assert made["SecretAccessKey"] not in json.dumps(_events(server))
    sts = as_caller("sts", made)
    arn = f"arn:aws:iam::{account}:role/x/deploy"
    for number in range(4):  # the last ones are answered by a template
        issued = sts.assume_role(RoleArn=arn, RoleSessionName=f"s-{number}")
        event = _last(server, "AssumeRole")
        assert event["responseElements"]["credentials"] == {
            "accessKeyId": issued["Credentials"]["AccessKeyId"],
            "expiration": issued["Credentials"]["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        user = issued["AssumedRoleUser"]
        assert event["responseElements"]["assumedRoleUser"] == {
            "assumedRoleId": user["AssumedRoleId"],
            "arn": user["Arn"],
        }
        assert event["resources"] == [{"accountId": account, "type": "AWS::IAM::Role", "ARN": arn}]
        assert event["userIdentity"]["userName"] == "ada"
        assert "sharedEventID" not in event
    for name, more in (("get_session_token", {}), ("get_federation_token", {"Name": "fed"})):
        answer = getattr(sts, name)(**more)
        event = _events(server)[-1]
        assert event["responseElements"]["credentials"]["accessKeyId"] == answer["Credentials"]["AccessKeyId"]
        assert answer["Credentials"]["SessionToken"] not in json.dumps(event)
    session = issued["Credentials"]
    chained = as_caller("sts", session).assume_role(RoleArn=arn, RoleSessionName="next")["Credentials"]
    event = _last(server, "AssumeRole")
    context = event["userIdentity"]["sessionContext"]
    assert context["sessionIssuer"] == {
        "type": "Role",
        "principalId": context["sessionIssuer"]["principalId"],
        "arn": arn,
        "accountId": account,
        "userName": "deploy",
    }
    assert context["attributes"]["mfaAuthenticated"] == "false"
    assert context["issuingKeys"] == [made["AccessKeyId"]]
    as_caller("sts", chained).get_caller_identity()
    context = _last(server, "GetCallerIdentity")["userIdentity"]["sessionContext"]
    assert context["issuingKeys"] == [made["AccessKeyId"], session["AccessKeyId"]]


def test_a_role_of_another_account_is_shared(
    server: RunningServer, as_caller: ClientFactory, iam: Any, account: str
) -> None:
    """The event has the caller's account, the role's account, and an id as CloudTrail's pair of events has."""
    other = server.new_account()
    theirs = as_caller("iam", other)
    theirs.create_user(UserName="eve")
    key = theirs.create_access_key(UserName="eve")["AccessKey"]
    theirs.put_user_policy(UserName="eve", PolicyName="all", PolicyDocument=document(allow("*")))
    iam.create_role(RoleName="shared", AssumeRolePolicyDocument=_TRUST)
    sts = as_caller("sts", key)
    seen = set()
    for number in range(4):
        sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/shared", RoleSessionName=f"s-{number}")
        event = _last(server, "AssumeRole")
        assert event["recipientAccountId"] == other.account
        assert event["resources"][0]["accountId"] == account
        seen.add(event["sharedEventID"])
    assert len(seen) == 4
