"""The origin of a URL, and whether it is one of this server.

Scheme, host and port are compared as in RFC 6454 section 4: case-insensitive, without default ports, names in the form
that browsers send, and IP literals in their canonical form.
"""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


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
