"""An attack on a response: its name, its manipulation, its outcome.

The genuine response is accepted first, or a refusal of the manipulated one would prove little.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import pytest
from lxml import etree
from tests.federation.saml.conftest import NOW, World

from daypass.errors import Fault
from daypass.federation.saml.identity import SamlIdentity
from daypass.federation.saml.inspect import inspect_response
from daypass.testing.saml import decode, encode

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
EVIL = "mallory@evil.example"

Bent = str | bytes | etree._Element
Bend = Callable[[World, etree._Element], Bent]


class Verdict(Enum):
    """The expected outcome for a response."""

    ACCEPT = "accepted, with the signed identity"
    SAME = "accepted with exactly the signed identity, or refused"
    REJECT = "refused"


@dataclass(frozen=True, slots=True)
class Attack:
    """One manipulation."""

    name: str
    verdict: Verdict
    bend: Bend
    code: str


class Book:
    """The attacks of one file, in their order in the source."""

    def __init__(self) -> None:
        self.attacks: list[Attack] = []

    def rejects(self, name: str, code: str = "InvalidIdentityToken") -> Callable[[Bend], Bend]:
        """Register a manipulation that must be refused with AWS's code."""
        return self._add(name, Verdict.REJECT, code)

    def same(self, name: str) -> Callable[[Bend], Bend]:
        """Register a manipulation that may be accepted as the signed content."""
        return self._add(name, Verdict.SAME, "InvalidIdentityToken")

    def accepts(self, name: str) -> Callable[[Bend], Bend]:
        """Register a variation that must be accepted."""
        return self._add(name, Verdict.ACCEPT, "")

    def _add(self, name: str, verdict: Verdict, code: str) -> Callable[[Bend], Bend]:
        def add(bend: Bend) -> Bend:
            self.attacks.append(Attack(name, verdict, bend, code))
            return bend

        return add

    def parametrize(self) -> pytest.MarkDecorator:
        """Return the mark that runs a test once for each attack, by name."""
        names = [attack.name for attack in self.attacks]
        assert len(set(names)) == len(names), "an attack is written down twice"
        return pytest.mark.parametrize("attack", self.attacks, ids=names)


def run(world: World, attack: Attack, *, signed: str = "assertion") -> None:
    """Check that the genuine response is accepted, then run the attack."""
    genuine = world.response(signed=signed)
    control = world.judge(genuine)
    judged = _judge(world, attack.bend(world, decode(genuine)))
    if isinstance(judged, Fault):
        assert attack.verdict is not Verdict.ACCEPT, judged.detail
        assert judged.code == (attack.code or "InvalidIdentityToken"), judged.detail
        assert judged.detail
        return
    assert attack.verdict is not Verdict.REJECT, "a manipulated response was taken"
    assert _names(judged) == _names(control)


def _judge(world: World, bent: Bent) -> SamlIdentity | Fault:
    """Return the outcome, which is the inspector's too."""
    text = bent if isinstance(bent, str) else encode(bent)
    report = inspect_response(text, trust=world.trust, settings=world.settings, now=NOW)
    judged: SamlIdentity | Fault
    try:
        judged = world.judge(text)
    except Fault as refusal:
        judged = refusal
    code = judged.code if isinstance(judged, Fault) else ""
    assert (report.verdict, report.code, bool(report.failed)) == ("refused" if code else "accepted", code, bool(code))
    if isinstance(judged, Fault):
        assert report.message.partition(" (Service:")[0] == judged.message.partition(" (Service:")[0]
    return judged


def _names(identity: SamlIdentity) -> tuple[object, ...]:
    return (identity.subject, identity.roles, identity.issuer, identity.audience, identity.session_name)


def assertion_of(root: etree._Element) -> etree._Element:
    """Return the assertion of a response."""
    return child(root, f"{SAML}Assertion")


def signature_of(element: etree._Element) -> etree._Element:
    """Return the signature of an element."""
    return child(element, f"{DS}Signature")


def child(element: etree._Element, path: str) -> etree._Element:
    """Return a child that must exist."""
    found = element.find(path)
    assert found is not None, path
    return found


def forged(assertion: etree._Element, identifier: str | None = "_forged") -> etree._Element:
    """Return an unsigned copy of an assertion with another subject."""
    copied = copy.deepcopy(assertion)
    copied.tail = None
    for signature in copied.findall(f"{DS}Signature"):
        copied.remove(signature)
    child(copied, f"{SAML}Subject/{SAML}NameID").text = EVIL
    if identifier is not None:
        copied.set("ID", identifier)
    return copied


def parse(text: str) -> etree._Element:
    """Return a tree."""
    return etree.fromstring(text)
