"""Credentials, and the formats in which AWS's tools read them.

Pure. Credentials from a server, a program or a file are untrusted until `verify_credentials` has checked them: verified
values have no newlines, spaces or control characters, so that files and shells cannot misread them.
Source: AWS SDKs and Tools Reference Guide, "Process credential provider" and "Container credential provider".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daypass.client.problems import RefusedError

_KEY_ID = re.compile(r"[A-Za-z0-9_]{4,128}")
_SECRET = re.compile(r"[!-~]{1,512}")
_TOKEN = re.compile(r"[!-~]{0,16384}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair.

    Temporary credentials also have a session token and an expiry.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    expires: datetime | None = None

    def __repr__(self) -> str:
        return "<secret>"

    def lasts(self, least: timedelta, *, now: datetime) -> bool:
        """Return whether they stay valid for `least` more.

        In the second of their expiry they are invalid.
        """
        return self.expires is None or (now < self.expires and now + least <= self.expires)


def verify_credentials(unverified: Mapping[str, Any]) -> Credentials:
    """Return verified credentials from a response.

    Raises RefusedError if a member is missing or malformed.
    """
    key_id = _matching(_KEY_ID, unverified.get("AccessKeyId"), "access key id")
    secret = _matching(_SECRET, unverified.get("SecretAccessKey"), "secret access key")
    token = _matching(_TOKEN, unverified.get("SessionToken") or unverified.get("Token") or "", "session token")
    return Credentials(key_id, secret, token, read_end(unverified.get("Expiration")))


def _matching(shape: re.Pattern[str], unverified: Any, noun: str) -> str:
    if not isinstance(unverified, str) or not shape.fullmatch(unverified):
        raise RefusedError(f"The response has no valid {noun}. No files were changed. Check the endpoint.")
    return unverified


def read_end(unverified: Any) -> datetime | None:
    """Return the expiry of credentials, or None if they do not expire.

    Raises RefusedError.
    """
    if unverified is None:
        return None
    try:
        end = unverified if isinstance(unverified, datetime) else datetime.fromisoformat(unverified)
        return (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, OverflowError) as error:
        raise RefusedError("The response has no valid expiry. No files were changed.") from error


def instant(moment: datetime) -> str:
    """Return a time in AWS's JSON format."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sts_form(credentials: Credentials) -> dict[str, str]:
    """Return credentials as the `Credentials` member of an STS response."""
    found = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": instant(credentials.expires) if credentials.expires else "",
    }
    return {name: value for name, value in found.items() if value}


def process_form(credentials: Credentials) -> dict[str, Any]:
    """Return credentials as the output of a credential process."""
    return {"Version": 1, **sts_form(credentials)}


def container_form(credentials: Credentials, *, now: datetime) -> dict[str, str]:
    """Return credentials as the response of a container's credential endpoint.

    AWS's tools need an expiry: keys without one are requested again after an hour.
    """
    form = sts_form(replace(credentials, expires=credentials.expires or now + timedelta(hours=1)))
    form["Token"] = form.pop("SessionToken", "")
    return form


def environment_form(credentials: Credentials) -> dict[str, str]:
    """Return credentials as the environment variables of AWS's tools."""
    form = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": instant(credentials.expires) if credentials.expires else "",
    }
    return {name: value for name, value in form.items() if value}
