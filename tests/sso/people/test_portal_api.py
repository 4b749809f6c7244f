"""The SSO portal API, with the client that SDKs use for it."""

import json
import time
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.http.segments import exchange
from tests.sso.people.conftest import ACCOUNT, OTHER, Scene, new_scene
from tests.sso.people.person import SCOPE, unsigned

from daypass.config import Config
from daypass.testing.plugin import client_factory


@pytest.fixture(scope="module")
def token(scene: Scene) -> str:
    """Return the access token of a program that a person has signed in."""
    return scene.access_token()


@pytest.fixture(scope="module")
def sso(scene: Scene) -> Any:
    """Return a client of the portal API."""
    return unsigned("sso", scene.url)


def refusal(call: Any, **parameters: Any) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def get(scene: Scene, path: str, token: str = "") -> tuple[int, str, Any]:
    """Return the status, the error type and the document of a response."""
    headers = {"x-amz-sso_bearer_token": token} if token else {}
    request = urllib.request.Request(scene.url + path, headers=headers)  # noqa: S310 - the test's own server
    try:
        answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310 - the same
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return answer.status, answer.headers.get("x-amzn-ErrorType", ""), json.load(answer)


def test_accounts_have_their_alias_or_their_name(sso: Any, token: str) -> None:
    """An account has an alias by its own choice, and a name by the operator's."""
    assert sso.list_accounts(accessToken=token)["accountList"] == [
        {"accountId": ACCOUNT, "accountName": "acme-production"},
        {"accountId": OTHER, "accountName": "sandbox"},
    ]


def test_roles_of_an_account(sso: Any, token: str) -> None:
    """Only the name of a role is there, without its path."""
    roles = sso.list_account_roles(accessToken=token, accountId=OTHER)["roleList"]
    assert roles == [{"roleName": "admin", "accountId": OTHER}]


def test_the_paginators_of_the_sdk_see_everything_once(sso: Any, token: str) -> None:
    """The member of the query is `max_result`, without an s."""
    accounts = sso.get_paginator("list_accounts").paginate(accessToken=token, PaginationConfig={"PageSize": 1})
    assert [len(page["accountList"]) for page in accounts] == [1, 1]
    roles = sso.get_paginator("list_account_roles").paginate(
        accessToken=token, accountId=ACCOUNT, PaginationConfig={"PageSize": 1}
    )
    assert [each["roleName"] for page in roles for each in page["roleList"]] == ["developer", "readonly"]


@pytest.mark.parametrize(("account", "role"), [(ACCOUNT, "developer"), (OTHER, "admin")])
def test_credentials_are_those_of_the_role(scene: Scene, sso: Any, token: str, account: str, role: str) -> None:
    """They have the session name of the sign-in. The expiration is in milliseconds."""
    found = sso.get_role_credentials(accessToken=token, accountId=account, roleName=role)["roleCredentials"]
    seconds = found["expiration"] / 1000 - time.time()
    assert 3_500 < seconds <= 3_600
    given = {
        "AccessKeyId": found["accessKeyId"],
        "SecretAccessKey": found["secretAccessKey"],
        "SessionToken": found["sessionToken"],
    }
    arn = client_factory(scene.server)("sts", given).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{account}:assumed-role/{role}/alice"


@pytest.mark.parametrize(
    ("account", "role"),
    [(ACCOUNT, "nobody"), (ACCOUNT, "Developer"), (OTHER, "developer"), ("999999999999", "admin"), ("x", "admin")],
)
def test_an_unknown_role_is_not_found(sso: Any, token: str, account: str, role: str) -> None:
    """The same refusal as for a role that does not trust the person. Names are compared with case."""
    found = refusal(sso.get_role_credentials, accessToken=token, accountId=account, roleName=role)
    assert found == (404, "ResourceNotFoundException")


def test_a_role_of_others_is_not_found(scene: Scene, sso: Any) -> None:
    """A person whose assertion does not name a role learns nothing about it."""
    access = scene.access_token("bob", scene.pairs[:1])
    for account, role in ((ACCOUNT, "readonly"), (OTHER, "admin")):
        found = refusal(sso.get_role_credentials, accessToken=access, accountId=account, roleName=role)
        assert found == (404, "ResourceNotFoundException")
    assert [each["accountId"] for each in sso.list_accounts(accessToken=access)["accountList"]] == [ACCOUNT]
    assert refusal(sso.list_account_roles, accessToken=access, accountId=OTHER) == (404, "ResourceNotFoundException")


