"""Verify a SAML response: from untrusted bytes to a signed assertion.

Owns the order of the steps. A VerifiedAssertion was parsed from the signed bytes, without any part of the original
document.
Rules: docs/decisions/0003-saml-signature.md.
"""

import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from lxml import etree

from daypass.errors import Fault
from daypass.federation.proof_length import SAML_ASSERTION
from daypass.federation.saml import saml_faults
from daypass.federation.saml.element_text import find_problem_with_name
from daypass.federation.saml.encryption import AssertionDecryptionError, decrypt_assertion
from daypass.federation.saml.envelope import Envelope, read_envelope, require_success
from daypass.federation.saml.saml_faults import as_answered, malformed
from daypass.federation.saml.schema_checks import ShapedResponse, is_signed, shape_assertion, shape_response
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.signature import PublicKey, SignedElement, verify_element, verify_signed_element
from daypass.federation.saml.xml_names import saml
from daypass.federation.saml.xml_parser import RESPONSE, UnreadableXmlError, parse_xml

# Clocks differ: a time that begins something may be up to five minutes in the future, as in a web identity token.
# Expiry is exact.
SKEW = timedelta(minutes=5)
_NOT_ACCEPTED = (
    "a key of the provider cannot decrypt the assertion, or the provider did not sign it; "
    "run `daypass saml inspect` on a machine with the store for details"
)
_LOST_PLUS = "; it contains spaces, as when a + was decoded as a space in a form or URL"
# Of a response with 60 attributes, which have about 450 tags and attributes of XML.
_FEW_PIECES, _FEW_NAMESPACES = 512, 64
# A declaration, with a prefix of at most 64 characters, of more than 64 bytes. Providers use names of up to 50.
_LONG_NAMESPACE = re.compile(rb"xmlns[^\"']{0,300}+(?:\"[^\"]{65}|'[^']{65})")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# Common mistakes, each with its correction.
_MISTAKES: Sequence[tuple[Callable[[str], bool], str]] = (
    (lambda packed: packed.startswith("<"), "this is XML; encode it as base64"),
    (lambda packed: "%" in packed, "this is URL-encoded (it contains %); decode it first"),
    (
        lambda packed: packed.startswith("SAMLResponse="),
        "this is a whole form field; send only the part after SAMLResponse=",
    ),
    (
        lambda packed: not _BASE64.fullmatch(packed),
        "not base64: it is empty or contains a character outside A-Z, a-z, 0-9, + and /",
    ),
)


class VerifiedAssertion(msgspec.Struct, frozen=True):
    """An assertion as its issuer signed it, and its envelope."""

    element: etree._Element
    envelope: Envelope
    encrypted: bool
    signing_key: PublicKey


def verify_response(
    unverified_response: str, *, trust: Trust, now: datetime, request_id: str = ""
) -> VerifiedAssertion:
    """Return the assertion in a base64 SAMLResponse.

    Raises the Fault that STS returns if the response is refused. `request_id` is the ID of the caller's request: AWS
    repeats one inside two of its messages.
    """
    try:
        root = decode_response(unverified_response)
        require_success(root)
        return _verify_shaped(shape_response(root), trust, now)
    except Fault as fault:
        raise as_answered(fault, request_id=request_id) from None


def decode_response(unverified_response: str) -> etree._Element:
    """Return the root of the XML in a base64 SAMLResponse."""
    SAML_ASSERTION.require(unverified_response)
    packed = "".join(unverified_response.split())
    try:
        return parse_xml(_decode_base64(unverified_response, packed), RESPONSE)
    except UnreadableXmlError as unreadable:
        raise malformed(f"{unreadable}{_LOST_PLUS if ' ' in unverified_response.strip() else ''}") from None


def _decode_base64(given: str, packed: str) -> bytes:
    try:
        xml = binascii.a2b_base64(packed, strict_mode=True)
    except ValueError:
        raise malformed(find_problem_with_base64(given, packed) or "not base64") from None
    # A string of this length has at most two "=", and the strict decoder only accepts them at the end.
    if xml and len(packed) == (len(xml) + 2) // 3 * 4:
        return xml
    raise malformed(find_problem_with_base64(given, packed) or "not base64")


