"""SAML responses: an accepted identity is exactly the one that the provider signed."""

import base64
import copy
from dataclasses import replace
from datetime import UTC, datetime

from lxml import etree
from tests.fuzz.choices import Choices, mutated

from daypass.errors import Fault
from daypass.federation.saml.identity import SamlIdentity, identify
from daypass.federation.saml.metadata import parse_metadata
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_IDP = SamlIdentityProvider(keys=[make_key_pair("p-256")])
_OTHER_IDP = SamlIdentityProvider(keys=[make_key_pair("p-256")])
_TRUST = Trust("123456789012", "idp", parse_metadata(_IDP.metadata_xml(), now=_NOW))
_PAIR = "arn:aws:iam::123456789012:role/dev,arn:aws:iam::123456789012:saml-provider/idp"
_SAID = Assertion(roles=(_PAIR,), tags={"team": "red"}, source_identity="alice")
_SIGNED = ("assertion", "response", "both")
_GENUINE = {how: base64.b64decode(_IDP.response(_SAID, now=_NOW, signed=how)) for how in _SIGNED}
_BY_ANOTHER_IDP = base64.b64decode(_OTHER_IDP.response(replace(_SAID, name_id="eve"), now=_NOW, signed="both"))


def fuzz_one(data: bytes) -> None:
    """Verify a response.

    It is an arbitrary string, damaged bytes, or a response whose elements were moved, copied, renamed and mixed.
    """
    choices = Choices(data)
    choices.pick((_raw, _bent, _moved, _strange))(choices)


def _verified(document: bytes) -> SamlIdentity | None:
    try:
        response = base64.b64encode(document).decode()
        return identify(response, trust=_TRUST, settings=SamlSettings(), now=_NOW)
    except Fault:
        return None


_EXPECTED = {how: _verified(_GENUINE[how]) for how in _SIGNED}


def _check(document: bytes, how: str) -> None:
    found = _verified(document)
    assert found is None or found == _EXPECTED[how], "an identity that the provider did not sign"


def _raw(choices: Choices) -> None:
    document = choices.rest()
    assert _verified(document) is None
    try:
        text = document.decode("utf-8", "surrogateescape")
        assert identify(text, trust=_TRUST, settings=SamlSettings(), now=_NOW) is None
    except Fault:
        return


def _bent(choices: Choices) -> None:
    how = choices.pick(_SIGNED)
    _check(mutated(_GENUINE[how], choices), how)


def _moved(choices: Choices) -> None:
    how = choices.pick(_SIGNED)
    root = etree.fromstring(_GENUINE[how])
    pool = [*etree.fromstring(_BY_ANOTHER_IDP).iter("*"), *copy.deepcopy(root).iter("*")]
    for _ in range(1 + choices.below(4)):
        _change(root, pool, choices)
    _check(etree.tostring(root), how)


def _change(root: etree._Element, pool: list[etree._Element], choices: Choices) -> None:
    elements = list(root.iter("*"))
    here, kind = choices.pick(elements), choices.below(7)
    if kind == 0:
        here.insert(choices.below(len(here) + 1), copy.deepcopy(choices.pick(pool)))
    elif kind == 1 and here is not root:
        parent = here.getparent()
        if parent is not None:
            parent.replace(here, copy.deepcopy(choices.pick(pool)))
    elif kind == 2 and here is not root:
        target = choices.pick(elements)
        if target is not here and here not in target.iterancestors():
            target.insert(choices.below(len(target) + 1), here)
    elif kind == 3:
        here.text = choices.pick((_PAIR.replace("dev", "admin"), "eve", "", None, "urn:amazon:webservices"))
    elif kind == 4 and here.attrib:
        name = choices.pick(sorted(here.attrib))
        here.set(name, choices.pick((here.get(name, ""), "_x", "", "2027-01-01T00:00:00Z", "https://eve.example")))
    elif kind == 5:
        here.insert(0, etree.Comment("x"))
    else:
        here.tag = choices.pick(elements).tag


def _strange(choices: Choices) -> None:
    document = mutated(_BY_ANOTHER_IDP, choices) if choices.flag() else _BY_ANOTHER_IDP
    assert _verified(document) is None, "a signature by another provider"
