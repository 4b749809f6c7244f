"""Names of SAML, XML Signature and XML Encryption.

Owns namespaces, tags, and the tables of allowed algorithms; all others are refused.
Source: SAML 2.0 core and metadata, XML Signature 1.1, XML Encryption 1.1, RFC 9231.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
DS11 = "http://www.w3.org/2009/xmldsig11#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"

EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
# The form with comments equals the one without them, because a document with comments is refused.
CANONICALIZATIONS = frozenset({EXCLUSIVE_C14N, f"{EXCLUSIVE_C14N}WithComments"})
INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"

BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
STATUS_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
NAME_ID_FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
ENTITY_FORMAT = f"{NAME_ID_FORMAT}entity"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"


def samlp(name: str) -> str:
    """Return the qualified name of a protocol element."""
    return f"{{{SAMLP}}}{name}"


def saml(name: str) -> str:
    """Return the qualified name of an assertion element."""
    return f"{{{SAML}}}{name}"


def md(name: str) -> str:
    """Return the qualified name of a metadata element."""
    return f"{{{MD}}}{name}"


def ds(name: str) -> str:
    """Return the qualified name of a signature element."""
    return f"{{{DS}}}{name}"


def xenc(name: str) -> str:
    """Return the qualified name of an encryption element."""
    return f"{{{XENC}}}{name}"


@dataclass(frozen=True, slots=True)
class SignatureMethod:
    """A signature method: the kind of key and the hash.

    `legacy` methods need the operator's consent.
    """

    key: str
    hash: hashes.HashAlgorithm
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class DigestMethod:
    """A digest method. `legacy` methods need the operator's consent."""

    hash: hashes.HashAlgorithm
    legacy: bool = False


# HMAC, DSA, MD5, SHA-224 and the PSS family are omitted on purpose: docs/decisions/0002-saml-choices.md.
SIGNATURE_METHODS: Mapping[str, SignatureMethod] = {
    f"{_MORE}rsa-sha256": SignatureMethod("rsa", hashes.SHA256()),
    f"{_MORE}rsa-sha384": SignatureMethod("rsa", hashes.SHA384()),
    f"{_MORE}rsa-sha512": SignatureMethod("rsa", hashes.SHA512()),
    f"{_MORE}ecdsa-sha256": SignatureMethod("ec", hashes.SHA256()),
    f"{_MORE}ecdsa-sha384": SignatureMethod("ec", hashes.SHA384()),
    f"{_MORE}ecdsa-sha512": SignatureMethod("ec", hashes.SHA512()),
    f"{DS}rsa-sha1": SignatureMethod("rsa", hashes.SHA1(), legacy=True),  # noqa: S303 - off unless an operator allows it
}
DIGEST_METHODS: Mapping[str, DigestMethod] = {
    f"{XENC}sha256": DigestMethod(hashes.SHA256()),
    f"{_MORE}sha384": DigestMethod(hashes.SHA384()),
    f"{XENC}sha512": DigestMethod(hashes.SHA512()),
    f"{DS}sha1": DigestMethod(hashes.SHA1(), legacy=True),  # noqa: S303 - off unless an operator allows it
}
