"""Identity providers in a file: checks, encryption, and private keys by reference."""

from typing import Any

import pytest
from tests.apply.directory import ACCOUNT, Directory, one_account
from tests.apply.test_form import read

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.plan_output import plain_plan, show_plan
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.saml_providers import find_provider, set_switches
from daypass.federation.saml.private_key import fingerprint, parse_private_key
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair

IDP = SamlIdentityProvider()
PEMS = [make_key_pair().pem for _ in range(3)]
NAMES = [fingerprint(parse_private_key(pem)) for pem in PEMS]
ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"


@pytest.fixture
def directory() -> Directory:
    """Return an empty store, and the secrets K0 to K2."""
    return Directory(secrets={f"K{index}": pem for index, pem in enumerate(PEMS)})


def idp(*keys: int, **fields: Any) -> str:
    """Return a file with one provider that has these keys."""
    if keys:
        fields["privateKeys"] = {NAMES[index]: {"secret": f"K{index}"} for index in keys}
    return one_account(samlProviders={"idp": {"metadata": IDP.metadata_xml(), **fields}})


def stored(directory: Directory) -> SamlProvider:
    """Return the provider in the store."""
    with directory.there.store.read() as reader:
        found = find_provider(reader, ARN)
    assert found is not None
    return found


def held(directory: Directory) -> set[str]:
    """Return the fingerprints of the provider's keys."""
    thing = directory.thing("samlProvider", "idp")
    assert thing is not None
    return set(thing.value("privateKeys"))


LOGO = "data:image/png;base64,iVBORw0KGgo="


def test_the_sign_in_page_shows_what_the_file_says(directory: Directory) -> None:
    """Label, logo and order are set with the provider, are exported, and go when the file no longer names them."""
    file = idp(label="Acme SSO", logo=LOGO, order=2)
    directory.apply(file)
    assert (stored(directory).label, stored(directory).logo, stored(directory).order) == ("Acme SSO", LOGO, 2)
    assert not directory.apply(file).plan.changes
    directory.apply(idp(label="Acme"))
    assert stored(directory).label == "Acme"
    directory.apply(idp(label="", logo="", order=0))
    assert (stored(directory).label, stored(directory).logo, stored(directory).order) == ("", "", 0)
    assert any(event.action == "SetSAMLProviderDisplay" for event in directory.events.all)


def test_propagation_is_set_beside_new_metadata(directory: Directory) -> None:
    """One apply may change both, although a request of IAM changes one."""
    context = {"subjectSourceKey": "Subject/NameID", "subjectTypeValue": "user"}
    file = idp(contextProvider=context)
    directory.apply(file)
    assert not directory.apply(file).plan.changes
    other = SamlIdentityProvider().metadata_xml()
    wanted = {"subjectSourceKey": "uid", "keyDefinitionList": [{"sourceKey": "dep"}]}
    changed = one_account(samlProviders={"idp": {"metadata": other, "contextProvider": wanted}})
    directory.apply(changed)
    assert not directory.apply(changed).plan.changes
    found = stored(directory)
    assert found.metadata == other
    assert found.context_provider is not None
    assert found.context_provider.subject_source_key == "uid"
    directory.apply(idp())
    assert stored(directory).context_provider is None


@pytest.mark.parametrize("fields", [{"logo": "https://cdn.example.com/x.png"}, {"label": "a\u202eb"}, {"order": -1}])
def test_what_the_page_cannot_show_is_refused(directory: Directory, fields: dict[str, Any]) -> None:
    """A page loads no image of another host, and shows no hidden characters."""
    with pytest.raises(ApplyFileError):
        directory.apply(idp(**fields))


def test_switches_are_set_and_go_with_the_file(directory: Directory) -> None:
    """Relaxed checks are set with the provider, are exported, and become strict when the file no longer names them."""
    shown = show_plan(directory.apply(idp(lax=True, allowSha1=True)).plan, is_done=True)
    assert "+ lax: true" in shown
    assert (stored(directory).lax, stored(directory).allow_sha1) == (True, True)
    assert not directory.apply(idp(lax=True, allowSha1=True)).plan.changes
    shown = show_plan(directory.apply(idp(lax=False)).plan, is_done=True)
    assert "~ lax: true -> false" in shown
    assert (stored(directory).lax, stored(directory).allow_sha1) == (False, False)
    assert any(event.action == "SetSAMLProviderSwitches" for event in directory.events.all)


