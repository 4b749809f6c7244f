"""`daypass sessions revoke` beside a running server: output and effect."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.documents import allow, document
from tests.refusals import refused
from tests.sts.authenticator import new_user, who
from tests.sts.test_assume_role import new_role

from daypass.cli.main import cli
from daypass.directory import records
from daypass.directory.entities.delegation_entities import Notification
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

INVALID = "The security token included in the request is invalid."
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run a server with a store that a command can open too."""
    with running_server(store=f"sqlite:///{tmp_path_factory.mktemp('store') / 'd.db'}") as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> Iterator[RunningServer]:
    """Return the server, and reset its clock after the test."""
    yield running
    running.clock.reset()


@pytest.fixture
def client(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def revoke(server: RunningServer) -> Command:
    """Run the command on the server's store."""

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["sessions", "revoke", *arguments, "--store", server.config.store])
        assert result.exit_code == code, result.output
        return result

    return run


class Delegation:
    """A partner's request and its steps."""

    def __init__(self, server: RunningServer, client: ClientFactory, approver: Any) -> None:
        self._server, self._client = server, client
        partner = server.new_account()
        self._partner, self._iam = client("sts", partner), client("iam", approver)
        asking = client("iam", partner)
        policy = document(allow("*"))
        template = asking.create_policy(PolicyName="setup", PolicyDocument=policy)["Policy"]["Arn"]
        self.id: str = asking.create_delegation_request(
            OwnerAccountId=server.root.account,
            Description="Set up the monitoring.",
            Permissions={"PolicyTemplateArn": template},
            RequestorWorkflowId="workflow",
            NotificationChannel="https://10.0.0.1/hook",  # the server never connects to it
            SessionDuration=3600,
        )["DelegationRequestId"]

    def associate(self) -> None:
        """Associate the request with the caller."""
        self._iam.associate_delegation_request(DelegationRequestId=self.id)

    def accept(self) -> None:
        """Accept it."""
        self._iam.accept_delegation_request(DelegationRequestId=self.id)

    def send(self) -> str:
        """Send the exchange token, and return it as the partner's webhook gets it."""
        self._iam.send_delegation_token(DelegationRequestId=self.id)
        there = self._server.there
        with there.store.read() as reader:
            waiting = [records.to_entity(Notification, record) for record in reader.page("notice", "", limit=100)]
        messages = [json.loads(there.vault.decrypt(each.sealed_body, bound_to=each.bound_to)) for each in waiting]
        [token] = [
            each["ExchangeToken"]
            for each in messages
            if each["DelegationRequestId"] == self.id and "ExchangeToken" in each
        ]
        assert isinstance(token, str)
        return token

    def redeem(self, token: str) -> Any:
        """Redeem the token."""
        return self._partner.get_delegated_access_token(TradeInToken=token)["Credentials"]


def test_a_temporary_key_takes_its_whole_chain_along(client: ClientFactory, revoke: Command) -> None:
    """Revoking a temporary key ends every session that grew from it.

    A thief who assumed three more roles is stopped; the owner continues.
    """
    alice, role = new_user(client("iam"), "alice"), new_role(client("iam"), "r")
    chain = [alice.key]
    for _ in range(4):
        made = client("sts", chain[-1]).assume_role(RoleArn=role, RoleSessionName="step")
        chain.append(made["Credentials"])
    revoke("--access-key", chain[1]["AccessKeyId"])
    for session in chain[1:]:
        assert refused(who, client, session) == ("InvalidClientTokenId", 403, INVALID)
    who(client, alice.key)


def test_a_root_key_with_an_id_of_its_own_is_revoked(
    server: RunningServer, client: ClientFactory, revoke: Command
) -> None:
    """A root key with a chosen id can be revoked.

    `DAYPASS_ROOT_ACCESS_KEY_ID` accepts any id, and the sessions contain it.
    """
    root = server.new_account(access_key_id="root", secret_access_key="s" * 40)
    session = client("sts", root).get_session_token()["Credentials"]
    revoke("--access-key", "root")
    assert refused(who, client, session) == ("InvalidClientTokenId", 403, INVALID)


def test_a_delegation_is_ended_by_its_id(server: RunningServer, client: ClientFactory, revoke: Command) -> None:
    """The partner's credentials and the sessions from them end.

    The approver's own sessions do not.
    """
    bob, role = new_user(client("iam"), "bob"), new_role(client("iam"), "delegated")
    own = client("sts", bob.key).assume_role(RoleArn=role, RoleSessionName="own")["Credentials"]
    delegation = Delegation(server, client, bob.key)
    delegation.associate()
    delegation.accept()
    credentials = delegation.redeem(delegation.send())
    grown = client("sts", credentials).assume_role(RoleArn=role, RoleSessionName="grown")["Credentials"]
    assert "a revocation of the delegation request" in revoke("--delegation", delegation.id).output
    for session in (credentials, grown):
        assert refused(who, client, session) == ("InvalidClientTokenId", 403, INVALID)
    who(client, own)


