"""Request JSON from a server or an identity provider, with strict limits.

- Only https, or http on loopback.
- No redirects.
- Limited time and size.

The environment's proxies and AWS_CA_BUNDLE are used, as in AWS's tools.
"""

import json
import os
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from daypass.client.problems import MisconfiguredError, NoAnswerError
from daypass.client.text_format import printable, reason, sentence

_MOST = 1_000_000
_SECONDS = 20
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A response.

    `document` is None if the body is not a JSON object. It may contain secrets.
    """

    status: int
    document: dict[str, Any] | None
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"JsonAnswer({self.status})"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Do not follow redirects.

        A code or a token is only for the requested host.
        """


def checked_url(url: str, noun: str, *, loopback: bool = True) -> str:
    """Return the URL if it is https, or http on loopback.

    Raises MisconfiguredError otherwise.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise MisconfiguredError(f"{noun} {printable(url)!r} is not a valid URL: {printable(error)}.") from error
    if "://" not in url:
        near = f"{'http' if url.partition(':')[0] in _LOOPBACK and loopback else 'https'}://{url}"
        raise MisconfiguredError(f"{noun} {printable(url)!r} is not a URL. Did you mean {printable(near)}?")
    plain = parts.scheme == "http" and loopback and parts.hostname in _LOOPBACK
    if (parts.scheme != "https" and not plain) or not parts.hostname or parts.username or "\\" in url:
        raise MisconfiguredError(f"{noun} {printable(url)!r} must begin with https://, so that secrets are encrypted.")
    return url


def request_json(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    document: Mapping[str, str] | None = None,
    client: tuple[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Send a request and return the status and JSON of the response.

    Raises NoAnswerError. `client` is the ID and secret of an OAuth client, sent in an Authorization header (RFC 6749,
    2.3.1).
    """
    answer = fetch(url, form=form, document=document, client=client)
    if answer.document is None:
        raise NoAnswerError(
            f"{urlsplit(url).netloc} responded with status {answer.status} and a body that is not a JSON object. "
            "Check the URL."
        )
    return answer.status, answer.document


def fetch(
    url: str,
    *,
    method: str = "",
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    document: Mapping[str, Any] | None = None,
    client: tuple[str, str] | None = None,
) -> JsonAnswer:
    """Send a request and return the response, also one that is not JSON.

    Raises NoAnswerError.
    """
    body, kind = None, ""
    if form is not None:
        body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if document is not None:
        body, kind = json.dumps(document).encode(), "application/json"
    headers = {
        "Accept": "application/json",
        "User-Agent": "daypass",
        **({"Content-Type": kind} if kind else {}),
        **(headers or {}),
    }
    if client is not None:
        pair = ":".join(quote_plus(part) for part in client)
        headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    request = urllib.request.Request(url, body, headers, method=method or None)  # noqa: S310 - checked_url verified it
    host = urlsplit(url).netloc
    try:
        with _opened(request) as answer:
            return JsonAnswer(answer.status, _read(answer), dict(answer.headers.items()))
    except urllib.error.URLError as error:
        why = printable(getattr(error.reason, "verify_message", "")) or reason(error.reason)
        is_trust = isinstance(error.reason, ssl.SSLCertVerificationError)
        hint = (
            "Set AWS_CA_BUNDLE to the file with your own certificate authorities."
            if is_trust
            else "Check that it runs and that the name is right."
        )
        raise NoAnswerError(f"{host} cannot be reached: {sentence(why)} {hint}") from error
    except (OSError, HTTPException) as error:
        # An HTTPException quotes unparsable bytes, which may be a secret.
        why = type(error).__name__ if isinstance(error, HTTPException) else reason(error) or type(error).__name__
        raise NoAnswerError(f"{host} did not respond: {sentence(why)} Try again.") from error


def _opened(request: urllib.request.Request) -> Any:
    """Return the response to a request, also for error statuses."""
    try:
        return opener().open(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        return error


def opener(bundle: str = "") -> urllib.request.OpenerDirector:
    """Return a URL opener that does not follow redirects.

    `bundle` is a file with certificate authorities, by default the environment's.
    """
    bundle = bundle or os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or ""
    try:
        context = ssl.create_default_context()
        if bundle:
            context.load_verify_locations(bundle)
    except (OSError, ssl.SSLError) as error:
        raise MisconfiguredError(
            f"The CA bundle {bundle} does not contain readable certificates. Correct AWS_CA_BUNDLE or ca_bundle."
        ) from error
    return urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))


def _read(answer: Any) -> dict[str, Any] | None:
    content = answer.read(_MOST + 1)
    try:
        document = json.loads(content) if len(content) <= _MOST else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
