"""Open an encrypted assertion with the provider's private keys.

Owns the grammar and the algorithms of encrypted assertions. What comes out is as hostile as what went in:
encryption proves nothing about who wrote it. Every failure is the same Undecipherable, and verify.py answers
it as it answers a bad signature, so that nobody can use us to guess at a plaintext byte by byte.
Rules: XML Encryption 1.1; RSA PKCS#1 v1.5 key transport is refused (Bleichenbacher).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from daypass.errors import Fault
from daypass.federation.saml.gate import sort_children
from daypass.federation.saml.names import DS, XENC, XENC11, ds, xenc
from daypass.federation.saml.xml import RESPONSE, UnreadableXml, parse_xml


class Undecipherable(Exception):  # noqa: N818 - it says what the assertion is
    """The encrypted assertion cannot be opened.

    The text is for the audit; the caller learns nothing from it.
    """


@dataclass(frozen=True, slots=True)
class BlockCipher:
    """A content cipher: the length of its key in bytes, and whether it authenticates."""

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
# SHA-1 inside OAEP is not a signature; its weakness does not matter there, and it is what providers send by
# default.
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


def decrypt_assertion(encrypted: etree._Element, keys: Sequence[rsa.RSAPrivateKey]) -> etree._Element:
    """Return the root of what `encrypted` contains, read with the limits of a response."""
    try:
        data, wrapped = _parts(encrypted)
        algorithm = _algorithm(data)
        cipher = CONTENT.get(algorithm)
        if cipher is None:
            raise Undecipherable(f"the content cipher {algorithm[:100]!r} is not allowed")
        content_key = _unwrap(wrapped, cipher.key_length, keys)
        return parse_xml(_open(cipher, content_key, _cipher_value(data)), RESPONSE)
    except Fault as problem:
        raise Undecipherable(problem.detail) from None
    except UnreadableXml as problem:
        raise Undecipherable(f"what was decrypted is not readable: {problem}") from None


def _parts(encrypted: etree._Element) -> tuple[etree._Element, etree._Element]:
    """Return the EncryptedData and its one EncryptedKey, which stands inside its KeyInfo or beside it."""
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
        raise Undecipherable("there must be exactly one EncryptedKey")
    return data, keys[0]


def _unwrap(wrapped: etree._Element, length: int, keys: Sequence[rsa.RSAPrivateKey]) -> bytes:
    scheme, secret = _oaep(wrapped), _cipher_value(wrapped)
    for key in keys:
        try:
            content_key = key.decrypt(secret, scheme)
        except ValueError:
            continue
        if len(content_key) == length:
            return content_key
    raise Undecipherable("no private key of the provider opens the EncryptedKey")


def _oaep(wrapped: etree._Element) -> padding.OAEP:
    algorithm = _algorithm(wrapped)
    method = wrapped.find(xenc("EncryptionMethod"))
    if algorithm not in {_OAEP_SHA1, _OAEP} or method is None:
        raise Undecipherable(f"the key transport {algorithm[:100]!r} is not allowed")
    found = sort_children(method, {ds("DigestMethod"): _MAYBE, _MGF: _MAYBE})
    digest = _chosen(found.get(ds("DigestMethod"), []), _OAEP_DIGESTS)
    # The older identifier has the mask generation function in its name.
    mask = hashes.SHA1() if algorithm == _OAEP_SHA1 else _chosen(found.get(_MGF, []), _MASKS)  # noqa: S303 - see above
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=digest, label=None)


def _chosen(given: list[etree._Element], table: Mapping[str, hashes.HashAlgorithm]) -> hashes.HashAlgorithm:
    if not given:
        return hashes.SHA1()  # noqa: S303 - the default of XML Encryption 5.5.2
    algorithm = table.get(given[0].get("Algorithm") or "")
    if algorithm is None:
        raise Undecipherable("a hash function of the key transport is not allowed")
    return algorithm


def _open(cipher: BlockCipher, key: bytes, sealed: bytes) -> bytes:
    if cipher.authenticated:
        try:
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise Undecipherable("the content does not authenticate") from None
    if len(sealed) < 2 * _BLOCK or len(sealed) % _BLOCK:
        raise Undecipherable("the content is not of whole blocks")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:_BLOCK])).decryptor()
    padded = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
    # Only the last byte of the padding means anything (XML Encryption 5.2).
    if not 1 <= padded[-1] <= _BLOCK:
        raise Undecipherable("the content is not padded")
    return padded[: -padded[-1]]


def _algorithm(element: etree._Element) -> str:
    method = element.find(xenc("EncryptionMethod"))
    return "" if method is None else method.get("Algorithm") or ""


def _cipher_value(element: etree._Element) -> bytes:
    value = element.find(f"{xenc('CipherData')}/{xenc('CipherValue')}")
    if value is None or len(value):
        raise Undecipherable("no CipherValue")
    try:
        return base64.b64decode("".join((value.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Undecipherable("CipherValue is not base64") from None