def is_plain(unverified_response: str) -> bool:
    """Return whether the length of a response bounds the time to verify it.

    Small elements and attributes take the most time for each of their bytes. The canonical form repeats a namespace at
    each of them that uses it: with a long one, 12,000 characters become 300,000 bytes.
    """
    try:
        xml = binascii.a2b_base64(unverified_response)
    except ValueError:
        return True  # it is refused at once
    if xml.count(b"<") + xml.count(b"=") > _FEW_PIECES or xml.count(b"xmlns") > _FEW_NAMESPACES:
        return False
    return not _LONG_NAMESPACE.search(xml)


def find_problem_with_base64(given: str, packed: str) -> str | None:
    """Return why a string is not valid base64, or None.

    `packed` is `given` without white space.
    """
    for made, problem in _MISTAKES:
        if made(packed):
            return problem
    if len(packed) % 4 == 0:
        return None
    return f"not base64{_LOST_PLUS}" if " " in given.strip() else "not base64: the string is not complete"


def find_unverified_issuers(unverified_response: str) -> tuple[str, ...]:
    """Return the unverified issuers of an assertion and of its response.

    They are only used to find the registered provider. The issuer of the assertion comes first: it must be the
    provider's name, and the other may be absent. An encrypted assertion does not show it.
    """
    try:
        root = decode_response(unverified_response)
    except Fault:
        return ()
    found = (root.find(path) for path in (f"{saml('Assertion')}/{saml('Issuer')}", saml("Issuer")))
    names = [issuer.text or "" for issuer in found if issuer is not None and not len(issuer)]
    return tuple(dict.fromkeys(name for name in names if not find_problem_with_name(name)))


def trusted_keys(trust: Trust, now: datetime) -> list[PublicKey]:
    """Return the keys that may sign for a provider at `now`.

    Raises the Fault if no key is left.
    """
    metadata = trust.metadata
    if metadata.valid_until is not None and metadata.valid_until <= now:
        raise saml_faults.bad_signature(f"the provider's metadata was valid until {metadata.valid_until}")
    keys = [
        each.key
        for each in metadata.signing_keys
        if trust.lax_like_aws or each.is_current(now) or each.is_current(now + SKEW)
    ]
    if not keys:
        raise saml_faults.bad_signature(
            "every signing certificate in the provider's metadata is expired or not valid yet"
        )
    return keys


def _verify_shaped(response: ShapedResponse, trust: Trust, now: datetime) -> VerifiedAssertion:
    keys = trusted_keys(trust, now)
    # Before decryption: a swapped ciphertext is refused before a private key is used on it.
    response = verify_envelope(response, keys, trust)
    envelope = read_envelope(response.root)
    if response.encrypted:
        opened = _verify_encrypted(response, keys, trust)
        return VerifiedAssertion(opened.element, envelope, encrypted=True, signing_key=opened.key)
    if trust.require_encryption:
        raise saml_faults.not_encrypted()
    if not is_signed(response.unverified_assertion):
        raise saml_faults.not_signed()
    verified = verify_signed_element(response.unverified_assertion, keys, allow_sha1=trust.allow_sha1)
    return VerifiedAssertion(verified.element, envelope, encrypted=False, signing_key=verified.key)


def verify_envelope(response: ShapedResponse, keys: Sequence[PublicKey], trust: Trust) -> ShapedResponse:
    """Return the response that its own signature covers.

    An unsigned response is returned unchanged.
    """
    if not response.signed:
        return response
    return shape_response(verify_element(response.root, keys, allow_sha1=trust.allow_sha1))


def _verify_encrypted(response: ShapedResponse, keys: Sequence[PublicKey], trust: Trust) -> SignedElement:
    """Decrypt and verify, with one answer and one detail for every failure.

    A caller that could distinguish bad padding, bad XML and a bad signature could decrypt the assertions of others. An
    account's auditors may read the detail on the operator page.
    """
    try:
        assertion = decrypt_assertion(response.unverified_assertion, trust.decryption_keys)
        shape_assertion(assertion)
        return verify_signed_element(assertion, keys, allow_sha1=trust.allow_sha1)
    except (AssertionDecryptionError, Fault):
        raise saml_faults.bad_signature(_NOT_ACCEPTED) from None