_CALL = f"/federation/credentials?role_name=developer&account_id={ACCOUNT}"
_FORMS: dict[str, tuple[str, str, bytes]] = {
    "plain": (_CALL, "", b""),
    "with a body": (_CALL, "Content-Type: application/json\r\nContent-Length: 2\r\n", b"{}"),
    "in chunks": (_CALL, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "expecting": (_CALL, "Expect: 100-continue\r\nContent-Length: 0\r\n", b""),
    "signed for S3": (_CALL, "Authorization: AWS4-HMAC-SHA256 Credential=A/20261101/x/s3/aws4_request\r\n", b""),
    "escaped": (_CALL.replace("federation", "f%65deration"), "", b""),
    "without parameters": ("/federation/credentials?", "", b""),
}
_STATUSES = {"signed for S3": 400, "escaped": 404, "without parameters": 400}


@pytest.mark.parametrize("form", _FORMS)
def test_every_form_of_a_request_has_the_same_answer(scene: Scene, token: str, form: str) -> None:
    """The fast path of a connection answers a pipelined pair in order, and leaves odd requests to the usual path."""
    path, headers, body = _FORMS[form]
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nx-amz-sso_bearer_token: {token}\r\n{headers}"
    last = f"{head}Connection: close\r\n\r\n".encode() + body
    replies = exchange(scene.url, [f"{head}\r\n".encode() + body + last])
    assert [reply.status for reply in replies] == [_STATUSES.get(form, 200)] * 2
    if form not in _STATUSES:
        first, second = (json.loads(reply.body)["roleCredentials"]["accessKeyId"] for reply in replies)
        assert first != second


def test_a_change_of_a_trust_policy_counts_at_once(scene: Scene, sso: Any, token: str) -> None:
    """The policy is evaluated for every call, and not at the sign-in."""
    iam = client_factory(scene.server)("iam")
    trust = iam.get_role(RoleName="readonly")["Role"]["AssumeRolePolicyDocument"]
    closed = {**trust["Statement"][0], "Effect": "Deny"}
    iam.update_assume_role_policy(
        RoleName="readonly", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [closed]})
    )
    try:
        listed = sso.list_account_roles(accessToken=token, accountId=ACCOUNT)["roleList"]
        assert [each["roleName"] for each in listed] == ["developer"]
        found = refusal(sso.get_role_credentials, accessToken=token, accountId=ACCOUNT, roleName="readonly")
        assert found == (404, "ResourceNotFoundException")
    finally:
        iam.update_assume_role_policy(RoleName="readonly", PolicyDocument=json.dumps(trust))


@pytest.mark.parametrize("wrong", ["x", "dp1.tf-00000000000000000000000000000000." + "A" * 43, "A" * 5_000, "é"])
def test_a_wrong_token_needs_a_new_sign_in(scene: Scene, wrong: str) -> None:
    """SDKs tell people to sign in again for this code only."""
    status, code, document = get(scene, "/assignment/accounts", wrong)
    assert (status, code) == (401, "UnauthorizedException")
    assert document == {"message": "Session token not found or invalid"}


def test_a_call_without_a_token_is_refused(scene: Scene) -> None:
    """The header is required by the model."""
    assert get(scene, "/assignment/accounts")[:2] == (400, "InvalidRequestException")


def test_an_access_token_lasts_an_hour(scene: Scene, sso: Any) -> None:
    """At the end of the hour it is void."""
    access, clock = scene.access_token("grace"), scene.server.clock
    clock.move(timedelta(seconds=3_590))
    try:
        assert sso.list_accounts(accessToken=access)["accountList"]
        clock.move(timedelta(seconds=10))
        assert refusal(sso.list_accounts, accessToken=access) == (401, "UnauthorizedException")
    finally:
        clock.reset()


def test_the_refresh_token_is_not_an_access_token(scene: Scene) -> None:
    """Each token has one use."""
    refresh = scene.tokens(scene.sign_in("carol")).refresh
    status, code, _ = get(scene, "/assignment/accounts", refresh)
    assert (status, code) == (401, "UnauthorizedException")