def test_switches_that_an_operator_set_are_left_alone(directory: Directory) -> None:
    """Checks that the file does not mention stay unchanged."""
    directory.apply(idp())
    with directory.there.store.write() as writer:
        set_switches(writer, stored(directory), lax=True)
    assert not directory.apply(idp()).plan.changes
    assert stored(directory).lax


def test_keys_come_with_the_provider_and_stand_nowhere_in_the_plan(directory: Directory) -> None:
    """Encryption becomes required with the first key.

    A key is never shown, and a second apply makes no changes.
    """
    text = idp(0, 1, encryptionMode="Required")
    plan = directory.apply(text).plan
    assert f"+ private key {NAMES[0]}" in show_plan(plan, is_done=True)
    assert "PRIVATE" not in show_plan(plan, is_done=True) + str(plain_plan(plan)) + str(directory.events.all[0].fault)
    assert (stored(directory).encryption, held(directory)) == ("Required", set(NAMES[:2]))
    assert not directory.apply(text).plan.changes
    directory.secrets = {}
    assert not directory.apply(text).plan.changes


@pytest.mark.parametrize(
    ("before", "after"), [((0,), (1,)), ((0, 1), (1, 2)), ((0, 1), (2,)), ((0,), (1, 2)), ((0,), (0, 1))]
)
def test_keys_rotate_while_encryption_is_required(
    directory: Directory, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """There is always a key for decryption, and never more than two."""
    directory.apply(idp(*before, encryptionMode="Required"))
    directory.apply(idp(*after, encryptionMode="Required"))
    assert held(directory) == {NAMES[index] for index in after}
    directory.apply(idp())
    assert (stored(directory).encryption, held(directory)) == ("Allowed", set())


def test_encryption_begins_with_a_key(directory: Directory) -> None:
    """On an existing provider, the key is added before Required.

    Without a key the API refuses Required.
    """
    directory.apply(idp())
    with pytest.raises(ApplyFileError, match="needs a private key"):
        directory.apply(idp(encryptionMode="Required"))
    directory.apply(idp(2, encryptionMode="Required"))
    assert (stored(directory).encryption, held(directory)) == ("Required", {NAMES[2]})


def test_private_keys_are_exported_as_references_alone(directory: Directory) -> None:
    """They are exported only on request, like access keys."""
    directory.apply(idp(0, encryptionMode="Required", lax=True))
    assert "privateKeys" not in directory.export()
    assert "encryptionMode: Required" in directory.export()
    text = directory.export(with_keys=True)
    assert "PRIVATE" not in text
    assert not directory.apply(text).plan.changes
    other = Directory(secrets={stored(directory).keys[0].id: PEMS[0]})
    other.apply(text)
    assert (stored(other).encryption, stored(other).lax, held(other)) == ("Required", True, {NAMES[0]})


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        ({}, "is missing"),
        ({"K0": "nonsense"}, "not an unencrypted private key"),
        ({"K0": "é"}, "PEM"),
        ({"K0": PEMS[1]}, f"a different key: {NAMES[1]}"),
    ],
    # The keys are new in each process, and so would their names be here.
    ids=["absent", "nonsense", "not ASCII", "another"],
)
def test_a_key_that_is_not_the_one_meant_is_refused(secrets: dict[str, str], says: str) -> None:
    """The refusal has its place and does not show the key.

    The store is unchanged.
    """
    directory = Directory(secrets=secrets)
    with pytest.raises(ApplyFileError, match=says) as caught:
        directory.apply(idp(0))
    assert str(caught.value).startswith(f"accounts.{ACCOUNT}.samlProviders.idp.privateKeys.{NAMES[0]}")
    assert "PRIVATE" not in str(caught.value)
    assert directory.thing("samlProvider", "idp") is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"lax": "yes"}, "lax"),
        ({"encryptionMode": "Maybe"}, "encryptionMode"),
        ({"privateKeys": {NAMES[0]: PEMS[0]}}, f"privateKeys.{NAMES[0]}"),
        ({"privateKeys": {"mine": {"secret": "K0"}}}, "privateKeys.mine"),
    ],
    ids=["lax", "mode", "key in the file", "key by name"],
)
def test_fields_of_the_wrong_form_are_refused(fields: dict[str, Any], place: str) -> None:
    """A key in the file is refused and not repeated."""
    with pytest.raises(ApplyFileError) as caught:
        read(idp(**fields))
    assert str(caught.value).startswith(f"accounts.{ACCOUNT}.samlProviders.idp.{place}:")
    assert "PRIVATE" not in str(caught.value)
