"""Sign and encrypt SAML elements, correctly or wrongly.

Owns the signer's side of XML Signature and XML Encryption for tests, with options that a real signer hides: the
referenced element, the claimed transforms, the signing key, the content of KeyInfo. It shares no code with the
verifier.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"
ENC = "http://www.w3.org/2001/04/xmlenc#"
ENC11 = "http://www.w3.org/2009/xmlenc11#"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_PSS = "http://www.w3.org/2007/05/xmldsig-more#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES = {
    "md5": hashes.MD5(),  # noqa: S303 - what a broken provider may use
    "sha1": hashes.SHA1(),  # noqa: S303 - the same
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
DIGESTS = {
    "md5": f"{_MORE}md5",
    "sha1": f"{DS}sha1",
    "sha224": f"{_MORE}sha224",
    "sha256": f"{ENC}sha256",
    "sha384": f"{_MORE}sha384",
    "sha512": f"{ENC}sha512",
}
METHODS = {
    "rsa-md5": f"{_MORE}rsa-md5",
    "rsa-sha1": f"{DS}rsa-sha1",
    "rsa-sha224": f"{_MORE}rsa-sha224",
    "rsa-sha256": f"{_MORE}rsa-sha256",
    "rsa-sha384": f"{_MORE}rsa-sha384",
    "rsa-sha512": f"{_MORE}rsa-sha512",
    "ecdsa-sha1": f"{_MORE}ecdsa-sha1",
    "ecdsa-sha256": f"{_MORE}ecdsa-sha256",
    "ecdsa-sha384": f"{_MORE}ecdsa-sha384",
    "ecdsa-sha512": f"{_MORE}ecdsa-sha512",
    "rsa-pss-sha256": f"{_PSS}sha256-rsa-MGF1",
    "hmac-sha1": f"{DS}hmac-sha1",
    "hmac-sha256": f"{_MORE}hmac-sha256",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and a self-signed certificate for it."""

    private: PrivateKey
    certificate: x509.Certificate

    @property
    def encoded(self) -> str:
        """Return the certificate in base64, as in metadata and KeyInfo."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    @property
    def pem(self) -> str:
        """Return the private key for AddPrivateKey: PEM without a passphrase."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def make_key_pair(
    kind: str = "rsa-2048",
    *,
    name: str = "idp.example.org",
    not_before: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    lifetime: timedelta = timedelta(days=36_500),
) -> KeyPair:
    """Create a key pair.

    `kind` is `rsa-BITS`, `p-256`, `p-384` or `p-521`. By default, its certificate is valid for a hundred years.

    >>> pair = make_key_pair("p-256")
    >>> pair.pem.splitlines()[0]
    '-----BEGIN PRIVATE KEY-----'
    """
    curves = {"p-256": ec.SECP256R1(), "p-384": ec.SECP384R1(), "p-521": ec.SECP521R1()}
    private: PrivateKey
    if kind.startswith("rsa-"):
        private = rsa.generate_private_key(public_exponent=65_537, key_size=int(kind[4:]))
    else:
        private = ec.generate_private_key(curves[kind])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + lifetime)
        .sign(private, hashes.SHA256())
    )
    return KeyPair(private, certificate)


@dataclass(frozen=True, slots=True)
class Signing:
    """The options of a signature.

    The defaults are those of a correct provider. `method` and `digest` are short names from METHODS and DIGESTS.
    `claimed_method` is the method in the message, if it differs from the real one. `key_info` replaces the KeyInfo:
    XML, or an empty string to omit it. `secret` is the key of an HMAC. `signed_info` replaces SignedInfo completely.
    """

    method: str = "rsa-sha256"
    digest: str = "sha256"
    canonicalization: str = EXCLUSIVE
    transforms: Sequence[str] = (ENVELOPED, EXCLUSIVE)
    transform_content: str = ""
    prefixes: str = ""
    uri: str | None = None
    claimed_method: str | None = None
    key_info: str | None = None
    secret: bytes = b""
    signed_info: str | None = None
    after: str = "Issuer"
    method_content: str = ""
    extra_references: str = ""
    covered: etree._Element | None = field(default=None, compare=False)


