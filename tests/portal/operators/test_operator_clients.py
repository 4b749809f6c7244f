"""The console manages sign-in clients of the own account without a restart; those of the settings are read-only."""

from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec
import pytest
from tests.documents import allow
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.operators.console import Console, entered

from daypass.audit.event import to_event
from daypass.config import ClientSetting, Config
from daypass.operations.oidc_client_changes import OidcClientSettings, add_client, find_client_record
from daypass.testing.server import RunningServer, running_server

PROVIDERS, CLIENT = "/operator/providers", "/operator/providers/client"
FORMS = (CLIENT, f"{CLIENT}/add", f"{CLIENT}/delete")
SECRET = "s3cret-of-the-client"
FIELDS = {"Name": "corp", "Issuer": "https://login.example.org", "ClientId": "daypass", "Secret": SECRET}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server with a client in its settings, and another account that has one."""
    config = Config(oidc_clients=(ClientSetting("https://fixed.example.org", "of-the-settings"),))
    with running_server(account=ACCOUNT, config=config) as running:
        running.new_account(OTHER)
        there = running.there
        with there.store.write() as writer:
            add_client(
                writer,
                OTHER,
                "theirs",
                issuer="https://theirs.example.org",
                client_id="x",
                settings=OidcClientSettings(),
                vault=there.vault,
                now=running.clock.now(),
                most=9,
            )
        yield running


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Console:
    """Enter the console with a role that may manage clients."""
    return entered(server, "managing-clients", allow(["iam:*", "daypass:*"]))


def token(console: Console) -> dict[str, str]:
    """Return the token of the forms of a session."""
    return {"Form": console.get(PROVIDERS).form("/operator/leave")["Form"]}


def test_a_client_is_added_changed_and_removed(server: RunningServer, operator: Console) -> None:
    """The sign-in page lists it at once, and its secret never appears again."""
    form = operator.get(f"{CLIENT}/add").form(f"{CLIENT}/add")
    added = operator.post(f"{CLIENT}/add", {**form, **FIELDS, "Label": "Acme", "Scopes": "email groups"})
    assert added.location == f"{CLIENT}?{urlencode({'name': 'corp', 'done': 'added'})}", added.words
    page = operator.get(added.location)
    assert page.heading == "corp"
    assert f"{server.url}/login/oidc/callback/login.example.org" in page.words
    assert "login.example.org" in operator.get("/login").words
    changed = operator.post(CLIENT, {**page.form(CLIENT), "Label": "Beta", "Secret": ""})
    assert changed.status == 303
    assert operator.get(f"{CLIENT}?name=corp").tree.xpath("string(//input[@name='Label']/@value)") == "Beta"
    with server.there.store.read() as reader:
        record = find_client_record(reader, ACCOUNT, "corp")
    assert record is not None
    assert server.there.vault.decrypt(record.sealed_secret, bound_to=record.secret_name).decode() == SECRET
    events = [msgspec.json.encode(to_event(one)).decode() for one in server.audit.audit_records]
    assert [each for each in events if "PutOidcClient" in each]
    texts = [operator.get(path).text for path in (PROVIDERS, f"{CLIENT}?name=corp")]
    assert not [each for each in (*events, *texts) if SECRET in each]
    gone = operator.post(f"{CLIENT}/delete", page.form(f"{CLIENT}/delete"))
    assert gone.location == f"{PROVIDERS}?done=removed"
    assert "login.example.org" not in operator.get("/login").words
    assert operator.get(f"{CLIENT}?name=corp").status == 404


def test_a_client_of_the_settings_is_read_only(operator: Console) -> None:
    """It is marked, has no page, and a record cannot take its place."""
    page = operator.get(PROVIDERS)
    row = page.tree.xpath("//tr[contains(., 'of-the-settings')]")[0]
    assert "from settings" in row.text_content()
    assert [each for each in row.xpath(".//a/@href") if each.startswith(CLIENT)] == []
    same = {**token(operator), "Name": "same", "Issuer": "https://fixed.example.org", "ClientId": "of-the-settings"}
    answer = operator.post(f"{CLIENT}/add", same)
    assert (answer.status, answer.heading) == (400, "Check the values")


def test_another_accounts_clients_do_not_exist(server: RunningServer, operator: Console) -> None:
    """They are not listed, and cannot be changed or removed."""
    assert "theirs" not in operator.get(PROVIDERS).words
    assert operator.get(f"{CLIENT}?name=theirs").status == 404
    for form in (CLIENT, f"{CLIENT}/delete"):
        assert operator.post(form, {**token(operator), "Name": "theirs", "Label": "evil"}).status == 404
    with server.there.store.read() as reader:
        record = find_client_record(reader, OTHER, "theirs")
    assert record is not None
    assert record.label == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"Name": ""},
        {"Name": "a\0b"},
        {"Issuer": "http://plain.example.org"},
        {"Issuer": ""},
        {"ClientId": ""},
        {"Authentication": "odd"},
        {"Authentication": "none"},
        {"ResponseMode": "fragment"},
        {"Order": "-1"},
        {"Order": "²"},
        {"Scopes": "é"},
        {"Label": "x" * 65},
        {"Secret": "x" * 2_000},
    ],
)
def test_a_value_that_is_not_valid_is_refused(operator: Console, changes: dict[str, str]) -> None:
    """The refusal says why, and stores no client."""
    answer = operator.post(f"{CLIENT}/add", {**token(operator), **FIELDS, **changes})
    assert (answer.status, answer.heading) == (400, "Check the values")
    assert SECRET not in answer.text
    assert operator.get(f"{CLIENT}?name=corp").status == 404


def test_every_form_needs_its_permission_and_token(server: RunningServer, operator: Console) -> None:
    """IAM's permissions are not enough, and a form belongs to one session."""
    console = entered(server, "no-clients", allow("iam:*"))
    assert "daypass:ListOidcClients" in console.get(PROVIDERS).words
    assert "of-the-settings" in console.get(PROVIDERS).words
    for form in FORMS:
        answer = console.post(form, {**token(console), **FIELDS})
        assert (answer.status, answer.heading) == (403, "You do not have this permission"), form
        assert operator.post(form, {**FIELDS, "Form": "0" * 32}).status == 403
