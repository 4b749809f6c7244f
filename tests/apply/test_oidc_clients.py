"""OpenID Connect clients in a file: their settings, and secrets that the file only names."""

import json
from typing import Any

import msgspec
import pytest
import yaml
from tests.apply.directory import ACCOUNT, Directory

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.plan_output import plain_plan, show_plan
from daypass.audit.event import to_event
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.operations.oidc_client_changes import find_client_record
from daypass.operations.settings import Quotas

SECRET, OTHER_SECRET = "s3cret-of-the-client", "s3cret-of-tomorrow"
CLIENT = {"issuer": "https://login.example.org/tenant", "clientId": "daypass"}
WITH_SECRET = {**CLIENT, "authentication": "client_secret_basic", "secret": {"secret": "CORP"}}


def file_of(**clients: Any) -> str:
    """Return a file with clients of one account."""
    return yaml.safe_dump({"version": 1, "accounts": {ACCOUNT: {"oidcClients": clients}}})


def stored(directory: Directory, name: str = "corp") -> OidcSignInClient | None:
    """Return the record of a client."""
    with directory.there.store.read() as reader:
        return find_client_record(reader, ACCOUNT, name)


def secret_of(directory: Directory) -> str:
    """Return the secret of the client, opened."""
    client = stored(directory)
    assert client is not None
    return directory.there.vault.decrypt(client.sealed_secret, bound_to=client.secret_name).decode()


def test_a_file_describes_a_client() -> None:
    """A second apply changes nothing, and an export makes the same client in another store."""
    directory = Directory(secrets={"CORP": SECRET})
    client = {
        **WITH_SECRET,
        "scopes": ["groups"],
        "responseMode": "form_post",
        "label": "Acme",
        "logo": "/brand/acme.svg",
        "order": 3,
    }
    text = file_of(corp=client)
    assert len(directory.apply(text).plan.changes) == 2
    assert secret_of(directory) == SECRET
    assert directory.apply(text).plan.changes == ()
    exported = directory.export()
    [reference] = yaml.safe_load(exported)["accounts"][ACCOUNT]["oidcClients"]["corp"]["secret"].values()
    assert yaml.safe_load(exported)["accounts"][ACCOUNT]["oidcClients"] == {
        "corp": {**client, "secret": {"secret": reference}}
    }
    assert directory.apply(exported).plan.changes == ()
    fresh = Directory(secrets={reference: SECRET})
    fresh.apply(exported)
    assert fresh.export() == exported
    assert secret_of(fresh) == SECRET
    with pytest.raises(ApplyFileError, match="is missing: set DAYPASS_SECRET_"):
        Directory().apply(exported)


def test_settings_change_in_place() -> None:
    """A setting that the file no longer names returns to its default; a missing secret is not a change."""
    directory = Directory(secrets={"CORP": SECRET})
    directory.apply(file_of(corp={**WITH_SECRET, "label": "Acme", "order": 3}))
    later = Directory(there=directory.there)
    assert len(later.apply(file_of(corp={**WITH_SECRET, "order": 4})).plan.changes) == 1
    client = stored(directory)
    assert client is not None
    assert (client.label, client.order) == ("", 4)
    assert secret_of(directory) == SECRET
    again = Directory(there=directory.there, secrets={"CORP": OTHER_SECRET})
    assert len(again.apply(file_of(corp={**WITH_SECRET, "order": 4})).plan.changes) == 1
    assert secret_of(directory) == OTHER_SECRET


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WITH_SECRET, {**CLIENT, "authentication": "private_key_jwt", "keyAlgorithm": "RS256"}),
        ({**CLIENT, "authentication": "private_key_jwt"}, WITH_SECRET),
        (WITH_SECRET, {**CLIENT, "authentication": "none"}),
        ({**CLIENT, "authentication": "none"}, {**CLIENT, "secret": {"secret": "CORP"}}),
        ({**CLIENT, "secret": {"secret": "CORP"}}, CLIENT),
    ],
)
def test_the_method_changes_with_its_credentials(before: dict[str, Any], after: dict[str, Any]) -> None:
    """In any order of the attributes, and a second apply changes nothing."""
    directory = Directory(secrets={"CORP": SECRET})
    directory.apply(file_of(corp=before))
    directory.apply(file_of(corp=after))
    client = stored(directory)
    assert client is not None
    assert client.authentication == after.get("authentication", "")
    assert bool(client.sealed_secret) == ("secret" in after)
    assert bool(client.keys) == (client.authentication == "private_key_jwt")
    assert directory.apply(file_of(corp=after)).plan.changes == ()


