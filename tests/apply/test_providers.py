"""Issuers and identity providers in a file, with settings of the IAM API and of operators."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.apply.directory import ACCOUNT, Directory, Given, one_account
from tests.apply.test_form import read
from tests.federation.oidc.setting import jwks, key

from daypass.apply.file.desired import read_desired
from daypass.apply.file.file_parser import read_text
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.plan.plan_output import show_plan
from daypass.cli.operators.apply import FilesBeside
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.federation.oidc.issuers.operator_terms import set_terms
from daypass.testing.saml import SamlIdentityProvider

ISSUER = "issuer.example"
IDP = SamlIdentityProvider()
KEYS: dict[str, Any] = json.loads(jwks(key("RS256").jwk(), key("ES256").jwk()))


@pytest.fixture
def directory() -> Directory:
    """Return an empty store."""
    return Directory()


def issuer(**terms: Any) -> str:
    """Return a file with one issuer."""
    return one_account(oidcProviders={ISSUER: {"clientIds": ["a"], **terms}})


def stored(directory: Directory) -> OidcProvider:
    """Return the issuer in the store."""
    with directory.there.store.read() as reader:
        found = records.find(reader, OidcProvider, ACCOUNT, ISSUER)
    assert found is not None
    return found


def test_an_issuer_is_made_with_its_terms(directory: Directory) -> None:
    """Further claims and pinned keys are set with the provider.

    A second apply makes no changes.
    """
    text = issuer(furtherClaims=["groups", "realm/roles=roles"], pinnedKeys=KEYS, tags={"a": "b"})
    shown = show_plan(directory.apply(text).plan, is_done=False)
    assert '+ furtherClaims: ["groups", "realm/roles=roles"]' in shown
    assert "+ pinnedKeys" in shown
    assert stored(directory).further_claims == ("groups", "realm/roles=roles")
    assert json.loads(stored(directory).pinned_keys) == KEYS
    assert not directory.apply(text).plan.changes
    assert any(event.action == "SetOpenIDConnectProviderTerms" for event in directory.events.all)


def test_terms_change_in_place_and_go_with_the_file(directory: Directory) -> None:
    """The provider keeps its id.

    If the file no longer pins keys, they are fetched from the issuer again.
    """
    directory.apply(issuer())
    made = stored(directory)
    directory.apply(issuer(furtherClaims=["groups"], pinnedKeys=KEYS))
    assert stored(directory).id == made.id
    one = {"keys": KEYS["keys"][:1]}
    shown = show_plan(directory.apply(issuer(furtherClaims=["team"], pinnedKeys=one)).plan, is_done=True)
    assert '~ furtherClaims: ["groups"] -> ["team"]' in shown
    assert "~ pinnedKeys" in shown
    assert f'-      "kid": "{KEYS["keys"][1]["kid"]}"' in shown
    directory.apply(issuer())
    assert (stored(directory).further_claims, stored(directory).pinned_keys) == ((), "")


def test_terms_that_an_operator_set_otherwise_are_left_alone(directory: Directory) -> None:
    """Settings that the file does not mention stay unchanged."""
    directory.apply(issuer())
    with directory.there.store.write() as writer:
        set_terms(writer, stored(directory), further_claims=["groups"], pinned_keys=json.dumps(KEYS, indent=1))
    assert not directory.apply(issuer()).plan.changes
    # The layout of the keys does not matter.
    assert not directory.apply(issuer(furtherClaims=["groups"], pinnedKeys=KEYS)).plan.changes


def test_terms_are_exported_and_come_back(directory: Directory) -> None:
    """The export, applied to an empty store, creates the same provider."""
    directory.apply(issuer(furtherClaims=["groups"], pinnedKeys=KEYS))
    text = directory.export()
    assert yaml.safe_load(text)["accounts"][ACCOUNT]["oidcProviders"][ISSUER]["pinnedKeys"] == KEYS
    other = Directory()
    other.apply(text)
    assert other.export() == text
    assert not directory.apply(text).plan.changes


_CONTEXT: dict[str, Any] = {
    "subjectSourceKey": "sub",
    "subjectTypeSourceKey": "kind",
    "keyDefinitionList": [{"sourceKey": "dep", "targetKey": "Department"}, {"sourceKey": "acr"}],
}


def test_propagation_is_set_changed_and_removed(directory: Directory) -> None:
    """The file has AWS's members; a second apply changes nothing, and the export comes back."""
    text = issuer(contextProvider=_CONTEXT)
    assert '+ contextProvider: {"subjectSourceKey": "sub"' in show_plan(directory.apply(text).plan, is_done=False)
    assert not directory.apply(text).plan.changes
    exported = directory.export()
    assert yaml.safe_load(exported)["accounts"][ACCOUNT]["oidcProviders"][ISSUER]["contextProvider"] == _CONTEXT
    other = Directory()
    other.apply(exported)
    assert other.export() == exported
    changed = issuer(contextProvider={"subjectSourceKey": "email", "subjectTypeValue": "user", "keyDefinitionList": []})
    directory.apply(changed)
    assert not directory.apply(changed).plan.changes
    found = stored(directory).context_provider
    assert found is not None
    assert (found.subject_source_key, found.subject_type_value, found.key_definitions) == ("email", "user", ())
    directory.apply(issuer())
    assert stored(directory).context_provider is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "subjectSourceKey is missing"),
        ({"subjectSourceKey": "a  b"}, "not valid"),
        ({**_CONTEXT, "subjectTypeValue": "user"}, "but not both"),
        ({"subjectSourceKey": "sub", "keyDefinitionList": [{}]}, "sourceKey is missing"),
        ({"subjectSourceKey": "sub", "keyDefinitionList": {}}, "expected a list"),
        ({"subjectSourceKey": "sub", "keyDefinitionList": [{"sourceKey": f"k{n}"} for n in range(11)]}, "at most 10"),
        ({"subjectSourceKey": "sub", "keyDefinitionList": [{"sourceKey": "a"}, {"sourceKey": "A"}]}, "same key"),
        ({"subjectSourceKey": "sub", "identityCenterInstanceArn": "arn:x"}, "unknown field"),
    ],
)
def test_a_propagation_that_cannot_be_is_refused(directory: Directory, value: dict[str, Any], says: str) -> None:
    """By the shape of the file or by IAM's rules, and nothing is stored."""
    with pytest.raises(ApplyFileError, match=says):
        directory.apply(issuer(contextProvider=value))


