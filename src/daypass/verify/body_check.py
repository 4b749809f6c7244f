"""Verify a body against the hash that was signed, while it arrives.

Owns the rule that the end of a body is held back until its length and its hash are right. Leaves chunks with signatures
to verify/s3.
"""

from hashlib import sha256
from hmac import compare_digest

from daypass.verify.refusals import VerifyError, VerifyReason


class BodyCheck:
    """Checks one body of a known SHA-256.

    `feed` returns bytes that may be used now: the last piece is always held back. `finish` returns that piece, if the
    body is right. Both raise VerifyError, and go on to raise it.

    >>> from hashlib import sha256
    >>> from daypass.verify import BodyCheck
    >>> check = BodyCheck(sha256(b"ab").hexdigest(), length=2)
    >>> check.feed(b"a"), check.feed(b"b"), check.finish()
    (b'', b'a', b'b')
    """

    def __init__(self, expected_sha256: str, *, length: int | None) -> None:
        self._expected = expected_sha256
        self._length = length
        self._hash = sha256()
        self._seen = 0
        self._held = b""
        self._refused: VerifyError | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that may be used now."""
        self._raise_again()
        if not data:
            return b""
        self._seen += len(data)
        if self._length is not None and self._seen > self._length:
            raise self._refuse(VerifyReason.BODY_LENGTH)
        self._hash.update(data)
        free, self._held = self._held, data
        return free

    def finish(self) -> bytes:
        """Return the end of the body. Raises VerifyError if the body is wrong."""
        self._raise_again()
        if self._length is not None and self._seen != self._length:
            raise self._refuse(VerifyReason.BODY_LENGTH)
        if not compare_digest(self._hash.hexdigest().encode(), self._expected.encode()):
            raise self._refuse(VerifyReason.BODY_HASH)
        free, self._held = self._held, b""
        return free

    def _refuse(self, reason: VerifyReason) -> VerifyError:
        self._held = b""
        self._refused = VerifyError(reason)
        return self._refused

    def _raise_again(self) -> None:
        if self._refused is not None:
            raise self._refused
