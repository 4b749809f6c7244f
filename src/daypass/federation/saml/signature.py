"""Verify the signature of one element, and return the signed bytes.

Accepts only elements that passed the schema checks: one reference to the parent, two fixed transforms. Keys come from
the registered metadata; KeyInfo is never read. The element loses its signature, because the first transform removes it.
Why not a library: docs/decisions/0003-saml-signature.md.
Rules: XML Signature 1.1, 3.2 "Core validation".
"""

import binascii
import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from lxml import etree

from daypass.errors import Fault
from daypass.federation.saml.saml_faults import bad_signature
from daypass.federation.saml.schema_checks import find_prefixes
from daypass.federation.saml.signed_info import SignedInfo, find_usual_signed_info
from daypass.federation.saml.xml_names import DIGEST_METHODS, SIGNATURE_METHODS, SignatureMethod, ds
from daypass.federation.saml.xml_parser import CANONICAL, UnreadableXmlError, cut_out, parse_xml

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_QUICK_RSA = 4_096


class UnverifiedXmlSignature(msgspec.Struct, frozen=True):
    """The signature on an element's SignedInfo.

    It shows the key, not the signed content.
    """

    octets: bytes
    value: bytes
    method: SignatureMethod

    def is_made_by(self, key: PublicKey) -> bool:
        """Return whether a key made the signature over SignedInfo.

        The element may still have been changed.
        """
        return _is_signed_by(key, self.value, self.octets, self.method)


def find_unverified_signature(element: etree._Element) -> UnverifiedXmlSignature | None:
    """Return an element's own signature, or None if it cannot be verified."""
    try:
        signature = _child(element, "Signature")
        signed_info = _read_signed_info(_child(signature, "SignedInfo"))
        method = SIGNATURE_METHODS.get(signed_info.method)
        value = _decode(_child(signature, "SignatureValue"))
    except (Fault, UnreadableXmlError, etree.LxmlError):
        return None
    return None if method is None else UnverifiedXmlSignature(signed_info.octets, value, method)


class SignedElement(msgspec.Struct, frozen=True):
    """A signed element, parsed from the signed bytes, and its key."""

    element: etree._Element
    key: PublicKey


def verify_element(element: etree._Element, keys: Sequence[PublicKey], *, allow_sha1: bool) -> etree._Element:
    """Return the signed element, parsed from its canonical bytes.

    Raises the Fault for a bad signature.
    """
    return verify_signed_element(element, keys, allow_sha1=allow_sha1).element


def verify_signed_element(element: etree._Element, keys: Sequence[PublicKey], *, allow_sha1: bool) -> SignedElement:
    """Return the signed element and the key that signed it.

    The digest covers exactly these bytes, and the tree does not refer to the original document. Raises the Fault for a
    bad signature.
    """
    try:
        canonical, key = _verify_octets(element, keys, allow_sha1=allow_sha1)
        return SignedElement(parse_xml(canonical, CANONICAL), key)
    except UnreadableXmlError as problem:
        raise bad_signature(f"the signed element is not valid as a separate document: {problem}") from None
    except etree.LxmlError as problem:  # relative namespace names do not have a canonical form in libxml2
        raise bad_signature(f"the signed element has no canonical form: {problem}") from None


def check_signature(element: etree._Element, keys: Sequence[PublicKey], *, allow_sha1: bool) -> None:
    """Check the signature of an element, which keeps it.

    Raises the Fault for a bad signature.
    """
    try:
        alone = cut_out(element)
    except UnreadableXmlError as problem:
        raise bad_signature(f"the signed element is not valid as a separate document: {problem}") from None
    verify_signed_element(alone, keys, allow_sha1=allow_sha1)