def test_a_private_key_is_never_shown(directory: Directory) -> None:
    """A private key that was pinned by mistake is not trusted, and neither the export nor a plan prints it."""
    directory.apply(issuer())
    both = {"keys": [*KEYS["keys"], {**KEYS["keys"][0], "d": "c2VjcmV0"}]}
    with directory.there.store.write() as writer:
        set_terms(writer, stored(directory), pinned_keys=json.dumps(both))
    assert "c2VjcmV0" not in directory.export()
    plan = directory.apply(issuer(pinnedKeys={"keys": KEYS["keys"][:1]}), is_trial=True).plan
    assert plan.changes
    assert "c2VjcmV0" not in show_plan(plan, is_done=False)


def test_a_dry_run_pins_nothing(directory: Directory) -> None:
    """A dry run executes every change and rolls it back."""
    directory.apply(issuer())
    directory.apply(issuer(pinnedKeys=KEYS), is_trial=True)
    assert stored(directory).pinned_keys == ""


_WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"furtherClaims": ["groups", "sub"]}, "furtherClaims[1]", "already has a meaning"),
    ({"furtherClaims": ["https://acme.example/groups"]}, "furtherClaims[0]", "colon"),
    ({"furtherClaims": ["groups", "realm/groups=Groups"]}, "furtherClaims", "same name"),
    ({"furtherClaims": "groups"}, "furtherClaims", "expected a list"),
    ({"pinnedKeys": {}}, "pinnedKeys", "no list of keys"),
    ({"pinnedKeys": {"keys": []}}, "pinnedKeys", "no keys"),
    ({"pinnedKeys": {"keys": [{**KEYS["keys"][0], "kid": 7}]}}, "pinnedKeys.keys[0].kid", "quotes"),
    ({"pinnedKeys": {"keys": [*KEYS["keys"], {**KEYS["keys"][0], "d": "c2VjcmV0"}]}}, "pinnedKeys", "public keys"),
    ({"pinnedKeys": {"keys": ["x"]}}, "pinnedKeys.keys[0]", "a mapping"),
    ({"pinnedKeys": "../keys.json"}, "pinnedKeys", "a file beside"),
    ({"pinnedKeys": "/etc/keys.json"}, "pinnedKeys", "a file beside"),
    ({"pinnedKeys": ["x"]}, "pinnedKeys", "a list"),
    ({"pinnedKeys": "keys.json"}, "pinnedKeys", "no directory"),
]


