"""Changes of OpenID Connect clients from the console need the operator's own permission, and are audited."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from tests.documents import allow
from tests.portal.conftest import ACCOUNT
from tests.portal.operators.console import assumed, operators_role

from daypass.audit.event import AuditRecord, to_event
from daypass.authenticate.keychain import Keychain
from daypass.errors import AccessDenied, EntityAlreadyExists, Fault, InvalidInput, NoSuchEntity
from daypass.federation.oidc.identify import NO_KEYS
from daypass.federation.oidc.issuers.client import Client
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import OidcClientSettings
from daypass.operations.registry import full_registry
from daypass.operations.settings import ServiceSettings
from daypass.pipeline import Pipeline
from daypass.portal.operator.oidc_client_calls import OidcClientCalls
from daypass.portal.operator.operator_sessions import OperatorCredentials
from daypass.portal.site import Site
from daypass.storage.cache import StoreCache
from daypass.storage.views import BlockingView
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.wire.catalog import Catalog

ISSUER, SETTING = "https://login.example.org", Client("https://login.example.org", "of the settings")
SECRET = OidcClientSettings(secret=Secret("s3cret-of-the-client"))
ARN = f"arn:aws:daypass::{ACCOUNT}:oidc-client/corp*"
MANAGE = ("daypass:ListOidcClients", "daypass:PutOidcClient", "daypass:DeleteOidcClient")


class Office:
    """The calls on a running server's store, and their audit events."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.events: list[AuditRecord] = []
        there = server.there
        settings = ServiceSettings(public_url=server.url, oidc_clients=(SETTING,))
        cache = StoreCache(there.store)
        view = BlockingView(there, cache.loading, Keychain(there.vault), settings, NO_KEYS, lambda _: True)
        pipeline = Pipeline(
            catalog=Catalog.load(),
            registry=full_registry(),
            keychain=Keychain(there.vault),
            is_region=lambda _: True,
            home_region="us-east-1",
            now=there.clock.now,
            record=self.events.append,
            report_bug=lambda _, bug: pytest.fail(repr(bug)),
        )
        self.calls = OidcClientCalls(Site(pipeline, view, settings))

    def log(self) -> str:
        """Return the audit log."""
        return b"\n".join(msgspec.json.encode(to_event(each)) for each in self.events).decode()


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    """Run a server."""
    with running_server(account=ACCOUNT) as server:
        yield Office(server)


def held(office: Office, name: str, *statements: Any) -> OperatorCredentials:
    """Return the credentials of a role with these permissions."""
    given = assumed(office.server, operators_role(office.server, name, *statements))
    return OperatorCredentials(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], ACCOUNT, "arn:aws:sts::x"
    )


@pytest.fixture(scope="module")
def manager(office: Office) -> OperatorCredentials:
    """Return credentials with all permissions."""
    return held(office, "valid", allow(list(MANAGE)))


def request() -> Request:
    """Return a request of a browser."""
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/operator",
            "raw_path": b"/operator",
            "query_string": b"",
            "headers": [(b"user-agent", b"test")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
    )


def test_an_operator_manages_the_clients_of_the_account(office: Office) -> None:
    """Each call is in the audit log with the operator's role, without the secret."""
    operator, calls = held(office, "manages", allow(MANAGE[0]), allow(list(MANAGE[1:]), ARN)), office.calls
    made = calls.put_client(request(), operator, "r1", name="corp", issuer=ISSUER, client_id="daypass", settings=SECRET)
    assert (made.account, made.name, bool(made.sealed_secret)) == (ACCOUNT, "corp", True)
    changed = calls.put_client(request(), operator, "r2", name="corp", settings=OidcClientSettings(label="Acme"))
    assert (changed.label, changed.sealed_secret) == ("Acme", made.sealed_secret)
    assert calls.list_clients(request(), operator, "r3") == (changed,)
    calls.delete_client(request(), operator, "r4", name="corp")
    assert calls.list_clients(request(), operator, "r5") == ()
    actions = [each.action for each in office.events]
    assert actions == ["PutOidcClient", "PutOidcClient", "ListOidcClients", "DeleteOidcClient", "ListOidcClients"]
    assert all(each.caller is not None and "manages" in each.caller.arn for each in office.events)
    assert "s3cret" not in office.log()
    assert "additionalEventData" not in office.log()


@pytest.mark.parametrize("action", MANAGE)
def test_each_call_needs_its_permission(office: Office, action: str) -> None:
    """With all other permissions, and with the permission for another client."""
    others = [allow(each) for each in MANAGE if each != action]
    operator = held(office, f"lacks-{action.partition(':')[2]}", *others, allow(action, f"{ARN}-other"))
    before = len(office.events)
    with pytest.raises(AccessDenied, match=action) as refused:
        call(office, operator, action)
    assert "secret" not in refused.value.message
    assert office.events[before].fault is refused.value


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "corp missing", "settings": OidcClientSettings(label="x")}, NoSuchEntity),
        ({"name": "a b", "issuer": ISSUER, "client_id": "x", "settings": SECRET}, InvalidInput),
        ({"name": "corp1", "issuer": "http://x", "client_id": "x", "settings": SECRET}, InvalidInput),
        ({"name": "corp1", "issuer": ISSUER, "client_id": "of the settings", "settings": SECRET}, InvalidInput),
        ({"name": "CORP2", "issuer": ISSUER, "client_id": "x", "settings": SECRET}, EntityAlreadyExists),
    ],
)
def test_a_call_that_is_not_valid_changes_nothing(
    office: Office, manager: OperatorCredentials, fields: dict[str, Any], error: type[Fault]
) -> None:
    """A record that the settings would hide is refused too."""
    operator, calls = manager, office.calls
    if not calls.list_clients(request(), operator, "r1"):
        calls.put_client(request(), operator, "r2", name="corp2", issuer=ISSUER, client_id="2", settings=SECRET)
    before = calls.list_clients(request(), operator, "r3")
    with pytest.raises(error):
        calls.put_client(request(), operator, "r4", **fields)
    assert calls.list_clients(request(), operator, "r5") == before


def test_ended_credentials_are_refused(office: Office) -> None:
    """The session of the console does not outlive its role session."""
    operator = held(office, "ends", allow(list(MANAGE)))
    iam = client_factory(office.server)("iam")
    office.calls.list_clients(request(), operator, "r1")
    iam.delete_role_policy(RoleName="ends", PolicyName="own")
    for policy in iam.list_role_policies(RoleName="ends")["PolicyNames"]:
        iam.delete_role_policy(RoleName="ends", PolicyName=policy)
    iam.delete_role(RoleName="ends")
    with pytest.raises(Fault):
        office.calls.list_clients(request(), operator, "r2")


def call(office: Office, operator: OperatorCredentials, action: str) -> None:
    """Make the call of an action."""
    calls = office.calls
    if action == "daypass:ListOidcClients":
        calls.list_clients(request(), operator, "r")
    elif action == "daypass:PutOidcClient":
        calls.put_client(request(), operator, "r", name="corp9", issuer=ISSUER, client_id="9", settings=SECRET)
    else:
        calls.delete_client(request(), operator, "r", name="corp9")
