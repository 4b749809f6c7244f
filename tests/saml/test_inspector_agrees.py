"""`daypass saml inspect` says what AssumeRoleWithSAML answers.

Responses with mistakes of every kind go to a running server and, as they are, to the inspector beside it. The verdict,
the exit code, the code and the words are the same.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from click.testing import CliRunner
from lxml import etree
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting, registered

from daypass.cli.operators.saml import command
from daypass.federation.saml.attributes import find_role_pair
from daypass.testing.saml import SAML, Assertion, encode, instant
from daypass.testing.saml_forge import ENVELOPED, EXCLUSIVE, Encryption, KeyPair, Signing
from daypass.testing.server import running_server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev"
ROLES = ("dev", "dev,ops", "ops")
FAR = "arn:aws:iam::210987654321"
_COMMENTED = f"{EXCLUSIVE}WithComments"
_ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"


@dataclass
class Draft:
    """A response in the making: each mistake changes one part."""

    now: datetime
    assertion: Assertion = field(default_factory=lambda: granting(ROLE))
    changes: list[Callable[[etree._Element], object]] = field(default_factory=list)
    signed: str = "assertion"
    how: Signing = field(default_factory=Signing)
    is_encrypted: bool = False
    is_of_another: bool = False
    texts: list[Callable[[str], str]] = field(default_factory=list)

    def set(self, **values: Any) -> None:
        """Change the assertion."""
        self.assertion = replace(self.assertion, **values)


Mistake = Callable[[Draft], object]


def _given(**values: Any) -> Mistake:
    return lambda draft: draft.set(**values)


def _roles(*values: str) -> Mistake:
    return _given(roles=values)


def _signing(**values: Any) -> Mistake:
    def change(draft: Draft) -> None:
        draft.how = replace(draft.how, **values)

    return change


def _signed(how: str) -> Mistake:
    return lambda draft: setattr(draft, "signed", how)


def _attribute(path: str, name: str, value: str | None) -> Mistake:
    """Set or remove an attribute of each element on a path."""

    def change(root: etree._Element) -> None:
        for element in [root] if path == "." else root.findall(path.replace("saml:", f"{{{SAML}}}")):
            if value is None:
                element.attrib.pop(name, "")
            else:
                element.set(name, value)

    return lambda draft: draft.changes.append(change)


def _ahead(path: str, name: str, seconds: int) -> Mistake:
    """Set a time so many seconds after the response is made."""

    def change(draft: Draft) -> None:
        def move(root: etree._Element) -> None:
            for element in [root] if path == "." else root.findall(path.replace("saml:", f"{{{SAML}}}")):
                element.set(name, instant(draft.now + timedelta(seconds=seconds)))

        draft.changes.append(move)

    return change


def _without(path: str) -> Mistake:
    def change(root: etree._Element) -> None:
        for element in root.findall(path.replace("saml:", f"{{{SAML}}}")):
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)

    return lambda draft: draft.changes.append(change)


def _twice(path: str) -> Mistake:
    def change(root: etree._Element) -> None:
        element = root.find(path.replace("saml:", f"{{{SAML}}}"))
        if element is not None:
            element.addnext(etree.fromstring(etree.tostring(element, with_tail=False)))

    return lambda draft: draft.changes.append(change)


def _text(path: str, value: str) -> Mistake:
    def change(root: etree._Element) -> None:
        for element in root.findall(path.replace("saml:", f"{{{SAML}}}")):
            element.text = value

    return lambda draft: draft.changes.append(change)


def _comment(path: str) -> Mistake:
    def change(root: etree._Element) -> None:
        for element in root.findall(path.replace("saml:", f"{{{SAML}}}")):
            element.append(etree.Comment(" note "))

    return lambda draft: draft.changes.append(change)


def _sent(change: Callable[[str], str]) -> Mistake:
    return lambda draft: draft.texts.append(change)


def _flip(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("B" if text[middle] != "B" else "C") + text[middle + 1 :]


_INNER = "saml:Assertion"
_DATA = f"{_INNER}/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData"
_CONDITIONS = f"{_INNER}/saml:Conditions"
_AUTHN = f"{_INNER}/saml:AuthnStatement"

MISTAKES: Mapping[str, Mistake] = {
    "none": lambda _: None,
    "aud-sign-in": _given(audiences=("https://signin.aws.amazon.com/saml",)),
    "aud-china": _given(audiences=("urn:amazon:webservices:cn-north-1",)),
    "aud-vpn": _given(audiences=("urn:amazon:webservices:clientvpn",)),
    "aud-none": _given(audiences=()),
    "aud-lookalike": _given(audiences=("https://signin.aws.amazon.com.evil/saml",)),
    "aud-two": _given(audiences=("https://other.example", "urn:amazon:webservices")),
    "recipient-acs": _given(recipient="https://eu-west-1.signin.aws.amazon.com/saml/acs/SAMLSP3V2TU7G4AEXAMPLE"),
    "recipient-other": _given(recipient="https://other.example/saml"),
    "recipient-http": _given(recipient="http://signin.aws.amazon.com/saml"),
    "role-spaces": _roles(f" {ROLE} ,\n\t{PROVIDER} "),
    "role-reversed": _roles(f"{PROVIDER}, {ROLE}"),
    "role-comma": _roles(f"{ROLE},ops,{PROVIDER}"),
    "role-no-break-space": _roles(f"{ROLE},\u00a0{PROVIDER}"),
    "role-of-another-provider": _roles(f"{ROLE},{PROVIDER}2"),
    "role-of-another-account": _roles(f"{FAR}:role/dev,{FAR}:saml-provider/idp"),
    "role-across-accounts": _roles(f"{ROLE},{FAR}:saml-provider/idp"),
    "role-several": _roles("nonsense", f"{FAR}:role/dev,{FAR}:saml-provider/idp", f"{ROLE},{PROVIDER}"),
    "role-none": _roles(),
    "role-nonsense": _roles("nonsense"),
    "name-none": _given(session_name=None),
    "name-empty": _given(session_name=""),
    "name-short": _given(session_name="a"),
    "name-longest": _given(session_name="a" * 64),
    "name-long": _given(session_name="a" * 65),
    "name-space": _given(session_name="alice smith"),
    "duration": _given(session_duration="900"),
    "duration-short": _given(session_duration="899"),
    "duration-fraction": _given(session_duration="3600.0"),
    "duration-blank": _given(session_duration=" 3600"),
    "duration-empty": _given(session_duration=""),
    "identity": _given(source_identity="a" * 256),
    "identity-long": _given(source_identity="a" * 257),
    "identity-short": _given(source_identity="a"),
    "identity-aws": _given(source_identity="aws:alice"),
    "tags": _given(tags={"Team": "blue", "Cost": ""}, transitive_keys=("Team",)),
    "tags-twice": _given(tags={"Team": "blue", "team": "red"}),
    "tags-aws": _given(tags={"aws:Team": "blue"}),
    "tags-transitive": _given(tags={"Team": "blue"}, transitive_keys=("Other",)),
    "tags-too-many": _given(tags={f"k{number}": "v" for number in range(51)}),
    "tags-too-large": _given(tags={f"key{number}": f"{number:02}" * 60 for number in range(50)}),
    "mail": _given(attributes={"urn:oid:0.9.2342.19200300.100.1.3": ["a@example.org", "b@example.org"]}),
    "mail-long": _given(attributes={"urn:oid:0.9.2342.19200300.100.1.3": ["a" * 2_049]}),
    "name-twice": _given(attributes={f"{_ATTRIBUTE}RoleSessionName": ["a", "b"]}),
    "nameid-empty": _given(name_id=""),
    "nameid-space": _given(name_id=" alice "),
    "nameid-transient": _given(name_id_format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
    "issuer-of-the-assertion": _given(issuer="https://other.example"),
    "issuer-of-the-response": _text("saml:Issuer", "https://other.example"),
    "issuer-of-the-response-absent": _without("saml:Issuer"),
    "expired": _given(lifetime=timedelta(seconds=-60)),
    "session-expired": _given(session_lifetime=timedelta(seconds=-60)),
    "session-ends": _given(session_lifetime=timedelta(minutes=20)),
    "one-time-use": _given(conditions_xml="<saml:OneTimeUse/>"),
    "unknown-condition": _given(conditions_xml='<x:Only xmlns:x="urn:x"/>'),
    "issued-ahead": _ahead(_INNER, "IssueInstant", 240),
    "issued-far-ahead": _ahead(_INNER, "IssueInstant", 400),
    "issued-long-ago": _ahead(_INNER, "IssueInstant", -400),
    "response-ahead": _ahead(".", "IssueInstant", 240),
    "response-far-ahead": _ahead(".", "IssueInstant", 400),
    "begins-ahead": _ahead(_CONDITIONS, "NotBefore", 240),
    "begins-far-ahead": _ahead(_CONDITIONS, "NotBefore", 400),
    "confirmation-ahead": _ahead(_DATA, "NotBefore", 240),
    "confirmation-far-ahead": _ahead(_DATA, "NotBefore", 400),
    "authenticated-ahead": _ahead(_AUTHN, "AuthnInstant", 240),
    "authenticated-far-ahead": _ahead(_AUTHN, "AuthnInstant", 400),
    "time-with-zone": _attribute(_CONDITIONS, "NotBefore", "2026-01-31T12:00:00+01:00"),
    "no-authn-instant": _attribute(_AUTHN, "AuthnInstant", None),
    "no-end": _attribute(_CONDITIONS, "NotOnOrAfter", None),
    "no-confirmation-end": _attribute(_DATA, "NotOnOrAfter", None),
    "no-recipient": _attribute(_DATA, "Recipient", None),
    "no-destination": _attribute(".", "Destination", None),
    "other-destination": _attribute(".", "Destination", "https://other.example/saml"),
    "version": _attribute(_INNER, "Version", "1.1"),
    "version-of-the-response": _attribute(".", "Version", "1.1"),
    "no-format": _attribute(f"{_INNER}/saml:Subject/saml:NameID", "Format", None),
    "holder-of-key": _attribute(
        f"{_INNER}/saml:Subject/saml:SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
    ),
    "no-conditions": _without(_CONDITIONS),
    "no-authn-statement": _without(_AUTHN),
    "no-attributes": _without(f"{_INNER}/saml:AttributeStatement"),
    "two-confirmations": _twice(f"{_INNER}/saml:Subject/saml:SubjectConfirmation"),
    "two-assertions": _twice(_INNER),
    "comment": _comment(f"{_INNER}/saml:Subject/saml:NameID"),
    "status": lambda draft: draft.changes.append(
        lambda root: next(root.iter("{*}StatusCode")).set("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
    ),
    "signed-response": _signed("response"),
    "signed-both": _signed("both"),
    "unsigned": _signed("none"),
    "of-another-key": lambda draft: setattr(draft, "is_of_another", True),
    "sha-1": _signing(method="rsa-sha1", digest="sha1"),
    "sha-512": _signing(method="rsa-sha512", digest="sha512"),
    "with-comments": _signing(canonicalization=_COMMENTED, transforms=(ENVELOPED, _COMMENTED)),
    "inclusive": _signing(canonicalization="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
    "encrypted": lambda draft: setattr(draft, "is_encrypted", True),
    "lines": _sent(lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n"),
    "one-character": _sent(_flip),
    "cut": _sent(lambda text: text[: len(text) // 2]),
    "cut-oddly": _sent(lambda text: text[:-3]),
    "lost-plus": _sent(lambda text: f"{text[:9]} {text[10:]}"),
    "url-encoded": _sent(lambda text: text.replace("A", "%41")),
    "form-field": _sent(lambda text: f"SAMLResponse={text}"),
    "no-base64": _sent(lambda text: "{" + text),
    "empty": _sent(lambda _: ""),
    "short": _sent(lambda text: text[:3]),
    "too-long": _sent(lambda text: text + "\n" * (100_001 - len(text))),
}


@dataclass(frozen=True)
class Both:
    """A server with a provider, and the inspector beside it."""

    stage: Stage
    other: KeyPair
    encryption: Encryption
    sts: Any

    def response(self, *mistakes: str) -> tuple[str, str]:
        """Return a response with mistakes, and a role to ask for."""
        draft = Draft(self.stage.server.clock.now())
        for name in mistakes:
            MISTAKES[name](draft)
        idp = self.stage.idp
        root = idp.unsigned_response(draft.assertion, now=draft.now)
        for change in draft.changes:
            change(root)
        key = [*idp.keys]
        idp.keys = [self.other] if draft.is_of_another else key
        idp.seal(root, signed=draft.signed, how=draft.how, encryption=self.encryption if draft.is_encrypted else None)
        idp.keys = key
        text = encode(root)
        for spoil in draft.texts:
            text = spoil(text)
        pairs = [pair for pair in map(find_role_pair, draft.assertion.roles) if pair and pair.provider == PROVIDER]
        return text, pairs[0].role if pairs else ROLE

    def answered(self, text: str, role: str) -> tuple[str, str]:
        """Return the code and the words of STS's refusal, or two empty strings."""
        try:
            self.sts.assume_role_with_saml(RoleArn=role, PrincipalArn=PROVIDER, SAMLAssertion=text)
        except ClientError as error:
            return error.response["Error"]["Code"], _normal(error.response["Error"]["Message"])
        return "", ""

    def inspected(self, text: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the document of the inspector."""
        server = self.stage.server
        options = (*options, "--public-url", server.url, "--store", server.config.store, "--output", "json")
        done = CliRunner().invoke(command, ["inspect", "-", *options], input=text.encode())
        assert done.exit_code in {0, 5, 6}, done.output
        return done.exit_code, json.loads(done.stdout)

    def compare(self, *mistakes: str, provider: str = "") -> None:
        """Require the same of STS and of the inspector, which finds the provider or is told."""
        text, role = self.response(*mistakes)
        code, words = self.answered(text, role)
        exit_code, document = self.inspected(text, *(("--provider", provider) if provider else ()))
        if document["Provider"] is None and not provider:
            # Without a provider the first words may be others, but the response is never accepted.
            assert code, mistakes
            assert exit_code in {5, 6}, mistakes
            return
        said = (document["Code"] or "", _normal(document["Message"] or ""))
        assert said == (code, words), (mistakes, document)
        assert document["Outcome"] == ("refused" if code else "accepted"), mistakes
        assert exit_code == (5 if code else 0), mistakes
        failed = [check for check in document["Checks"] if check["Outcome"] == "failed"]
        assert bool(failed) == bool(code), (mistakes, document)


def _normal(words: str) -> str:
    """Remove the identifier of the inner request, which differs in every answer."""
    return re.sub(r"Request ID: [^;]*;", "Request ID: X;", words)


@pytest.fixture(scope="module")
def both(keys: tuple[KeyPair, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Run a server on a store that the inspector can open too."""
    store = f"sqlite:///{tmp_path_factory.mktemp('store') / 'd.db'}"
    with running_server(store=store) as server:
        stage = registered(server, keys[0])
        for name in ROLES:
            stage.role(name)
        stage.iam.update_saml_provider(
            SAMLProviderArn=PROVIDER, AssertionEncryptionMode="Allowed", AddPrivateKey=keys[2].pem
        )
        sts = boto3.client(
            "sts",
            endpoint_url=server.url,
            region_name="us-east-1",
            config=BotoConfig(
                signature_version=UNSIGNED, parameter_validation=False, retries={"total_max_attempts": 1}
            ),
        )
        public = keys[2].private.public_key()
        yield Both(stage, keys[1], Encryption(to=public), sts)  # type: ignore[arg-type] # RSA


SOME = sorted(MISTAKES)[::4]


@pytest.mark.parametrize("mistake", SOME)
def test_a_response_with_a_mistake(both: Both, mistake: str) -> None:
    """A mistake of each kind, with the provider that the inspector finds."""
    both.compare(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_response_with_one_mistake(both: Both, mistake: str) -> None:
    """Every mistake alone, with the provider that the inspector finds and with the one that it is told."""
    both.compare(mistake)
    both.compare(mistake, provider=PROVIDER)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_responses_with_several_mistakes(both: Both, seed: int) -> None:
    """Two to four mistakes: STS stops at the first, and the inspector says which one that is."""
    dice = random.Random(seed)  # noqa: S311 - a test
    for _ in range(40):
        mistakes = dice.sample(sorted(MISTAKES), dice.randint(2, 4))
        both.compare(*mistakes, provider=dice.choice(["", PROVIDER]))


def test_the_provider_of_the_role_values_is_found_first(both: Both) -> None:
    """Two providers with one entity ID: a caller names the one in the Role value, and so does the inspector."""
    twin = f"arn:aws:iam::{ACCOUNT}:saml-provider/a-twin"
    iam = both.stage.iam
    iam.create_saml_provider(Name="a-twin", SAMLMetadataDocument=both.stage.idp.metadata_xml())
    try:
        for provider in (PROVIDER, twin):
            response = both.stage.response(granting(ROLE, provider=provider))
            code, document = both.inspected(response)
            assert (code, document["Provider"]) == (0, provider)
        code, document = both.inspected(both.stage.response(granting(ROLE, provider=f"{twin}2")))
        assert (code, document["Outcome"]) == (5, "refused")
    finally:
        iam.delete_saml_provider(SAMLProviderArn=twin)


def test_a_response_of_an_unknown_issuer_has_no_verdict(both: Both) -> None:
    """No provider has the issuer, and no Role value names one: the inspector cannot know whom a caller would name."""
    draft = granting(f"{FAR}:role/dev", provider=f"{FAR}:saml-provider/idp", issuer="https://unknown.example")
    root = both.stage.idp.unsigned_response(draft, now=both.stage.server.clock.now())
    root[0].text = "https://unknown.example"
    both.stage.idp.seal(root, signed="assertion")
    code, document = both.inspected(encode(root))
    assert (code, document["Outcome"], document["Provider"]) == (6, "unknown", None)
