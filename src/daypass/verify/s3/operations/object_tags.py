"""Tags of objects in the header x-amz-tagging.

Owns the parsing of the header and the one spelling that goes to the store, so that the store sets the tags that were
judged. Source: Amazon S3 API Reference, PutObject; Amazon S3 User Guide, "Categorizing your objects using tags".
"""

from urllib.parse import quote

from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.operations.object_keys import decode_text

TAGGING_HEADER = b"x-amz-tagging"
MOST_TAGS = 10
LONGEST_TAG_KEY = 128
LONGEST_TAG_VALUE = 256

Tags = tuple[tuple[str, str], ...]


def parse_tagging(value: bytes) -> Tags:
    """Return the tags of the header. A plus sign is a space, as in a form.

    Raises S3Error if they are malformed, too long or too many, or if a key is given twice.
    """
    parts = [part.replace(b"+", b" ").partition(b"=") for part in value.split(b"&") if part]
    try:
        tags = tuple((decode_text(name), decode_text(text)) for name, _, text in parts)
    except S3Error as problem:
        raise _malformed(value) from problem
    if len({name for name, _ in tags}) != len(tags):
        raise _malformed(value)
    check_tags(tags)
    return tags


def check_tags(tags: Tags) -> None:
    """Raise S3Error if there are too many tags, or if one is too long."""
    if len(tags) > MOST_TAGS:
        raise s3_error("BadRequest", "Object tags cannot be greater than 10")
    for name, value in tags:
        if not 0 < len(name) <= LONGEST_TAG_KEY:
            raise s3_error("InvalidTag", TagKey=name[: LONGEST_TAG_KEY + 1])
        if len(value) > LONGEST_TAG_VALUE:
            raise s3_error("InvalidTag", "The TagValue you have provided is invalid", TagKey=name)


def encode_tagging(tags: Tags) -> bytes:
    """Return the one spelling of the header."""
    return "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags]).encode()


def _malformed(value: bytes) -> S3Error:
    return s3_error(
        "InvalidArgument",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
        "duplicates.",
        ArgumentName="x-amz-tagging",
        ArgumentValue=value.decode("latin-1")[:1024],
    )