@pytest.mark.parametrize(("terms", "place", "says"), _WRONG)
def test_terms_that_cannot_be_are_refused_with_their_place(terms: dict[str, Any], place: str, says: str) -> None:
    """The rules are those of `daypass oidc set`.

    A private key is never repeated.
    """
    with pytest.raises(ApplyFileError) as caught:
        read(issuer(**terms))
    assert str(caught.value).startswith(f"accounts.{ACCOUNT}.oidcProviders.{ISSUER}.{place}:")
    assert says in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"keys": [1]}', b"\xff", b"[" * 100_000, b" " * 2_000_000])
def test_a_file_of_keys_stands_beside_the_applied_one(tmp_path: Path, content: bytes | None) -> None:
    """The file is found from any working directory.

    A file without keys is refused with the place.
    """
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/good.json").write_text(json.dumps(KEYS))
    if content is not None:
        (tmp_path / "keys/bad.json").write_bytes(content)
    files = FilesBeside(tmp_path / "identity.yaml")

    def pinned(name: str) -> Any:
        desired = read_desired(read_text(issuer(pinnedKeys=name).encode()), Given({}), files)
        return desired.state[ACCOUNT, "oidcProvider", ISSUER].attributes["pinnedKeys"]

    assert json.loads(pinned("keys/good.json")) == KEYS
    for name in ("keys/bad.json", "keys"):
        with pytest.raises(ApplyFileError, match=r"pinnedKeys"):
            pinned(name)


def test_nothing_stands_beside_standard_input() -> None:
    """The working directory is not used instead."""
    with pytest.raises(OSError, match="standard input"):
        FilesBeside(Path("-")).read("keys.json", 10)


@pytest.mark.parametrize("kind", ["oidcProviders", "samlProviders"])
def test_tags_of_a_provider_change_in_place(directory: Directory, kind: str) -> None:
    """Tags are added, changed and removed on the existing provider.

    Tags of others stay.
    """
    name, fields = (
        (ISSUER, {"clientIds": ["a"]}) if kind == "oidcProviders" else ("idp", {"metadata": IDP.metadata_xml()})
    )
    word = kind.removesuffix("s")

    def tags() -> Any:
        thing = directory.thing(word, name)
        assert thing is not None
        return thing.id, thing.value("tags")

    directory.apply(one_account(**{kind: {name: {**fields, "tags": {"a": "1", "b": "1"}}}}))
    unique_id, _ = tags()
    arn = f"arn:aws:iam::{ACCOUNT}:" + (f"oidc-provider/{name}" if word == "oidcProvider" else f"saml-provider/{name}")
    action, member = (
        ("TagOpenIDConnectProvider", "OpenIDConnectProviderArn")
        if word == "oidcProvider"
        else ("TagSAMLProvider", "SAMLProviderArn")
    )
    params: dict[str, Any] = {member: arn, "Tags": [{"Key": "theirs", "Value": "x"}]}
    directory.call(action, ACCOUNT, **params)
    text = one_account(**{kind: {name: {**fields, "tags": {"a": "2", "c": "1"}}}})
    shown = show_plan(directory.apply(text).plan, is_done=True)
    assert '~ tag a: "1" -> "2"' in shown
    assert "- tag b" in shown
    assert '+ tag c: "1"' in shown
    assert tags() == (unique_id, {"a": "2", "c": "1", "theirs": "x"})
    assert not directory.apply(text).plan.changes
