r"""The rules for bucket names and object keys: one spelling, one meaning.

Owns the decoding of paths, the names that are refused, and the spelling that goes to the store. Leaves the choice of
the rule to the profile of the store.

The verifier and the store must have the same idea of a key. A store that folds `//`, a leading `/` or `\` into `/`
returns `secret/x` for `/bucket//secret/x`, and a policy about `secret/*` would not see it. Hence:

- A path is decoded once. Malformed percent escapes, invalid UTF-8 and NUL are refused.
- A segment `.` or `..` is refused, also where `\` would separate it.
- FOLDED refuses every spelling that a store could fold. EXACT is for stores that keep keys as they are.
- A key that ends in a slash is not refused, because clients use such keys for folders. A store may fold that slash too:
  a request for `k/` then needs the permissions for `k` as well (actions.py).
- A store that folds the case of letters gets keys in lower case only.
- The store gets one spelling: every byte is encoded except unreserved characters and `/`.
"""

import re
from functools import lru_cache
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from daypass.verify.s3.errors import S3Error, s3_error

MOST_KEY_BYTES = 1_024
_UNRESERVED = "-_.~"
_PLAIN_PATH = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~./-"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\]|$)")
_COMPLETE_DOT_SEGMENT = re.compile(r"(?:^|[/\\])(?:\.\.?[/\\]|\.\.$)")
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_LONGEST_BUCKET = 63
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


class KeyRule(msgspec.Struct, frozen=True):
    r"""The keys that a store keeps apart.

    `folds_slashes`: the store may take `//`, a leading `/` and `\` for `/`, and `k/` for `k`. `folds_case`: it does not
    keep upper and lower case apart. `reserved` are names of segments under which the store keeps its own files, such as
    the parts of uploads; a key cannot contain such a segment, or a segment that ends in one of `reserved_suffixes`.
    """

    folds_slashes: bool = True
    folds_case: bool = False
    reserved: tuple[str, ...] = (".uploads", ".sgwtmp")
    reserved_suffixes: tuple[str, ...] = (".versions",)


FOLDED = KeyRule()
"""The rule for a store whose behaviour is not known, except for the case of letters."""
EXACT = KeyRule(folds_slashes=False, reserved=(), reserved_suffixes=())


def decode_text(raw: bytes) -> str:
    """Return the text of a percent-encoded string. A plus sign is a plus sign.

    Raises S3Error if an escape is malformed, the text is not UTF-8, or it contains NUL.
    """
    if b"%" in raw:
        if _BAD_ESCAPE.search(raw):
            raise s3_error("InvalidURI", detail="malformed percent escape")
        raw = unquote_to_bytes(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        raise s3_error("InvalidURI", detail="not UTF-8") from problem
    if "\0" in text:
        raise s3_error("InvalidURI", detail="NUL")
    return text


def encode_text(text: str) -> str:
    """Return the one spelling of a query name or value."""
    return quote_from_bytes(text.encode(), _UNRESERVED)


def encode_path(bucket: str, key: str) -> bytes:
    """Return the path in path style, in the one spelling for the store."""
    path = f"/{bucket}/{key}" if key else f"/{bucket}"
    raw = path.encode()
    return quote_from_bytes(raw, _UNRESERVED + "/").encode() if raw.translate(None, _PLAIN_PATH) else raw


def split_plain_path(path: bytes) -> tuple[str, str] | None:
    """Return bucket and key of a path that has one spelling only.

    The path is in path style. Returns None if it has another character than those that encode_path() leaves as they
    are.
    """
    if path.translate(None, _PLAIN_PATH):
        return None
    bucket, _, key = path[1:].decode().partition("/")
    return bucket, key


def check_bucket_name(name: str) -> None:
    """Raise S3Error unless the name is a valid bucket name.

    Source: Amazon S3 User Guide, "General purpose bucket naming rules".
    """
    if len(name) > _LONGEST_BUCKET or not _is_bucket_name(name):
        raise s3_error("InvalidBucketName", BucketName=name[:MOST_KEY_BYTES])


@lru_cache(maxsize=1024)
def _is_bucket_name(name: str) -> bool:
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def is_host_label(bucket: str) -> bool:
    """Return whether a bucket can be the first label of a host name.

    A name with dots, and thus an IP address, is for path style only.
    """
    return "." not in bucket


def is_address(bucket: str) -> bool:
    """Return whether a bucket name looks like an IP address.

    Such a bucket cannot be created.
    """
    return _ADDRESS.fullmatch(bucket) is not None


def check_object_key(key: str, rule: KeyRule) -> None:
    """Raise S3Error unless the key means the same object at the store.

    For decoded keys of paths, copy sources and DeleteObjects.
    """
    if len(key) * 4 > MOST_KEY_BYTES and len(_encoded(key)) > MOST_KEY_BYTES:
        raise s3_error("KeyTooLongError", Size=str(len(_encoded(key))), MaxSizeAllowed=str(MOST_KEY_BYTES))
    # The first tests are faster, and true for every key with a dot segment.
    if ("/." in key or "\\." in key or key[:1] == ".") and _DOT_SEGMENT.search(key):
        raise s3_error("InvalidURI", detail="dot segment in a key")
    _check_spelling(key, rule)


def folded_name(key: str, *, folds_slashes: bool) -> str:
    """Return the other key that may be the same object, or an empty string."""
    return key[:-1] if folds_slashes and key[-1:] == "/" else ""


def check_key_prefix(prefix: str, rule: KeyRule) -> None:
    """Raise S3Error unless a prefix means the same keys at the store.

    It may end within a segment, thus its last segment may be `.`, unless the store normalizes paths.
    """
    if len(_encoded(prefix)) > MOST_KEY_BYTES:
        raise s3_error("KeyTooLongError", Size=str(len(_encoded(prefix))), MaxSizeAllowed=str(MOST_KEY_BYTES))
    dots = _DOT_SEGMENT if rule.folds_slashes else _COMPLETE_DOT_SEGMENT
    if "." in prefix and dots.search(prefix):
        raise s3_error("InvalidURI", detail="dot segment in a prefix")
    _check_spelling(prefix, rule)


def _check_spelling(text: str, rule: KeyRule) -> None:
    if "\0" in text:  # in a body; decode_text() refuses it in a path
        raise s3_error("InvalidURI", detail="NUL")
    if rule.folds_slashes and ("//" in text or "\\" in text or text[:1] == "/"):
        raise _ambiguous("a slash that the store may fold")
    if rule.folds_case and text != text.casefold():
        raise _ambiguous("an upper-case letter, which the store folds")
    if "." in text and (rule.reserved or rule.reserved_suffixes):
        _check_reserved(text, rule)


def _check_reserved(text: str, rule: KeyRule) -> None:
    for name in (*rule.reserved, *rule.reserved_suffixes):
        if name in text:
            break
    else:
        return
    for segment in text.split("/"):
        if segment in rule.reserved or segment.endswith(rule.reserved_suffixes):
            raise _ambiguous("a segment that the store uses for its own files")


def _ambiguous(detail: str) -> S3Error:
    return s3_error(
        "InvalidURI",
        "Couldn't parse the specified URI. The store behind this gateway cannot keep this key apart from another one.",
        detail=detail,
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as problem:  # lone surrogates, from an XML or JSON body
        raise s3_error("InvalidURI", detail="not UTF-8") from problem
