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
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from daypass.errors import AccessDenied

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAME_ORIGIN = "same-origin"
_FOREIGN = "This request comes from another site. Use the pages of this server."


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """Scheme, host and port. An IPv6 host is canonical, without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address, or None if it is a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Tell whether the host is a loopback name or address."""
        return self.host == "localhost" or (self.address is not None and self.address.is_loopback)


def find_origin(url: str) -> WebOrigin | None:
    """Return the origin of a URL, or None if the URL does not have one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _DEFAULT_PORTS or not host or parts.username is not None:
        return None
    with suppress(ValueError):  # A name is compared in the form that browsers send; a literal in its canonical form.
        host = host.encode("idna").decode()
    with suppress(ValueError):
        host = str(ip_address(host))
    return WebOrigin(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port)


def is_ours(given: WebOrigin | None, public: WebOrigin | None, *, reached: WebOrigin | None) -> bool:
    """Tell whether the origin `given` is an origin of our pages.

    `public` is that of the public URL, `reached` the one that the browser used for this server.
    """
    if given is None or public is None:
        return False
    if given == public:
        return True
    if (given.scheme, given.port) != (public.scheme, public.port):
        return False
    if public.address is not None and public.address.is_unspecified:
        return given == reached and (given.is_loopback or given.address is not None)
    return given.is_loopback and public.is_loopback


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
