"""Read the claims of a web identity token, for cache keys and for people.

Does not verify the token: STS does that.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from daypass.base64url import parse_base64url
from daypass.client.problems import ExpiredError, MisconfiguredError
from daypass.key_files import KeyFileError, read_key_file

_MOST = 20_000
# The portal names a person's sessions by the same claims, in the same order.
_NAMING_CLAIMS = ("email", "preferred_username", "upn", "sub")
_NOT_IN_NAMES = re.compile(r"[^\w+=,.@-]", re.ASCII)
_SHORTEST, _LONGEST = 2, 64


@dataclass(frozen=True, slots=True)
class UnverifiedClaims:
    """The claims of a token whose signature is not verified."""

    issuer: str
    subject: str
    nonce: str
    audience: tuple[str, ...]
    expires: int


def read_claims(token: str) -> UnverifiedClaims:
    """Return the claims. Raises ExpiredError if the string is not a token."""
    try:
        part = token.split(".")[1]
        claims = json.loads(parse_base64url(part))
        audience = claims.get("aud", "")
        return UnverifiedClaims(
            issuer=str(claims.get("iss", "")),
            subject=str(claims.get("sub", "")),
            nonce=str(claims.get("nonce", "")),
            audience=tuple(map(str, audience)) if isinstance(audience, list) else (str(audience),),
            expires=int(claims.get("exp", 0)),
        )
    except (IndexError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ExpiredError(
            "The input is not a web identity token. An ID token has three parts, separated by dots."
        ) from error


def checked_token(token: str, noun: str) -> str:
    """Return a string if it is a web identity token.

    Raises ExpiredError, which names its origin.
    """
    try:
        read_claims(token)
    except ExpiredError as error:
        raise ExpiredError(
            f"{noun} is not a web identity token, which has three parts, separated by dots. Get a new ID token."
        ) from error
    return token


def read_web_identity_file(path: str) -> str:
    """Return the web identity token in a file.

    Raises MisconfiguredError or ExpiredError, which name the file.
    """
    return checked_token(read_token_file(path), f"The content of the token file {path}")


def session_name_of(token: str) -> str:
    """Return the name for sessions of a token.

    It is empty if no claim makes one.

    STS verifies the token, so the name is as true as the token is.
    """
    try:
        claims = json.loads(parse_base64url(token.split(".")[1]))
        values = [claims.get(name) for name in _NAMING_CLAIMS]
    except (IndexError, ValueError, AttributeError, TypeError, RecursionError):
        return ""
    names = (_NOT_IN_NAMES.sub("-", value)[:_LONGEST] for value in values if isinstance(value, str))
    return next((name for name in names if len(name) >= _SHORTEST), "")


def read_secret_file(path: str) -> str:
    """Return the secret in a file that others cannot read.

    Raises MisconfiguredError.
    """
    try:
        secret = read_key_file(Path(path).expanduser(), most_bytes=_MOST).decode().strip()
    except KeyFileError as error:
        raise MisconfiguredError(f"The secret file {error}.") from error
    except UnicodeDecodeError:
        raise MisconfiguredError(f"The secret file {path} is not UTF-8 text.") from None
    if not secret:
        raise MisconfiguredError(f"The secret file {path} is empty.")
    return secret


def read_token_file(path: str) -> str:
    """Return the token in a file. Raises MisconfiguredError."""
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            token = file.read(_MOST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MisconfiguredError(
            f"The token file {path} cannot be read: {getattr(error, 'strerror', 'it is not text')}."
        ) from error
    if not token:
        raise MisconfiguredError(f"The token file {path} is empty. Check that the program that writes it has run.")
    return token
