"""The check that a request comes from one of our own pages.

The Host header is not sufficient: after DNS rebinding, an attacker's page has the attacker's name in its Origin and in
its Host.

* A browser sends the origin of a request in Origin, and in Sec-Fetch-Site whether the request is same-origin.
* The origin must be that of the public URL. Scheme, host and port are compared as in RFC 6454 section 4:
  case-insensitive, without default ports, and with IPv6 literals in their canonical form.
* Our pages send no referrer, so browsers send "null" as their Origin. Then Sec-Fetch-Site must be same-origin, and the
  name in Host is compared instead.
* A server on the person's own machine accepts any loopback name, at the port of the public URL.
* If the host of the public URL is unspecified (0.0.0.0), the origin must be the loopback name or literal address in
  Host: neither can be rebound, and another server with the same port has another address.
* A command is not a browser and sends neither header.
"""

from collections.abc import Sequence

from daypass.errors import AccessDenied
from daypass.wire.web_origin import find_origin, is_ours

_SAME_ORIGIN = "same-origin"
_FOREIGN = "This request comes from another site. Use the pages of this server."


def require_our_origin(public_url: str, *, origins: Sequence[str], fetched_from: Sequence[str], host: str) -> None:
    """Raise AccessDenied for a cross-site request."""
    if not origins and not fetched_from:
        return
    if any(value.lower() != _SAME_ORIGIN for value in fetched_from):
        raise AccessDenied(_FOREIGN, detail=f"Sec-Fetch-Site is {fetched_from}")
    public = find_origin(public_url)
    named = [value for value in origins if value != "null"]
    if len(named) < len(origins) and not fetched_from:
        raise AccessDenied(_FOREIGN, detail="Origin is null, and Sec-Fetch-Site is missing")
    here = f"{'' if public is None else public.scheme}://{host}"
    for given in named or [here]:
        if not is_ours(find_origin(given), public, reached=find_origin(here)):
            raise AccessDenied(
                f"This server accepts forms only at {public_url}. Open the page there.", detail=f"Origin is {given}"
            )