def is_quick(key: PublicKey) -> bool:
    """Return whether a signature is verified with this key in about 0.1 ms."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size <= _QUICK_RSA
    return isinstance(key.curve, ec.SECP256R1)


def key_hash(key: PublicKey) -> str:
    """Return the hash that names a signing key: the SHA-256 of its public key.

    It is in lower-case hexadecimal, of the SubjectPublicKeyInfo in DER: a new certificate for the key has the same.
    """
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _verify_octets(element: etree._Element, keys: Sequence[PublicKey], *, allow_sha1: bool) -> tuple[bytes, PublicKey]:
    signature = _child(element, "Signature")
    signed_info = _read_signed_info(_child(signature, "SignedInfo"))
    value = _decode(_child(signature, "SignatureValue"))
    key = _find_signer(signed_info.octets, value, _allowed_method(signed_info, allow_sha1=allow_sha1), keys)
    _take_out(signature)
    canonical = _canonical(element, signed_info.prefixes)
    _verify_digest(canonical, signed_info, allow_sha1=allow_sha1)
    return canonical, key


def _read_signed_info(element: etree._Element) -> SignedInfo:
    """Return the values in the octets that the key signs, never those of the message's own tree."""
    usual = find_usual_signed_info(element)
    if usual is not None:
        return usual
    alone = cut_out(element)
    octets = _canonical(alone, find_prefixes(_child(alone, "CanonicalizationMethod")))
    signed = parse_xml(octets, CANONICAL)
    reference = _child(signed, "Reference")
    return SignedInfo(
        octets=octets,
        method=_algorithm(_child(signed, "SignatureMethod")),
        identifier=(reference.get("URI") or "").removeprefix("#"),
        prefixes=find_prefixes(_child(reference, "Transforms")[1]),
        digest_method=_algorithm(_child(reference, "DigestMethod")),
        digest=_child(reference, "DigestValue").text or "",
    )


def _algorithm(method: etree._Element) -> str:
    return method.get("Algorithm") or ""


def _allowed_method(signed_info: SignedInfo, *, allow_sha1: bool) -> SignatureMethod:
    method = SIGNATURE_METHODS.get(signed_info.method)
    if method is None or (method.legacy and not allow_sha1):
        raise bad_signature(f"the signature method {signed_info.method[:100]!r} is not allowed")
    return method


def _find_signer(octets: bytes, value: bytes, method: SignatureMethod, keys: Sequence[PublicKey]) -> PublicKey:
    for key in keys:
        if _is_signed_by(key, value, octets, method):
            return key
    raise bad_signature("SignatureValue was not made by a key of the provider's metadata")


def _is_signed_by(key: PublicKey, value: bytes, octets: bytes, method: SignatureMethod) -> bool:
    try:
        if method.key == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, padding.PKCS1v15(), method.hash)
            return True
        if method.key == "ec" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_der(value, key), octets, ec.ECDSA(method.hash))
            return True
    except InvalidSignature:
        return False
    return False


def _der(value: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return r and s of an ECDSA signature in OpenSSL's format.

    In XML each is as long as the order of the curve (RFC 4050 3.3).
    """
    half = (key.key_size + 7) // 8
    if len(value) != 2 * half:
        raise InvalidSignature
    return utils.encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))


def _verify_digest(canonical: bytes, signed_info: SignedInfo, *, allow_sha1: bool) -> None:
    algorithm = signed_info.digest_method
    method = DIGEST_METHODS.get(algorithm)
    if method is None or (method.legacy and not allow_sha1):
        raise bad_signature(f"the digest method {algorithm[:100]!r} is not allowed")
    digest = hashes.Hash(method.hash)
    digest.update(canonical)
    if not hmac.compare_digest(digest.finalize(), _decode_text(signed_info.digest, "DigestValue")):
        raise bad_signature("the digest does not match: the signed element was changed after it was signed")


def _canonical(root: etree._Element, prefixes: list[str] | None) -> bytes:
    return etree.tostring(root, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes)


def _take_out(signature: etree._Element) -> None:
    """Remove the signature but keep the text after it.

    The enveloped-signature transform removes the element alone.
    """
    parent = signature.getparent()
    if parent is None:
        raise bad_signature("the Signature has no parent")
    tail, previous = signature.tail, signature.getprevious()
    parent.remove(signature)
    if not tail:
        return
    if previous is not None:
        previous.tail = (previous.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail


def _decode(element: etree._Element) -> bytes:
    return _decode_text(element.text or "", etree.QName(element).localname)


def _decode_text(text: str, name: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise bad_signature(f"{name} is not base64") from None


def _child(element: etree._Element, name: str) -> etree._Element:
    child = element.find(ds(name))
    if child is None:
        raise bad_signature(f"no {name}")
    return child
