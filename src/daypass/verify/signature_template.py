"""What the header signatures of similar requests have in common.

Owns the memory of the part of an Authorization header before its signature, for each list of header names. The clients
of a session send the same part all day, and the checks of it have the same result each time. The rules:

- A template is kept only after the whole way of verify_head() has verified a request with it.
- It has what depends on that part and on the names of the headers alone: key id, scope, signed headers, the checks that
  these are complete, and the canonical request with places for the values. Whether the names are unsigned, repeated or
  missing is thus decided by the outline.
- It does not have a key, a caller, a time or the result of a comparison. Those are found for each request.
- A request that differs in any way, such as another space or order, does not find the template.

Leaves the use of a template to signature.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter

import msgspec

from daypass.authenticate.sigv4.signature import UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import parse_timestamp
from daypass.bounded_memory import BoundedMemory
from daypass.errors import IncompleteSignature
from daypass.verify.head import HeaderOutline, RequestHead
from daypass.verify.signature_profile import SignatureProfile


class SignedForm(msgspec.Struct, frozen=True):
    """A list of signed headers, and the places of their values.

    `values` returns the values of the signed headers, or raises KeyError.
    `template` has the places of method, path, query, these values and payload. It is None if the list names a header
    twice.
    """

    values: Callable[[Mapping[bytes, bytes]], Sequence[bytes]]
    as_set: frozenset[bytes]
    template: bytes | None


_LONGEST_FORM = 512
# Clients use few lists. Longer ones than those of the SDKs are not kept.
_forms: BoundedMemory[tuple[bytes, ...], SignedForm] = BoundedMemory(1024)


def signed_form(names: tuple[bytes, ...]) -> SignedForm:
    """Return the form of a list of signed headers."""
    return _forms.get(names) or _form_of(names)


def _form_of(names: tuple[bytes, ...]) -> SignedForm:
    as_set = frozenset(names)
    lines = b"".join([name.replace(b"%", b"%%") + b":%b\n" for name in names])
    template = b"%b\n%b\n%b\n" + lines + b"\n" + b";".join(names).replace(b"%", b"%%") + b"\n%b"
    # Of a single name, itemgetter returns a value instead of a tuple.
    values = itemgetter(*names) if len(names) > 1 else partial(_values_of, names)
    form = SignedForm(values, as_set, template if len(as_set) == len(names) else None)
    return _forms.put(names, form) if len(template) <= _LONGEST_FORM else form


def _values_of(names: tuple[bytes, ...], headers: Mapping[bytes, bytes]) -> list[bytes]:
    return [headers[name] for name in names]


class SignatureTemplate(msgspec.Struct, frozen=True, eq=False):
    """The common part of the signatures of one key, day and list of headers.

    `canonical` has the places of method, path, values and payload; the query is empty.
    """

    service: SignatureProfile
    access_key_id: str
    date: str
    region: str
    scope: str
    signed: frozenset[bytes]
    values: Callable[[Mapping[bytes, bytes]], Sequence[bytes]]
    canonical: bytes


# The only form that is kept: that of all SDKs. The signature comes behind it.
_BEFORE_SIGNATURE = re.compile(rb"AWS4-HMAC-SHA256 Credential=[!-+\--~]+, ?SignedHeaders=[!-+\--~]+")
_LONGEST_BEFORE = 512
_NEEDED = frozenset({b"host", b"x-amz-content-sha256", b"x-amz-date"})
_templates: BoundedMemory[tuple[bytes, HeaderOutline], SignatureTemplate] = BoundedMemory(4096)


def find_template(before: bytes, outline: HeaderOutline, service: SignatureProfile) -> SignatureTemplate | None:
    """Return the template of a header up to its signature, or None."""
    found = _templates.get((before, outline))
    return found if found is not None and found.service is service else None


def keep_template(
    head: RequestHead, unverified: UnverifiedSignature, form: SignedForm, scope: str, service: SignatureProfile
) -> None:
    """Keep the template of a header signature that was verified.

    The head does not have a query. Nothing is kept of a signature in another form than that of the SDKs.
    """
    outline, headers = head.outline, head.headers
    before, _, signature = headers.get(b"authorization", b"").rpartition(b", Signature=")
    if outline is None or form.template is None or not _NEEDED.issubset(headers):
        return
    is_usual = len(before) <= _LONGEST_BEFORE and _BEFORE_SIGNATURE.fullmatch(before) is not None
    if not is_usual or signature != unverified.signature.encode():
        return
    rest = form.template.removeprefix(b"%b\n%b\n%b\n")
    template = SignatureTemplate(
        service,
        unverified.access_key_id,
        unverified.date,
        unverified.region,
        scope,
        form.as_set,
        form.values,
        b"%b\n%b\n\n" + rest,
    )
    _templates.put((before, outline), template)


_stamps: BoundedMemory[bytes, tuple[str, str, datetime]] = BoundedMemory(1024)
_STAMP_LENGTH = 16


def find_stamp(value: bytes) -> tuple[str, str, datetime] | None:
    """Return the timestamp, its date and its instant of an X-Amz-Date header.

    Returns None if it is malformed.
    """
    return _stamps.get(value) or _read_stamp(value)


def _read_stamp(value: bytes) -> tuple[str, str, datetime] | None:
    if len(value) != _STAMP_LENGTH:
        return None
    text = value.decode("latin-1")
    try:
        return _stamps.put(value, (text, text[:8], parse_timestamp(text)))
    except IncompleteSignature:
        return None
