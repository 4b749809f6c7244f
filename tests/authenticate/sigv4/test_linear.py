"""The cost of an unverified request is linear in its size."""

from collections.abc import Callable, Mapping

from tests.growth import FACTOR, LINEAR, growth

from daypass.authenticate.sigv4.canonical import canonical_headers, canonical_path, canonical_query, fold_headers
from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signature import ALGORITHM
from daypass.errors import Fault
from daypass.wire.form import read_form
from daypass.wire.http import Headers, HttpRequest

SIZE = 4_000


def request(headers: Headers = (), query: bytes = b"", path: bytes = b"/") -> HttpRequest:
    """Return a request with these parts."""
    return HttpRequest("GET", path, query, headers, b"", "192.0.2.1", secure=False)


def look_for_signature(one: HttpRequest) -> None:
    """Search for a signature that is absent or incomplete."""
    try:
        find_signature(one)
    except Fault:
        return


def test_repeated_headers_are_folded_in_linear_time() -> None:
    """Each value is copied once or twice, for any number of repeats."""
    assert growth(lambda size: fold_headers(((b"x-a", b"a" * 90),) * size), SIZE) < LINEAR


def test_repeated_headers_keep_their_order() -> None:
    """Repeated headers are trimmed and joined by commas in their order.

    Single headers between them are trimmed too.
    """
    headers = ((b"a", b" 1  2 "), (b"b", b" x  y "), (b"a", b"3"), (b"a", b""))
    assert fold_headers(headers) == {b"a": b"1 2,3,", b"b": b"x y"}


def test_looking_for_a_signature_takes_linear_time() -> None:
    """The search is linear in repeated headers, a long header and a query."""
    makers: tuple[Callable[[int], HttpRequest], ...] = (
        lambda size: request(((b"x-a", b"b" * 90),) * size),
        lambda size: request(((b"authorization", b"a, " * size),) * 2),
        lambda size: request(((b"authorization", ALGORITHM.encode() + b" a=b,c" * size),)),
        lambda size: request(query=b"&".join(b"X-Amz-Date=%d" % n for n in range(size))),
        lambda size: request(query=b"X-Amz-Signature=a&X-Amz-SignedHeaders=" + b"host;" * size),
    )
    for make in makers:
        requests = {size: make(size) for size in (SIZE, FACTOR * SIZE)}

        def look(size: int, made: Mapping[int, HttpRequest] = requests) -> None:
            look_for_signature(made[size])

        assert growth(look, SIZE) < LINEAR


def test_canonical_forms_take_linear_time() -> None:
    """The canonical form is linear for paths, queries and forms.

    The path has many segments and dot segments, the query and the form many parameters.
    """
    works: tuple[Callable[[int], object], ...] = (
        lambda size: canonical_path(b"/a/b/.." * size),
        lambda size: canonical_path(b"/.." * size),
        lambda size: canonical_query(b"&a=b" * size),
        lambda size: canonical_query(b"&%d=b" * size % tuple(range(size))),
    )
    for work in works:
        assert growth(work, SIZE) < LINEAR
    # The number of parameters is bounded; their length is not.
    assert growth(lambda size: read_form(b"a=%41+" * size), SIZE) < LINEAR


class CountingHeaders(dict[bytes, bytes]):
    """Headers that count how often one is read."""

    reads = 0

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        """Return a header, and count it."""
        self.reads += 1
        return super().get(key, default)


def test_a_header_that_is_signed_twice_is_refused_unread() -> None:
    """A long header that is named a thousand times, a thousand long lines to hash, is refused unread."""
    headers = CountingHeaders({b"host": b"x", b"x-long": b"a " * 30_000})
    assert canonical_headers(headers, (b"host", *[b"x-long"] * 1_000)) is None
    assert canonical_headers(headers, (b"host", b"host")) is None
    assert headers.reads == 0
    assert canonical_headers(headers, (b"host",)) == [b"host:x"]