def test_a_delegation_is_ended_before_it_is_redeemed(
    server: RunningServer, client: ClientFactory, revoke: Command
) -> None:
    """An accepted request can no longer be sent.

    A token that was sent can no longer be redeemed.
    """
    carol = new_user(client("iam"), "carol")
    delegation = Delegation(server, client, carol.key)
    revoke("--delegation", delegation.id, code=6)
    delegation.associate()
    assert "is in the state ASSIGNED" in revoke("--delegation", delegation.id, code=6).output
    delegation.accept()
    token = delegation.send()
    revoke("--delegation", delegation.id)
    assert refused(delegation.redeem, token)[:2] == ("AccessDenied", 403)
    other = Delegation(server, client, carol.key)
    other.associate()
    other.accept()
    revoke("--delegation", other.id)
    assert refused(other.send)[:2] == ("InvalidInput", 400)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--delegation", "dr-none"), 6),
        (("--delegation", "dr-none", "--access-key", "A" * 20), 2),
        (("--delegation", "dr-none", "--role", "r"), 2),
    ],
)
def test_delegations_that_cannot_be_ended(revoke: Command, arguments: tuple[str, ...], code: int) -> None:
    """Exit code 2 for an invalid command line, 6 for an unknown request."""
    revoke(*arguments, code=code)


def test_the_second_of_the_revocation_is_void(server: RunningServer, client: ClientFactory, revoke: Command) -> None:
    """The revocation includes the whole present second.

    Sessions of the next second are valid.
    """
    dora = new_user(client("iam"), "dora")
    session = client("sts", dora.key).get_session_token()["Credentials"]
    revoke("--access-key", dora.key["AccessKeyId"])
    assert refused(who, client, session) == ("InvalidClientTokenId", 403, INVALID)
    server.clock.move(timedelta(seconds=2))
    who(client, client("sts", dora.key).get_session_token()["Credentials"])


def test_a_temporary_key_is_revoked_for_good(server: RunningServer, client: ClientFactory, revoke: Command) -> None:
    """The revocation works although the issuing node's clock is ahead."""
    fay, role = new_user(client("iam"), "fay"), new_role(client("iam"), "ahead")
    server.clock.move(timedelta(minutes=4))
    session = client("sts", fay.key).assume_role(RoleArn=role, RoleSessionName="step")["Credentials"]
    grown = client("sts", session).assume_role(RoleArn=role, RoleSessionName="step")["Credentials"]
    server.clock.move(timedelta(minutes=-4))
    revoke("--access-key", session["AccessKeyId"])
    for credentials in (session, grown):
        assert refused(who, client, credentials) == ("InvalidClientTokenId", 403, INVALID)


def test_the_operator_pages_end_with_their_session(
    server: RunningServer, client: ClientFactory, revoke: Command
) -> None:
    """The browser's cookie refers to credentials in the store.

    Each page checks these credentials.
    """
    erin, role = new_user(client("iam"), "erin"), new_role(client("iam"), "looks")
    session = client("sts", erin.key).assume_role(RoleArn=role, RoleSessionName="look")["Credentials"]
    cookie = _enter(server, session)
    assert _look(server, cookie) == 200
    revoke("--access-key", erin.key["AccessKeyId"])
    assert _look(server, cookie) in {401, 403}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Do not follow redirects."""


_opener = urllib.request.build_opener(_NoRedirect)


def _enter(server: RunningServer, session: Any) -> str:
    fields = {
        "AccessKeyId": session["AccessKeyId"],
        "SecretAccessKey": session["SecretAccessKey"],
        "SessionToken": session["SessionToken"],
        "Expiration": session["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Name": "look",
    }
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(f"{server.url}/operator", body, {"Origin": server.url})  # noqa: S310 - our own
    with pytest.raises(urllib.error.HTTPError) as answer:
        _opener.open(request)
    assert answer.value.code == 303
    cookie: str = answer.value.headers["Set-Cookie"].partition(";")[0]
    return cookie


def _look(server: RunningServer, cookie: str) -> int:
    request = urllib.request.Request(f"{server.url}/operator/keys", headers={"Cookie": cookie})  # noqa: S310 - our own
    try:
        with _opener.open(request) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as refusal:
        return refusal.code
