"""Ask a server or an identity provider for JSON: over https (or loopback), no redirects, bounded in time and size.

Owns these bounds. What the answers mean is the asker's. The environment's proxies and AWS_CA_BUNDLE count, as for AWS's
own tools.
"""

import json
import os
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from daypass.client.problems import Misconfigured, NoAnswer
from daypass.client.words import printable, reason, sentence

_MOST = 1_000_000
_SECONDS = 20
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nobody: a code or a token is for the address that was asked."""


def checked_url(url: str, noun: str, *, loopback: bool = True) -> str:
    """Return an https URL, or an http one of this machine. Raises Misconfigured."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Misconfigured(f"{noun} {printable(url)!r} is no URL; {printable(error)}.") from error
    if "://" not in url:
        near = f"{'http' if url.partition(':')[0] in _LOOPBACK and loopback else 'https'}://{url}"
        raise Misconfigured(f"{noun} {printable(url)!r} is no URL; did you mean {printable(near)}?")
    plain = parts.scheme == "http" and loopback and parts.hostname in _LOOPBACK
    if (parts.scheme != "https" and not plain) or not parts.hostname or parts.username or "\\" in url:
        raise Misconfigured(f"{noun} {printable(url)!r} must begin with https://; secrets do not travel in the clear.")
    return url


def ask(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    document: Mapping[str, str] | None = None,
    client: tuple[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object that a URL answers with. Raises NoAnswer.

    `client` is an OAuth client's id and secret, for a header of their own (RFC 6749, 2.3.1).
    """
    body, kind = None, ""
    if form is not None:
        body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if document is not None:
        body, kind = json.dumps(document).encode(), "application/json"
    headers = {"Accept": "application/json", "User-Agent": "daypass", **({"Content-Type": kind} if kind else {})}
    if client is not None:
        pair = ":".join(quote_plus(part) for part in client)
        headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked_url saw every one
    host = urlsplit(url).netloc
    try:
        with _opened(request) as answer:
            return answer.status, _read(answer, host)
    except urllib.error.URLError as error:
        why = printable(getattr(error.reason, "verify_message", "")) or reason(error.reason)
        is_trust = isinstance(error.reason, ssl.SSLCertVerificationError)
        hint = (
            "AWS_CA_BUNDLE names the file of your own authorities."
            if is_trust
            else "Is it running, and the name right?"
        )
        raise NoAnswer(f"{host} cannot be reached: {sentence(why)} {hint}") from error
    except (OSError, HTTPException) as error:
        # An HTTPException quotes what came in place of an answer, which may be a secret.
        why = type(error).__name__ if isinstance(error, HTTPException) else reason(error) or type(error).__name__
        raise NoAnswer(f"{host} did not answer: {sentence(why)} Try again.") from error


def _opened(request: urllib.request.Request) -> Any:
    """Return the answer to a request, whatever its status."""
    try:
        return opener().open(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        return error


def opener() -> urllib.request.OpenerDirector:
    """Return what opens URLs: with the person's authorities, and without following anybody elsewhere."""
    bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or None
    try:
        context = ssl.create_default_context()
        if bundle:
            context.load_verify_locations(bundle)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"AWS_CA_BUNDLE names {bundle}, which cannot be read as certificates.") from error
    return urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))


def _read(answer: Any, host: str) -> dict[str, Any]:
    content = answer.read(_MOST + 1)
    try:
        document = json.loads(content) if len(content) <= _MOST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise NoAnswer(
            f"{host} answered {answer.status} with something that is no JSON object; is it the right address?"
        )
    return document
