"""A write that the event loop began is judged anew where it is finished."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.documents import allow, document, trust
from tests.http.raw import FORM

from daypass.begun_calls import BegunCall, WriteBegunError
from daypass.bootstrap import RootKey
from daypass.directory.store import WouldBlockError
from daypass.http.app import App
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import Recorder, RunningServer
from daypass.wire.http import HttpRequest
from daypass.wiring import build_app

_USER = "writer"


@pytest.fixture
def recorder() -> Recorder:
    """Return the audit log."""
    return Recorder()


@pytest.fixture
def app(daypass_server: RunningServer, recorder: Recorder) -> App:
    """Return a second server process on the store."""
    return build_app(daypass_server.config, daypass_server.there, sink=recorder)


@pytest.fixture
def key(client: ClientFactory) -> RootKey:
    """Return the key of a user that may do everything."""
    iam = client("iam")
    iam.create_user(UserName=_USER)
    iam.put_user_policy(UserName=_USER, PolicyName="own", PolicyDocument=document(allow("*", "*")))
    made = iam.create_access_key(UserName=_USER)["AccessKey"]
    return RootKey("123456789012", made["AccessKeyId"], made["SecretAccessKey"])


def _request(server: RunningServer, key: RootKey, name: str, token: str | None = None) -> HttpRequest:
    body = urlencode({"Action": "CreateUser", "Version": "2010-05-08", "UserName": name}).encode()
    request = AWSRequest("POST", server.url + "/", data=body, headers={"Content-Type": FORM})
    SigV4Auth(Credentials(key.access_key_id, key.secret_access_key, token), "iam", "us-east-1").add_auth(request)
    headers = {**dict(request.headers.items()), "Host": server.url.removeprefix("http://")}
    named = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return HttpRequest("POST", b"/", b"", named, body, "127.0.0.1", secure=False)


def _begin(app: App, request: HttpRequest) -> BegunCall:
    app.pipeline.answer(_as_read(request), "warm-up", app.blocking)
    with pytest.raises(WriteBegunError) as stop:
        app.pipeline.answer(request, "id", app.nonblocking)
    return stop.value.begun


def _as_read(request: HttpRequest) -> HttpRequest:
    """Return a request with a wrong signature, which fills the cache."""
    return HttpRequest("POST", b"/", b"", request.headers, request.body + b"&Path=%2F", "127.0.0.1", secure=False)


def test_a_write_is_finished_once(
    daypass_server: RunningServer, client: ClientFactory, app: App, recorder: Recorder, key: RootKey
) -> None:
    """Its answer and its audit event are those of one call."""
    request = _request(daypass_server, key, "alice")
    begun = _begin(app, request)
    events = len(recorder.audit_records)
    answer = app.pipeline.answer(request, "id", app.blocking, begun)
    assert (answer.status, b"<UserName>alice" in answer.body) == (200, True)
    assert client("iam").get_user(UserName="alice")["User"]["UserName"] == "alice"
    (event,) = recorder.audit_records[events:]
    assert (event.access_key_id, event.action) == (key.access_key_id, "CreateUser")


def _deactivate(client: ClientFactory, key: RootKey) -> None:
    client("iam").update_access_key(UserName=_USER, AccessKeyId=key.access_key_id, Status="Inactive")


def _delete_key(client: ClientFactory, key: RootKey) -> None:
    client("iam").delete_access_key(UserName=_USER, AccessKeyId=key.access_key_id)


def _take_permissions(client: ClientFactory, _: RootKey) -> None:
    client("iam").delete_user_policy(UserName=_USER, PolicyName="own")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_deactivate, b"InvalidClientTokenId"),
        (_delete_key, b"InvalidClientTokenId"),
        (_take_permissions, b"AccessDenied"),
    ],
)
def test_a_right_taken_in_between_is_not_honoured(
    daypass_server: RunningServer,
    client: ClientFactory,
    app: App,
    key: RootKey,
    change: Callable[[ClientFactory, RootKey], None],
    code: bytes,
) -> None:
    """The key, its owner and the permissions are those of the moment in which the call is run."""
    request = _request(daypass_server, key, "mallory")
    begun = _begin(app, request)
    change(client, key)
    answer = app.pipeline.answer(request, "id", app.blocking, begun)
    assert (answer.status, code in answer.body) == (403, True)
    names = [user["UserName"] for user in client("iam").list_users()["Users"]]
    assert "mallory" not in names


def test_a_changed_owner_is_the_caller(
    daypass_server: RunningServer, client: ClientFactory, app: App, recorder: Recorder, key: RootKey
) -> None:
    """A renamed user makes the call under its new name."""
    request = _request(daypass_server, key, "alice")
    begun = _begin(app, request)
    client("iam").update_user(UserName=_USER, NewUserName="renamed")
    assert app.pipeline.answer(request, "id", app.blocking, begun).status == 200
    caller = recorder.audit_records[-1].caller
    assert caller is not None
    assert caller.arn.endswith("user/renamed")


def test_a_session_begins_anew(daypass_server: RunningServer, client: ClientFactory, app: App, key: RootKey) -> None:
    """It may expire, or be revoked, before the call is run."""
    trusted = trust(AWS="123456789012")
    role = client("iam").create_role(RoleName="admin", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    made = client("sts", key).assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"]
    session = RootKey("123456789012", made["AccessKeyId"], made["SecretAccessKey"])
    request = _request(daypass_server, session, "alice", made["SessionToken"])
    app.pipeline.answer(_as_read(request), "warm-up", app.blocking)
    with pytest.raises(WouldBlockError) as stop:
        app.pipeline.answer(request, "id", app.nonblocking)
    assert not isinstance(stop.value, WriteBegunError)
