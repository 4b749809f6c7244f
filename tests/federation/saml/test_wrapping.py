"""Signature wrapping: a genuine signature, but over other content."""

import copy

from lxml import etree
from tests.federation.saml.attack import (
    DS,
    SAML,
    SAMLP,
    Attack,
    Book,
    assertion_of,
    child,
    forged,
    parse,
    run,
    signature_of,
)
from tests.federation.saml.conftest import World

from daypass.testing.saml import decode
from daypass.testing.saml_forge import Signing, digest_of, sign

ASSERTION, RESPONSE, BOTH = Book(), Book(), Book()


@RESPONSE.rejects("xsw1")
def _(world: World, root: etree._Element) -> etree._Element:
    outer = _forged_response(root)
    signature = signature_of(root)
    root.remove(signature)
    signature.append(root)
    outer.insert(1, signature)
    return outer


@RESPONSE.rejects("xsw2")
def _(world: World, root: etree._Element) -> etree._Element:
    outer = _forged_response(root)
    signature = signature_of(root)
    root.remove(signature)
    outer.insert(1, root)
    outer.insert(2, signature)
    return outer


@ASSERTION.rejects("xsw3")
def _(world: World, root: etree._Element) -> etree._Element:
    root.insert(root.index(assertion_of(root)), forged(assertion_of(root)))
    return root


@ASSERTION.rejects("xsw4")
@BOTH.rejects("xsw4-both")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original)
    root.replace(original, evil)
    evil.append(original)
    return root


@ASSERTION.rejects("xsw5")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original)
    signature = signature_of(original)
    original.remove(signature)
    evil.insert(1, signature)
    root.replace(original, evil)
    root.append(original)
    return root


@ASSERTION.rejects("xsw6")
def _(world: World, root: etree._Element) -> etree._Element:
    return _kept_inside(root, "_forged", wrapper=None)


@ASSERTION.rejects("xsw7")
@BOTH.rejects("xsw7-both")
def _(world: World, root: etree._Element) -> etree._Element:
    extensions = etree.SubElement(root, f"{SAMLP}Extensions")
    extensions.append(forged(assertion_of(root), identifier=None))
    root.insert(1, extensions)
    return root


@ASSERTION.rejects("xsw8")
def _(world: World, root: etree._Element) -> etree._Element:
    return _kept_inside(root, None, wrapper=f"{DS}Object")


@ASSERTION.rejects("xsw-advice")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original)
    root.replace(original, evil)
    etree.SubElement(evil, f"{SAML}Advice").append(original)
    return root


@ASSERTION.rejects("xsw-sig-moved")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original)
    evil.insert(1, signature_of(original))
    root.insert(root.index(original), evil)
    return root


@ASSERTION.rejects("xsw-foreign-namespace")
def _(world: World, root: etree._Element) -> etree._Element:
    # A parser that compares local names only would accept the assertion of another namespace.
    evil = forged(assertion_of(root))
    evil.tag = "{urn:other}Assertion"
    root.append(evil)
    return root


@ASSERTION.rejects("dup-id-first")
def _(world: World, root: etree._Element) -> etree._Element:
    root.insert(root.index(assertion_of(root)), forged(assertion_of(root), identifier=None))
    return root


@ASSERTION.rejects("dup-id-elsewhere")
def _(world: World, root: etree._Element) -> etree._Element:
    root.set("ID", str(assertion_of(root).get("ID")))
    return root


@ASSERTION.rejects("sig-removed")
def _(world: World, root: etree._Element) -> etree._Element:
    assertion_of(root).remove(signature_of(assertion_of(root)))
    return root


@ASSERTION.rejects("sig-removed-forged")
def _(world: World, root: etree._Element) -> etree._Element:
    root.replace(assertion_of(root), forged(assertion_of(root)))
    return root


@ASSERTION.rejects("ref-only-issuer")
def _(world: World, root: etree._Element) -> etree._Element:
    # A signature of the provider that covers the Issuer alone, in a forged assertion.
    evil = forged(assertion_of(root))
    issuer = child(evil, f"{SAML}Issuer")
    issuer.set("ID", "_issuer")
    sign(evil, world.idp.key, Signing(uri="#_issuer", covered=issuer))
    root.replace(assertion_of(root), evil)
    return root


@ASSERTION.rejects("ref-namespaced-id")
def _(world: World, root: etree._Element) -> etree._Element:
    return _polluted(root, f"{SAML}ID")


@ASSERTION.rejects("ref-xmlid")
def _(world: World, root: etree._Element) -> etree._Element:
    return _polluted(root, "{http://www.w3.org/XML/1998/namespace}id")


@ASSERTION.rejects("ref-id-case")
def _(world: World, root: etree._Element) -> etree._Element:
    return _polluted(root, "Id", "id")


@ASSERTION.rejects("cve-2024-45409-statusdetail")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original, identifier=None)
    evil.insert(1, signature_of(original))
    root.replace(original, evil)
    detail = etree.SubElement(child(root, f"{SAMLP}Status"), f"{SAMLP}StatusDetail")
    etree.SubElement(detail, f"{DS}DigestValue").text = digest_of(evil)
    return root


