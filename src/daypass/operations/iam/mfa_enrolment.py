"""The data that enrols an authenticator app: a seed and its QR code.

Owns the otpauth URI. Apps display `issuer` and the label before the at sign. The URI omits SHA-1, six digits and thirty
seconds: they are every app's defaults, and some apps refuse parameters that they do not know.
Source: the key URI format that authenticator apps share; IAM API Reference, VirtualMFADevice.
"""

import base64
import io
from urllib.parse import quote

import segno

from daypass.ports import Entropy

_SEED_BYTES = 40  # AWS's own length: 64 characters of base32 without padding
_ISSUER = "Daypass"
_PIXELS = 5


def new_seed(entropy: Entropy) -> bytes:
    """Return a new seed."""
    return entropy(_SEED_BYTES)


def base32(seed: bytes) -> bytes:
    """Return the seed as people type it."""
    return base64.b32encode(seed)


def otpauth_uri(seed: bytes, *, device: str, account: str) -> str:
    """Return the URI that enrols a device of this name.

    `account` is the name that people use for the account.
    """
    label = f"{quote(_ISSUER)}:{quote(device)}@{quote(account)}"
    return f"otpauth://totp/{label}?secret={base32(seed).decode()}&issuer={quote(_ISSUER)}"


def qr_code(uri: str) -> bytes:
    """Return the URI as a QR code in PNG format."""
    picture = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(picture, kind="png", scale=_PIXELS)
    return picture.getvalue()
