"""An age identity, encrypted under a passphrase in the age format. Pure.

Owns one age file of one chunk (https://age-encryption.org/v1, "The scrypt recipient type"), because the library's own
function takes up to half a gigabyte of memory, as much as fits into a second, and has no parameter for it. The program
`age` and the library open the result.
"""

import base64
import re
import textwrap

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from daypass.ports import Entropy

WORK_FACTOR = 17  # scrypt N = 2**17: 128 MB and a third of a second
MOST_WORK = 20  # of a file that is read: 1 GB
_LABEL = b"age-encryption.org/v1/scrypt"
_LAST_CHUNK = bytes(11) + b"\x01"
_BEGIN, _END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
_STANZA = re.compile(rb"age-encryption\.org/v1\n-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n")


def wrap_identity(identity: str, passphrase: str, *, entropy: Entropy) -> str:
    """Return the armored age file of an identity."""
    file_key, salt, nonce = entropy(16), entropy(16), entropy(16)
    stretched = Scrypt(salt=_LABEL + salt, length=32, n=2**WORK_FACTOR, r=8, p=1).derive(passphrase.encode())
    wrapped = ChaCha20Poly1305(stretched).encrypt(bytes(12), file_key, None)
    head = b"age-encryption.org/v1\n-> scrypt %s %d\n%s\n---" % (_base64(salt), WORK_FACTOR, _base64(wrapped))
    mac = HMAC(_derive(file_key, b"", b"header"), SHA256())
    mac.update(head)
    payload = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    chunk = payload.encrypt(_LAST_CHUNK, f"{identity}\n".encode(), None)
    content = head + b" " + _base64(mac.finalize()) + b"\n" + nonce + chunk
    return "\n".join([_BEGIN, *textwrap.wrap(base64.b64encode(content).decode(), 64), _END])


def work_of(content: bytes) -> int | None:
    """Return the work factor of an age file with a passphrase, or None.

    A hostile file could ask for more memory than the machine has.
    """
    found = _STANZA.match(content)
    return None if found is None else int(found[1])


def unarmored(armored: str) -> bytes | None:
    """Return the bytes of an armored age file, or None."""
    lines = armored.splitlines()
    if lines[:1] != [_BEGIN] or lines[-1:] != [_END]:
        return None
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except ValueError:
        return None


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _base64(value: bytes) -> bytes:
    return base64.b64encode(value).rstrip(b"=")