def test_a_client_gets_another_name_or_goes() -> None:
    """The former name is free before the new one is made; a file deletes only the clients that it made."""
    directory = Directory(secrets={"CORP": SECRET})
    directory.apply(file_of(corp=WITH_SECRET))
    directory.apply(file_of(acme=WITH_SECRET))
    assert (stored(directory), stored(directory, "acme") is None) == (None, False)
    assert directory.apply(file_of(acme=WITH_SECRET)).plan.changes == ()
    directory.apply(file_of())
    assert stored(directory, "acme") is None


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ({**CLIENT, "authentication": "client_secret_post"}, "needs the secret"),
        ({**CLIENT, "authentication": "private_key_jwt", "secret": {"secret": "CORP"}}, "does not have a secret"),
        ({**CLIENT, "authentication": "tls_client_auth"}, "expected one of"),
        ({**CLIENT, "secret": "s3cret-in-the-file"}, "a secret must not be in the file"),
        ({**CLIENT, "issuer": "https://login.example.org/?x"}, "not a valid issuer"),
        ({**CLIENT, "scopes": ["two words"]}, "is not valid"),
        ({**CLIENT, "logo": "https://evil.example.org/x.png"}, "The logo is"),
        ({"issuer": "https://login.example.org"}, "clientId is missing"),
        ({**CLIENT, "order": -1}, "a number from 0"),
    ],
)
def test_a_client_that_is_not_valid_is_refused(client: dict[str, Any], says: str) -> None:
    """The store is unchanged, and the message does not repeat a secret."""
    directory = Directory(secrets={"CORP": SECRET})
    directory.apply(file_of())
    with pytest.raises(ApplyFileError) as refused:
        directory.apply(file_of(corp=client))
    assert says in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert stored(directory) is None


@pytest.mark.parametrize("changed", [{"issuer": "https://other.example.org"}, {"clientId": "another"}])
def test_the_identity_of_a_client_is_fixed(changed: dict[str, str]) -> None:
    """Links and permissions refer to it."""
    directory = Directory(secrets={"CORP": SECRET})
    directory.apply(file_of(corp=WITH_SECRET))
    with pytest.raises(ApplyFileError, match="cannot change"):
        directory.apply(file_of(corp={**WITH_SECRET, **changed}))


def test_an_account_has_a_limited_number_of_clients() -> None:
    """The quota is that of the command."""
    directory = Directory(quotas=Quotas(oidc_clients=1))
    with pytest.raises(ApplyFileError, match="which is the maximum"):
        directory.apply(file_of(one=CLIENT, two={**CLIENT, "clientId": "two"}))


def test_no_output_contains_a_secret() -> None:
    """Neither the plan in both forms, the export, nor an audit event."""
    directory = Directory(secrets={"CORP": SECRET})
    plans = [directory.apply(file_of(corp=WITH_SECRET), is_trial=True).plan]
    plans.append(directory.apply(file_of(corp=WITH_SECRET)).plan)
    other = Directory(there=directory.there, secrets={"CORP": OTHER_SECRET}, events=directory.events)
    plans.append(other.apply(file_of(corp=WITH_SECRET)).plan)
    plans.append(other.apply(file_of(corp={**CLIENT, "authentication": "none"})).plan)
    texts = [show_plan(plan, is_done=False) + json.dumps(plain_plan(plan)) + repr(plan) for plan in plans]
    assert "+ secret" in texts[0]
    assert "~ secret" in texts[2]
    assert "- secret" in texts[3]
    events = b"".join(msgspec.json.encode(to_event(each)) for each in directory.events.all).decode()
    assert "CreateOidcClient" in events
    for text in (*texts, events, directory.export(with_keys=True), repr(stored(directory))):
        assert "s3cret" not in text
