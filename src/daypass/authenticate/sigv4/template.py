"""The canonical request of plain calls, prepared in advance.

Owns the template for one list of signed headers. It gives exactly the bytes of `canonical_request` for a POST to /
without a query, if the header values are in canonical form already (HttpRequest.by_name). The hash of the body is an
argument of each use.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter

import msgspec

from daypass.authenticate.sigv4.canonical import Headers, canonical_request
from daypass.authenticate.sigv4.credential import Credential


class CanonicalTemplate(msgspec.Struct, frozen=True):
    """A canonical request without its header values and its body's hash.

    `pick` returns the values of the signed headers in their order, and raises KeyError if one is missing. `scope` is
    the credential scope in the string to sign.
    """

    pick: Callable[[Mapping[bytes, bytes]], tuple[bytes, ...]]
    text: bytes
    scope: str

    def fill(self, by_name: Headers, payload: bytes) -> bytes | None:
        """Return the canonical request, or None if a signed header is missing.

        `payload` is the hash of the body.
        """
        try:
            return self.text % (*self.pick(by_name), payload)
        except KeyError:
            return None


def make_template(credential: Credential, signed: tuple[bytes, ...]) -> CanonicalTemplate | None:
    """Return the template for a credential and its signed headers.

    Returns None for a list of one header, with which `pick` would not return a tuple, and for a list that names a
    header twice, which is refused.
    """
    if len(signed) < 2 or len(set(signed)) != len(signed):  # noqa: PLR2004 - said above
        return None
    names = [name.replace(b"%", b"%%") for name in signed]
    text = canonical_request("POST", b"/", b"", [name + b":%b" for name in names], names, b"%b")
    return CanonicalTemplate(itemgetter(*signed), text, "/".join(credential[1:]))