@pytest.mark.parametrize(
    "path",
    [
        "/assignment/accounts?max_result=0",
        "/assignment/accounts?max_result=101",
        "/assignment/accounts?max_result=x",
        "/assignment/accounts?next_token=x",
        f"/assignment/accounts?next_token={ACCOUNT}&next_token={OTHER}",
        "/assignment/roles",
        f"/assignment/roles?account_id={ACCOUNT}&next_token=a%20b",
        f"/assignment/roles?account_id={ACCOUNT}&account_id={OTHER}",
        f"/federation/credentials?account_id={ACCOUNT}",
        "/federation/credentials?role_name=developer",
        f"/federation/credentials?role_name=a&role_name=b&account_id={ACCOUNT}",
        f"/federation/credentials?role_name=developer&account_id={ACCOUNT}%00",
    ],
)
def test_bad_parameters_are_refused(scene: Scene, token: str, path: str) -> None:
    """In the shape of the service: a message, and the type in a header."""
    status, code, document = get(scene, path, token)
    assert (status, code) == (400, "InvalidRequestException")
    assert set(document) == {"message"}


def test_the_token_is_read_from_the_header_only(scene: Scene, token: str) -> None:
    """Addresses are in the logs of proxies."""
    assert get(scene, f"/assignment/accounts?access_token={token}")[0] == 400
    assert get(scene, f"/assignment/accounts?x-amz-sso_bearer_token={token}")[0] == 400


def test_logout_ends_the_sign_in_everywhere(scene: Scene, sso: Any) -> None:
    """All tokens of the sign-in end: those of this program, and those of another one."""
    session = scene.sign_in("dave")
    access, second = scene.tokens(session).access, scene.tokens(session).access
    assert sso.logout(accessToken=access)["ResponseMetadata"]["HTTPStatusCode"] == 200
    for each in (access, second):
        assert refusal(sso.list_accounts, accessToken=each) == (401, "UnauthorizedException")
    assert refusal(sso.logout, accessToken=access) == (401, "UnauthorizedException")


@pytest.mark.parametrize(("kind", "scope"), [("login", SCOPE), ("cli", SCOPE), ("sso", "codewhisperer:analysis")])
def test_a_token_for_another_purpose_is_refused(scene: Scene, sso: Any, kind: Any, scope: str) -> None:
    """Only tokens of SSO OIDC with the scope of this API are accepted."""
    access = scene.access_token("frank", kind=kind, scope=scope)
    assert refusal(sso.list_accounts, accessToken=access) == (401, "UnauthorizedException")
    found = refusal(sso.get_role_credentials, accessToken=access, accountId=ACCOUNT, roleName="developer")
    assert found == (401, "UnauthorizedException")
    assert refusal(sso.logout, accessToken=access) == (401, "UnauthorizedException")


def test_events_name_the_sign_in_and_no_token(scene: Scene, sso: Any) -> None:
    """An operator follows a person by the id of the sign-in, from the token to the role session."""
    access = scene.access_token("erin")
    sso.list_accounts(accessToken=access)
    sso.list_account_roles(accessToken=access, accountId=ACCOUNT)
    sso.get_role_credentials(accessToken=access, accountId=ACCOUNT, roleName="developer")
    refusal(sso.get_role_credentials, accessToken=access, accountId=ACCOUNT, roleName="nobody")
    sso.logout(accessToken=access)
    names = ("ListAccounts", "ListAccountRoles", "GetRoleCredentials", "AssumeRoleWithSAML", "Logout")
    events: dict[str, Any] = {name: scene.events(name)[-1] for name in names}
    [identifier] = {event["additionalEventData"]["SignInId"] for event in events.values()}
    assert identifier.startswith("si-")
    assert {event["eventSource"] for name, event in events.items() if name != "AssumeRoleWithSAML"} == {
        "sso.amazonaws.com"
    }
    assert events["GetRoleCredentials"]["requestParameters"] == {"accountId": ACCOUNT, "roleName": "nobody"}
    assert events["GetRoleCredentials"]["errorCode"] == "ResourceNotFoundException"
    assert access not in json.dumps(events)


def test_only_calls_without_a_valid_token_are_limited() -> None:
    """Many people share an address. Guessing is limited per address, and does not stop the others."""
    with new_scene(Config(unsigned_calls_per_minute=5)) as scene:
        access = scene.access_token()
        answers = [get(scene, "/assignment/accounts", "x")[:2] for _ in range(8)]
        assert answers[0] == (401, "UnauthorizedException")
        assert answers[-1] == (429, "TooManyRequestsException")
        assert [get(scene, "/assignment/accounts", access)[0] for _ in range(8)] == [200] * 8