HONEST = Signing()


def sign(element: etree._Element, key: KeyPair, how: Signing = HONEST) -> etree._Element:
    """Insert a signature into `element`, after its Issuer, and return it.

    The element is changed in place. Its ancestors matter only for the canonical form.

    >>> element = etree.fromstring('<a ID="one"><Issuer/></a>')
    >>> signature = sign(element, make_key_pair("p-256"), Signing(method="ecdsa-sha256"))
    >>> [etree.QName(child).localname for child in element]
    ['Issuer', 'Signature']
    """
    digest = digest_of(element if how.covered is None else how.covered, how)
    uri = f"#{element.get('ID')}" if how.uri is None else how.uri
    text = how.signed_info if how.signed_info is not None else signed_info(uri, digest, how)
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{DS}">{text}<ds:SignatureValue/>{_key_info(key, how)}</ds:Signature>'
    )
    _insert(element, signature, how.after)
    found = signature.find(f"{{{DS}}}SignedInfo")
    if found is not None:
        value = signature.find(f"{{{DS}}}SignatureValue")
        octets = canonical(found, exclusive=True)
        if value is not None:
            value.text = base64.b64encode(_signature_value(octets, key.private, how)).decode()
    return signature


def signed_info(uri: str, digest: str, how: Signing = HONEST) -> str:
    """Return a SignedInfo as XML.

    >>> "#one" in signed_info("#one", "AAAA")
    True
    """
    method = METHODS.get(how.method, how.method) if how.claimed_method is None else how.claimed_method
    inclusive = (
        f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList={quoteattr(how.prefixes)}/>' if how.prefixes else ""
    )
    transforms = "".join(
        f"<ds:Transform Algorithm={quoteattr(name)}>"
        f"{inclusive if name == EXCLUSIVE else '' if name == ENVELOPED else how.transform_content}"
        "</ds:Transform>"
        for name in how.transforms
    )
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f"<ds:CanonicalizationMethod Algorithm={quoteattr(how.canonicalization)}/>"
        f"<ds:SignatureMethod Algorithm={quoteattr(method)}>{how.method_content}</ds:SignatureMethod>"
        f"<ds:Reference URI={quoteattr(uri)}><ds:Transforms>{transforms}</ds:Transforms>"
        f"<ds:DigestMethod Algorithm={quoteattr(DIGESTS.get(how.digest, how.digest))}/>"
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>{how.extra_references}</ds:SignedInfo>"
    )


def digest_of(element: etree._Element, how: Signing = HONEST) -> str:
    """Return the base64 digest of an element without its signature.

    The element is in exclusive canonical form.

    >>> digest_of(etree.fromstring("<a/>")) == digest_of(etree.fromstring("<a></a>"))
    True
    """
    bare = etree.fromstring(etree.tostring(element, with_tail=False))
    for signature in bare.findall(f"{{{DS}}}Signature"):
        bare.remove(signature)
    hashed = hashes.Hash(_HASHES.get(how.digest, hashes.SHA256()))
    hashed.update(canonical(bare, exclusive=True, prefixes=how.prefixes))
    return base64.b64encode(hashed.finalize()).decode()


def canonical(element: etree._Element, *, exclusive: bool, prefixes: str = "") -> bytes:
    """Return an element in canonical form.

    The namespaces of its ancestors are in scope.

    >>> canonical(etree.fromstring("<a/>"), exclusive=True)
    b'<a></a>'
    """
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    return etree.tostring(
        alone,
        method="c14n",
        exclusive=exclusive,
        with_comments=False,
        inclusive_ns_prefixes=prefixes.split() or None,
    )


def _signature_value(octets: bytes, key: PrivateKey, how: Signing) -> bytes:
    hashed = _HASHES[how.method.rpartition("-")[2]] if how.method in METHODS else hashes.SHA256()
    if how.method.startswith("hmac-"):
        mac = hmac.HMAC(how.secret or b"\0", hashed)
        mac.update(octets)
        return mac.finalize()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(octets, ec.ECDSA(hashed)))
        half = (key.key_size + 7) // 8
        return r.to_bytes(half) + s.to_bytes(half)
    if "pss" in how.method:
        return key.sign(octets, padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH), hashed)
    return key.sign(octets, padding.PKCS1v15(), hashed)