@ASSERTION.rejects("cve-2025-47949-samlify")
def _(world: World, root: etree._Element) -> etree._Element:
    # The signed assertion is where a search for signatures finds it, but the data would be read from another one.
    original = assertion_of(root)
    root.replace(original, forged(original))
    extensions = etree.SubElement(root, f"{SAMLP}Extensions")
    extensions.append(original)
    return root


@ASSERTION.rejects("cve-2025-54369-unsigned-read")
def _(world: World, root: etree._Element) -> etree._Element:
    # Values changed after signing: a parser that uses the original instead of the verified bytes would accept them.
    child(assertion_of(root), f"{SAML}Subject/{SAML}NameID").text = "mallory"
    return root


@ASSERTION.rejects("cve-2025-25291-two-signatures")
def _(world: World, root: etree._Element) -> etree._Element:
    original = assertion_of(root)
    evil = forged(original, identifier=None)
    signature = signature_of(original)
    second = copy.deepcopy(signature)
    evil.insert(1, signature)
    evil.insert(2, second)
    root.replace(original, evil)
    return root


@ASSERTION.rejects("two-signatures-in-assertion")
def _(world: World, root: etree._Element) -> etree._Element:
    assertion = assertion_of(root)
    assertion.insert(2, copy.deepcopy(signature_of(assertion)))
    return root


@ASSERTION.rejects("two-signed-one-untrusted")
def _(world: World, root: etree._Element) -> etree._Element:
    evil = forged(assertion_of(root))
    sign(evil, world.attacker)
    root.insert(root.index(assertion_of(root)), evil)
    return root


@ASSERTION.rejects("two-assertions-signed")
def _(world: World, root: etree._Element) -> etree._Element:
    # Ambiguous, though both are genuine.
    root.append(assertion_of(decode(world.response())))
    return root


@ASSERTION.rejects("response-signed-by-attacker")
def _(world: World, root: etree._Element) -> etree._Element:
    root.insert(root.index(assertion_of(root)), forged(assertion_of(root)))
    sign(root, world.attacker)
    return root


@ASSERTION.rejects("response-signature-by-attacker-over-genuine-assertion")
def _(world: World, root: etree._Element) -> etree._Element:
    # Every signature must be valid, even one that is not required.
    sign(root, world.attacker)
    return root


@BOTH.rejects("response-changed-after-signing")
def _(world: World, root: etree._Element) -> etree._Element:
    root.set("InResponseTo", "_other")
    return root


@ASSERTION.rejects("no-assertion-response-signed")
def _(world: World, root: etree._Element) -> etree._Element:
    root.remove(assertion_of(root))
    sign(root, world.idp.key)
    return root


@ASSERTION.rejects("control-signed-response-only")
def _(world: World, root: etree._Element) -> etree._Element:
    # AWS requires a signature on the assertion itself.
    return world.sealed(world.unsigned(), "response")


@ASSERTION.rejects("assertion-as-root")
def _(world: World, root: etree._Element) -> etree._Element:
    return assertion_of(root)


@ASSERTION.rejects("wrong-root-ns")
def _(world: World, root: etree._Element) -> etree._Element:
    root.tag = "{urn:oasis:names:tc:SAML:1.0:protocol}Response"
    return root


@ASSERTION.rejects("response-inside-response")
def _(world: World, root: etree._Element) -> etree._Element:
    outer = parse('<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_outer"/>')
    outer.append(child(root, f"{SAMLP}Status"))
    outer.append(root)
    return outer


@ASSERTION.parametrize()
def test_wrapping_of_a_signed_assertion(world: World, attack: Attack) -> None:
    """Only the one assertion with its own signature is ever read."""
    run(world, attack)


@BOTH.parametrize()
def test_wrapping_where_both_are_signed(world: World, attack: Attack) -> None:
    """A second signature does not change the rules for the first."""
    run(world, attack, signed="both")


@RESPONSE.parametrize()
def test_wrapping_of_a_signed_response(world: World, attack: Attack) -> None:
    """A forged response around a genuine one does not match the signature."""
    run(world, attack, signed="both")


def _forged_response(root: etree._Element) -> etree._Element:
    outer = copy.deepcopy(root)
    outer.set("ID", "_outer")
    outer.remove(signature_of(outer))
    outer.replace(assertion_of(outer), forged(assertion_of(outer)))
    return outer


def _kept_inside(root: etree._Element, identifier: str | None, wrapper: str | None) -> etree._Element:
    """Replace the original with a forged assertion.

    The original moves into the signature of the forged one.
    """
    original = assertion_of(root)
    evil = forged(original, identifier=identifier)
    signature = signature_of(original)
    original.remove(signature)
    root.replace(original, evil)
    evil.insert(1, signature)
    (signature if wrapper is None else etree.SubElement(signature, wrapper)).append(original)
    return root


def _polluted(root: etree._Element, *names: str) -> etree._Element:
    """Give a forged assertion the signed identifier under another name.

    It also gets the signature.
    """
    original = assertion_of(root)
    evil = forged(original)
    for name in names:
        evil.set(name, str(original.get("ID")))
    evil.insert(1, signature_of(original))
    root.replace(original, evil)
    return root
