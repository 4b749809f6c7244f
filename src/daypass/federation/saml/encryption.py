"""Decrypt an assertion with the private keys of its provider.

Owns the grammar and the algorithms. The result is as untrusted as the input: encryption does not prove who wrote it.

* verify.py answers and records every failure alike, so that the server is not an oracle to decrypt an assertion byte by
  byte.
* Failures that depend on a private key or on the plaintext have one message and do the same work: another key replaces
  a content key that cannot be decrypted, and content with bad padding is parsed before it is refused.
* RSA PKCS#1 v1.5 key transport is refused (Bleichenbacher).

Rules: XML Encryption 1.1.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from daypass.errors import Fault
from daypass.federation.saml.schema_checks import sort_children
from daypass.federation.saml.xml_names import DS, XENC, XENC11, ds, xenc
from daypass.federation.saml.xml_parser import RESPONSE, UnreadableXmlError, parse_xml


class AssertionDecryptionError(Exception):
    """The encrypted assertion cannot be decrypted.

    The message is for the audit log only.
    """


@dataclass(frozen=True, slots=True)
class BlockCipher:
    """A content cipher: length of its key in bytes, and if it authenticates."""

    key_length: int
    authenticated: bool


CONTENT: Mapping[str, BlockCipher] = {
    f"{XENC11}aes128-gcm": BlockCipher(16, authenticated=True),
    f"{XENC11}aes192-gcm": BlockCipher(24, authenticated=True),
    f"{XENC11}aes256-gcm": BlockCipher(32, authenticated=True),
    f"{XENC}aes128-cbc": BlockCipher(16, authenticated=False),
    f"{XENC}aes192-cbc": BlockCipher(24, authenticated=False),
    f"{XENC}aes256-cbc": BlockCipher(32, authenticated=False),
}
_OAEP_SHA1 = f"{XENC}rsa-oaep-mgf1p"
_OAEP = f"{XENC11}rsa-oaep"
# SHA-1 inside OAEP is not a signature: its weakness has no effect there, and providers use it by default.
_OAEP_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    f"{DS}sha1": hashes.SHA1(),  # noqa: S303 - see above
    f"{XENC}sha256": hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384(),
    f"{XENC}sha512": hashes.SHA512(),
}
_MASKS: Mapping[str, hashes.HashAlgorithm] = {
    f"{XENC11}mgf1sha1": hashes.SHA1(),  # noqa: S303 - see above
    f"{XENC11}mgf1sha256": hashes.SHA256(),
    f"{XENC11}mgf1sha384": hashes.SHA384(),
    f"{XENC11}mgf1sha512": hashes.SHA512(),
}
_ONE, _MAYBE = (1, 1), (0, 1)
_MGF = f"{{{XENC11}}}MGF"
_BLOCK = 16
_NONCE = 12
_BITS_A_BYTE = 8
NOT_OPENED = "no private key of the provider can decrypt it, or its content is not an assertion"


@dataclass(frozen=True, slots=True)
class UnverifiedKey:
    """The encrypted content key of an assertion.

    It shows the recipient's private key.
    """

    secret: bytes
    scheme: padding.OAEP
    length: int

    def is_as_long_as(self, key: rsa.RSAPrivateKey) -> bool:
        """Return whether a private key has the right length to decrypt it."""
        return len(self.secret) == (key.key_size + _BITS_A_BYTE - 1) // _BITS_A_BYTE

    def is_opened_by(self, key: rsa.RSAPrivateKey) -> bool:
        """Return whether a private key decrypts it."""
        return _find_content_key(self, [key]) is not None


def find_unverified_key(encrypted: etree._Element) -> UnverifiedKey | None:
    """Return the content key of an encrypted assertion, or None.

    Returns None if it could not be decrypted.
    """
    try:
        return _read(encrypted).wrapped
    except (Fault, AssertionDecryptionError):
        return None


@dataclass(frozen=True, slots=True)
class _Sealed:
    """An encrypted assertion whose algorithms are allowed."""

    cipher: BlockCipher
    wrapped: UnverifiedKey
    content: bytes


def decrypt_assertion(encrypted: etree._Element, keys: Sequence[rsa.RSAPrivateKey]) -> etree._Element:
    """Return the root of the decrypted XML, parsed with a response's limits.

    Raises AssertionDecryptionError if the content cannot be decrypted or parsed.
    """
    try:
        sealed = _read(encrypted)
    except Fault as problem:
        raise AssertionDecryptionError(problem.detail) from None
    found = _find_content_key(sealed.wrapped, keys)
    stand_in = hashlib.sha256(sealed.wrapped.secret).digest()[: sealed.cipher.key_length]
    plain, is_whole = _open(sealed.cipher, stand_in if found is None else found, sealed.content)
    try:
        root = parse_xml(plain, RESPONSE)
    except UnreadableXmlError:
        raise AssertionDecryptionError(NOT_OPENED) from None
    if found is None or not is_whole:
        raise AssertionDecryptionError(NOT_OPENED)
    return root


def _read(encrypted: etree._Element) -> _Sealed:
    data, wrapped = _parts(encrypted)
    algorithm = _algorithm(data)
    cipher = CONTENT.get(algorithm)
    if cipher is None:
        raise AssertionDecryptionError(f"the content cipher {algorithm[:100]!r} is not allowed")
    key = UnverifiedKey(_cipher_value(wrapped), _oaep(wrapped), cipher.key_length)
    return _Sealed(cipher, key, _cipher_value(data))


def _parts(encrypted: etree._Element) -> tuple[etree._Element, etree._Element]:
    """Return the EncryptedData and its one EncryptedKey.

    The EncryptedKey is inside the KeyInfo or beside the EncryptedData.
    """
    outer = sort_children(encrypted, {xenc("EncryptedData"): _ONE, xenc("EncryptedKey"): _MAYBE})
    data = outer[xenc("EncryptedData")][0]
    inner = sort_children(
        data,
        {xenc("EncryptionMethod"): _ONE, ds("KeyInfo"): _MAYBE, xenc("CipherData"): _ONE},
    )
    keys = list(outer.get(xenc("EncryptedKey"), []))
    for key_info in inner.get(ds("KeyInfo"), []):
        keys.extend(key_info.findall(xenc("EncryptedKey")))
    if len(keys) != 1:
        raise AssertionDecryptionError("there must be exactly one EncryptedKey")
    return data, keys[0]


def _find_content_key(wrapped: UnverifiedKey, keys: Sequence[rsa.RSAPrivateKey]) -> bytes | None:
    for key in keys:
        try:
            content_key = key.decrypt(wrapped.secret, wrapped.scheme)
        except ValueError:
            continue
        if len(content_key) == wrapped.length:
            return content_key
    return None


def _oaep(wrapped: etree._Element) -> padding.OAEP:
    algorithm = _algorithm(wrapped)
    method = wrapped.find(xenc("EncryptionMethod"))
    if algorithm not in {_OAEP_SHA1, _OAEP} or method is None:
        raise AssertionDecryptionError(f"the key transport {algorithm[:100]!r} is not allowed")
    found = sort_children(method, {ds("DigestMethod"): _MAYBE, _MGF: _MAYBE})
    digest = _chosen(found.get(ds("DigestMethod"), []), _OAEP_DIGESTS)
    # The older identifier contains the mask generation function.
    mask = hashes.SHA1() if algorithm == _OAEP_SHA1 else _chosen(found.get(_MGF, []), _MASKS)  # noqa: S303 - see above
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=digest, label=None)


def _chosen(given: list[etree._Element], table: Mapping[str, hashes.HashAlgorithm]) -> hashes.HashAlgorithm:
    if not given:
        return hashes.SHA1()  # noqa: S303 - the default of XML Encryption 5.5.2
    algorithm = table.get(given[0].get("Algorithm") or "")
    if algorithm is None:
        raise AssertionDecryptionError("a hash function of the key transport is not allowed")
    return algorithm


def _open(cipher: BlockCipher, key: bytes, sealed: bytes) -> tuple[bytes, bool]:
    """Return the content, and whether it is valid.

    Invalid content is returned only to cost the same work.
    """
    if cipher.authenticated:
        try:
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None), True
        except (InvalidTag, ValueError):
            return sealed, False
    if len(sealed) < 2 * _BLOCK or len(sealed) % _BLOCK:
        return sealed, False
    decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:_BLOCK])).decryptor()
    padded = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
    # Only the last byte of the padding has a meaning (XML Encryption 5.2).
    is_padded = 1 <= padded[-1] <= _BLOCK
    return (padded[: -padded[-1]] if is_padded else padded), is_padded


def _algorithm(element: etree._Element) -> str:
    method = element.find(xenc("EncryptionMethod"))
    return "" if method is None else method.get("Algorithm") or ""


def _cipher_value(element: etree._Element) -> bytes:
    value = element.find(f"{xenc('CipherData')}/{xenc('CipherValue')}")
    if value is None or len(value):
        raise AssertionDecryptionError("no CipherValue")
    try:
        return base64.b64decode("".join((value.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise AssertionDecryptionError("CipherValue is not base64") from None