def _key_info(key: KeyPair, how: Signing) -> str:
    if how.key_info is not None:
        return how.key_info
    certificate = f"<ds:X509Certificate>{key.encoded}</ds:X509Certificate>"
    return f"<ds:KeyInfo><ds:X509Data>{certificate}</ds:X509Data></ds:KeyInfo>"


def _insert(element: etree._Element, signature: etree._Element, after: str) -> None:
    predecessor = element.find(f"{{{SAML}}}{after}") if after else None
    if predecessor is None:
        element.append(signature)
        return
    signature.tail, predecessor.tail = predecessor.tail, None
    element.insert(element.index(predecessor) + 1, signature)


@dataclass(frozen=True, slots=True)
class Encryption:
    """The options of an encryption.

    `cipher` is aes{128,192,256}-{gcm,cbc}; `transport` oaep, oaep11 or rsa15.
    """

    to: rsa.RSAPublicKey
    cipher: str = "aes256-gcm"
    transport: str = "oaep"
    digest: str = "sha1"
    key_beside: bool = False


_TRANSPORTS = {"oaep": f"{ENC}rsa-oaep-mgf1p", "oaep11": f"{ENC11}rsa-oaep", "rsa15": f"{ENC}rsa-1_5"}


def encrypt(plaintext: bytes, how: Encryption) -> etree._Element:
    """Return an EncryptedAssertion with `plaintext`, which need not be XML.

    >>> key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    >>> etree.QName(encrypt(b"<a/>", Encryption(key.public_key()))).localname
    'EncryptedAssertion'
    """
    key = secrets.token_bytes(int(how.cipher[3:6]) // 8)
    content = f"{ENC11 if how.cipher.endswith('gcm') else ENC}{how.cipher}"
    sealed_key = base64.b64encode(how.to.encrypt(key, _transport(how))).decode()
    wrapped = (
        f'<xenc:EncryptedKey xmlns:xenc="{ENC}">'
        f'<xenc:EncryptionMethod Algorithm="{_TRANSPORTS[how.transport]}">'
        f"{_transport_parameters(how)}</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>"
        f"{sealed_key}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedKey>"
    )
    inside, beside = ("", wrapped) if how.key_beside else (f'<ds:KeyInfo xmlns:ds="{DS}">{wrapped}</ds:KeyInfo>', "")
    return etree.fromstring(
        f'<saml:EncryptedAssertion xmlns:saml="{SAML}"><xenc:EncryptedData xmlns:xenc="{ENC}" '
        f'Type="{ENC}Element"><xenc:EncryptionMethod Algorithm="{content}"/>{inside}'
        f"<xenc:CipherData><xenc:CipherValue>{base64.b64encode(_seal(plaintext, key, how)).decode()}"
        f"</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{beside}</saml:EncryptedAssertion>"
    )


def _transport(how: Encryption) -> padding.AsymmetricPadding:
    if how.transport == "rsa15":
        return padding.PKCS1v15()
    mask = _HASHES[how.digest] if how.transport == "oaep11" else hashes.SHA1()  # noqa: S303 - mgf1p says so
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=_HASHES[how.digest], label=None)


def _transport_parameters(how: Encryption) -> str:
    if how.transport == "rsa15":
        return ""
    mask = f'<e:MGF xmlns:e="{ENC11}" Algorithm="{ENC11}mgf1{how.digest}"/>' if how.transport == "oaep11" else ""
    return f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{DIGESTS[how.digest]}"/>{mask}'


def _seal(plaintext: bytes, key: bytes, how: Encryption) -> bytes:
    if how.cipher.endswith("gcm"):
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(key).encrypt(nonce, plaintext, None)
    vector, length = secrets.token_bytes(16), 16 - len(plaintext) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    padded = plaintext + secrets.token_bytes(length - 1) + bytes([length])
    return vector + encryptor.update(padded) + encryptor.finalize()
