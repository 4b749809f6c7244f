"""Temporary or long-term credentials: one value, and the forms in which AWS's tools take it.

Pure. Whatever a server, a program or a file handed over is hostile until `verify_credentials` has looked at it: what
passes holds no line end, no space and no control character, so that no file or shell can read it as something else.
Source: AWS SDKs and Tools Reference Guide, "Process credential provider" and "Container credential provider".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from daypass.client.problems import Refused

_KEY_ID = re.compile(r"[A-Za-z0-9_]{4,128}")
_SECRET = re.compile(r"[!-~]{1,512}")
_TOKEN = re.compile(r"[!-~]{0,16384}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, with the token and the end that temporary ones have."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    expires: datetime | None = None

    def __repr__(self) -> str:
        return "<secret>"

    def lasts(self, least: timedelta, *, now: datetime) -> bool:
        """Tell whether they are of use for `least` more. In the second of their end every server refuses them."""
        return self.expires is None or (now < self.expires and now + least <= self.expires)


def verify_credentials(unverified: Mapping[str, Any]) -> Credentials:
    """Return the credentials that a server or a program answered with. Raises Refused where they are not such."""
    key_id = _matching(_KEY_ID, unverified.get("AccessKeyId"), "access key id")
    secret = _matching(_SECRET, unverified.get("SecretAccessKey"), "secret access key")
    token = _matching(_TOKEN, unverified.get("SessionToken") or unverified.get("Token") or "", "session token")
    return Credentials(key_id, secret, token, read_end(unverified.get("Expiration")))


def _matching(shape: re.Pattern[str], unverified: Any, noun: str) -> str:
    if not isinstance(unverified, str) or not shape.fullmatch(unverified):
        raise Refused(
            f"The answer holds no {noun} that could be one; nothing was written. Is the endpoint the right one?"
        )
    return unverified


def read_end(unverified: Any) -> datetime | None:
    """Return when credentials end, or None where they do not. Raises Refused."""
    if unverified is None:
        return None
    try:
        end = unverified if isinstance(unverified, datetime) else datetime.fromisoformat(unverified)
        return (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused("The answer holds no expiry that could be one; nothing was written.") from error


def instant(moment: datetime) -> str:
    """Return a time as AWS writes it in JSON."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sts_form(credentials: Credentials) -> dict[str, str]:
    """Return them as the `Credentials` member of an STS answer."""
    found = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": instant(credentials.expires) if credentials.expires else "",
    }
    return {name: value for name, value in found.items() if value}


def process_form(credentials: Credentials) -> dict[str, Any]:
    """Return them as the answer of a credential process."""
    return {"Version": 1, **sts_form(credentials)}


def container_form(credentials: Credentials) -> dict[str, str]:
    """Return them as the answer of a container's credential endpoint."""
    form = sts_form(credentials)
    form["Token"] = form.pop("SessionToken", "")
    return form


def environment_form(credentials: Credentials) -> dict[str, str]:
    """Return the variables in which every AWS tool looks first."""
    form = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": instant(credentials.expires) if credentials.expires else "",
    }
    return {name: value for name, value in form.items() if value}
