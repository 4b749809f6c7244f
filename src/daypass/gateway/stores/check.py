r"""`daypass gateway check`: whether a store behaves as its profile says.

Owns the canaries and their meaning. They are written to a scratch bucket that is created and deleted with the store's
own key:

- Odd keys. Two keys that the profile keeps apart must be two objects, and the list must have both names as they are.
- Uploads that are cut off. They must not change an object in any form in which the gateway sends uploads. Ceph stores
  what it received of an upload in chunks.
- Uploads in chunks, in each form that the profile has.
- The ID of a multipart upload. It must be valid for the key of its upload alone: else a caller that may write one key
  could write another one.
- Operations with a subresource. The store must not take one for another operation: one that answers `?tagging` with
  the object would return it to a caller that may not read it.

A store that is better than its profile passes: the gateway then refuses more than it has to. Leaves the requests to
store_probe.py, and the report to the command.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial
from types import MappingProxyType

import msgspec

from daypass.gateway.stores.profiles import GENERAL, StoreProfile
from daypass.gateway.stores.store_probe import ProbeAnswer, ProbeError, StoreProbe
from daypass.verify.payload import PayloadKind
from daypass.verify.s3.bodies.bodies import BodyProfile
from daypass.verify.s3.bodies.checksums import ALGORITHMS, ChecksumAlgorithm
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.object_keys import check_object_key, folded_name

WRONG_PROFILE = "WrongProfile"
UNAVAILABLE = "StoreUnavailable"

# A canary, and the key that a store which folds would take it for. `{}` is the folder of the pair.
_PAIRS: tuple[tuple[str, str], ...] = (
    ("{}/a//b", "{}/a/b"),
    ("{}//b", "{}/b"),
    ("/{}/b", "{}/b"),
    ("//{}/b", "{}/b"),
    ("{}/a\\b", "{}/a/b"),
    ("\\{}\\b", "{}/b"),
    ("{}/b/", "{}/b"),
    ("{}/b//", "{}/b"),
    ("{}/B", "{}/b"),
    ("{}/É", "{}/é"),
    ("{}/e\u0301", "{}/é"),
    ("{}/b ", "{}/b"),
    ("{}/ b", "{}/b"),
    ("{}/a+b", "{}/a b"),
    ("{}/a%2Fb", "{}/a/b"),
    ("{}/%61", "{}/a"),
    ("{}/b?x", "{}/b"),
    ("{}/b#x", "{}/b"),
    ("{}/b;x", "{}/b"),
    ("{}/b.", "{}/b"),
    ("{}/b\n", "{}/b"),
    ("{}/b\t", "{}/b"),
    ("{}/.uploads/b", "{}/b"),
    ("{}/b.versions/c", "{}/b"),
)
_CANARY, _TWIN = b"the content of the canary", b"the content of the other key"
_OBJECT = "object"
_CONTENT = b"content of the object " * 10_000
_CHANGED = b"another content " * 15_000
_CUTS = ((5_000, 1), (5_000, 2_500), (len(_CHANGED), len(_CHANGED) // 2))  # bytes that are announced, and sent
SETTLE_SECONDS = 1.0
"""The time for a store to store what was cut off."""
_ALGORITHM = ALGORITHMS[b"x-amz-checksum-crc32"]

# The subresource of each operation that an unknowing store could take for an operation on the object or the bucket.
_OBJECT_SUBRESOURCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "DeleteObjectTagging": ("DELETE", "tagging"),
        "GetObjectAcl": ("GET", "acl"),
        "GetObjectAttributes": ("GET", "attributes"),
        "GetObjectLegalHold": ("GET", "legal-hold"),
        "GetObjectRetention": ("GET", "retention"),
        "GetObjectTagging": ("GET", "tagging"),
        "GetObjectTorrent": ("GET", "torrent"),
        "PutObjectLegalHold": ("PUT", "legal-hold"),
        "PutObjectRetention": ("PUT", "retention"),
        "PutObjectTagging": ("PUT", "tagging"),
    }
)
_BUCKET_SUBRESOURCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "DeleteBucketEncryption": ("DELETE", "encryption"),
        "DeleteBucketLifecycle": ("DELETE", "lifecycle"),
        "DeleteBucketTagging": ("DELETE", "tagging"),
        "GetBucketEncryption": ("GET", "encryption"),
        "GetBucketLifecycleConfiguration": ("GET", "lifecycle"),
        "GetBucketTagging": ("GET", "tagging"),
        "GetBucketVersioning": ("GET", "versioning"),
        "GetObjectLockConfiguration": ("GET", "object-lock"),
        "ListMultipartUploads": ("GET", "uploads"),
        "ListObjectVersions": ("GET", "versions"),
    }
)


class FindingOutcome(Enum):
    """The outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class StoreFinding(msgspec.Struct, frozen=True):
    """The result of one check.

    `message` says what was found, also if the check passed.
    """

    name: str
    outcome: FindingOutcome
    code: str = ""
    message: str = ""


class StoreReport(msgspec.Struct, frozen=True):
    """The results about one store.

    `safe` is a profile that the store does not break, or None if it was not searched or does not exist.
    """

    backend: str
    profile: str
    findings: tuple[StoreFinding, ...]
    safe: StoreProfile | None = None

    @property
    def failure(self) -> StoreFinding | None:
        """The first check that failed, or None."""
        return next((one for one in self.findings if one.outcome is FindingOutcome.FAILED), None)


class StoreCheck:
    """Checks one store against a profile.

    The store has `settle_seconds` to store what it received of an upload that is cut off.
    """

    def __init__(self, probe: StoreProbe, profile: StoreProfile, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._probe = probe
        self._profile = profile
        self._settle_seconds = settle_seconds

    def findings(self) -> tuple[StoreFinding, ...]:
        """Return the result of every check."""
        return self._with_bucket(
            (
                ("keys", self.check_keys),
                ("cut uploads", self.check_cut_uploads),
                ("uploads in chunks", self.check_chunks),
                ("upload ids", self.check_upload_ids),
                ("operations", self.check_operations),
            )
        )

    def quick_findings(self) -> tuple[StoreFinding, ...]:
        """Return the results that a gateway needs before it starts."""
        return self._with_bucket(
            (
                ("keys", self.check_keys),
                ("cut uploads", self.check_cut_uploads),
                ("upload ids", self.check_upload_ids),
            )
        )

    def _with_bucket(self, checks: tuple[tuple[str, Callable[[], StoreFinding]], ...]) -> tuple[StoreFinding, ...]:
        try:
            made = self._probe.send("PUT")
        except ProbeError as error:
            return (StoreFinding("scratch bucket", FindingOutcome.FAILED, UNAVAILABLE, str(error)),)
        if not made.is_success:
            message = f"The store did not create a bucket: {made}."
            return (StoreFinding("scratch bucket", FindingOutcome.FAILED, UNAVAILABLE, message),)
        try:
            found = [_run(name, check) for name, check in checks]
        finally:
            left = self._clean_up()
        scratch = StoreFinding("scratch bucket", FindingOutcome.PASSED, message=left)
        return (scratch, *found)

    def _clean_up(self) -> str:
        with suppress(ProbeError):
            for key in self._probe.listed():
                self._probe.send("DELETE", key)
            if self._probe.send("DELETE").is_success:
                return ""
        return "The scratch bucket could not be deleted."

    # Keys ---------------------------------------------------------------------------------------------------

    def check_keys(self) -> StoreFinding:
        """Find keys that the profile allows and the store does not keep apart."""
        folded, lost = [], []
        for number, (canary, twin) in enumerate(_PAIRS):
            pair = canary.format(f"k{number:02}"), twin.format(f"k{number:02}")
            if self._is_folded(*pair):
                folded.append(pair[0])
                if self._lets_through(*pair):
                    lost.append(pair[0])
        if lost:
            shown = ", ".join(map(repr, lost))
            return StoreFinding(
                "keys",
                FindingOutcome.FAILED,
                WRONG_PROFILE,
                f"The store does not keep these keys as they are: {shown}.",
            )
        message = f"{len(_PAIRS)} odd keys: {len(_PAIRS) - len(folded)} are kept as they are"
        return StoreFinding("keys", FindingOutcome.PASSED, message=f"{message}, and the others are refused.")

    def _is_folded(self, canary: str, twin: str) -> bool:
        """Return whether the store does something else with the two keys than S3."""
        probe = self._probe
        if not probe.send("PUT", twin, body=_TWIN).is_success:
            return True
        if not probe.send("PUT", canary, body=_CANARY).is_success:
            # A key that the store refuses is not another one, as long as the other object stays.
            return probe.get(twin) != _TWIN
        return probe.get(twin) != _TWIN or probe.get(canary) != _CANARY or not {canary, twin} <= probe.listed()

    def _lets_through(self, canary: str, twin: str) -> bool:
        """Return whether the gateway would take the two keys for two objects."""
        rule = self._profile.keys
        try:
            check_object_key(canary, rule)
        except S3Error:
            return False
        return folded_name(canary, folds_slashes=rule.folds_slashes) != twin

    # Uploads ------------------------------------------------------------------------------------------------

    def check_cut_uploads(self) -> StoreFinding:
        """Find the forms in which an upload that is cut off changes an object."""
        bodies, probe = self._profile.bodies, self._probe
        plain = any(self._changes(partial(probe.cut, _OBJECT, _CHANGED[:size], sent)) for size, sent in _CUTS)
        kept = [PayloadKind.UNSIGNED.value] if plain else []
        wrong = [*kept] if not bodies.commits_short_bodies else []
        for is_used, kind, trailer in _forms(bodies):
            if self._changes(partial(probe.upload_chunks, _OBJECT, _CHANGED, kind, trailer, cut=True)):
                kept.append(kind.value)
                wrong += [kind.value] if is_used else []
        if wrong:
            message = f"The store keeps what it received of an upload that is cut off: {', '.join(wrong)}."
            return StoreFinding("cut uploads", FindingOutcome.FAILED, WRONG_PROFILE, message)
        message = f"Stored, and thus not used: {', '.join(kept)}." if kept else "They change no object."
        return StoreFinding("cut uploads", FindingOutcome.PASSED, message=message)

    def _changes(self, upload: Callable[[], ProbeAnswer]) -> bool:
        if not self._probe.send("PUT", _OBJECT, body=_CONTENT).is_success:
            raise ProbeError("an object cannot be stored")
        answer = upload()
        if not answer.status:
            time.sleep(self._settle_seconds)  # the store does not say when it has done
        return self._probe.get(_OBJECT) != _CONTENT

    def check_chunks(self) -> StoreFinding:
        """Find out whether uploads in the forms of the profile are stored."""
        supported = []
        for is_declared, kind, trailer in _forms(self._profile.bodies):
            answer = self._probe.upload_chunks(f"chunks {kind.value}", _CHANGED, kind, trailer)
            if answer.is_success and self._probe.get(f"chunks {kind.value}") == _CHANGED:
                supported.append(kind.value)
            elif is_declared:
                message = f"The store does not support {kind.value}: {answer}."
                return StoreFinding("uploads in chunks", FindingOutcome.FAILED, WRONG_PROFILE, message)
        message = f"Supported: {', '.join(supported) or 'none of the forms'}."
        return StoreFinding("uploads in chunks", FindingOutcome.PASSED, message=message)

    def check_upload_ids(self) -> StoreFinding:
        """Find out whether the store accepts a part of another key's upload."""
        probe = self._probe
        upload_id = probe.begin_upload("upload/a")
        if upload_id is None:
            message = "The store does not have multipart uploads."
            return StoreFinding("upload ids", FindingOutcome.PASSED, message=message)
        query = {"partNumber": "1", "uploadId": upload_id}
        is_bound = not probe.send("PUT", "upload/b", query=query, body=_CONTENT).is_success
        probe.send("DELETE", "upload/a", query={"uploadId": upload_id})
        if is_bound:
            message = "An upload is valid for its own key alone."
            return StoreFinding("upload ids", FindingOutcome.PASSED, message=message)
        if self._profile.binds_uploads:
            message = "The store accepts the ID of an upload with another key."
            return StoreFinding("upload ids", FindingOutcome.FAILED, WRONG_PROFILE, message)
        message = "The store accepts the ID of an upload with another key, thus the gateway asks for the key first."
        return StoreFinding("upload ids", FindingOutcome.PASSED, message=message)

    # Operations ---------------------------------------------------------------------------------------------

    def check_operations(self) -> StoreFinding:
        """Find operations of the profile that the store takes for others."""
        misread = [*self._misread_of_object(), *self._misread_of_bucket()]
        wrong = [name for name in misread if name in self._profile.operations]
        if wrong:
            message = f"The store takes these operations for other ones: {', '.join(wrong)}."
            return StoreFinding("operations", FindingOutcome.FAILED, WRONG_PROFILE, message)
        message = (
            f"Not forwarded, because the store takes them for other ones: {', '.join(misread)}." if misread else ""
        )
        return StoreFinding("operations", FindingOutcome.PASSED, message=message)

    def _misread_of_object(self) -> Iterator[str]:
        for name, (method, subresource) in _OBJECT_SUBRESOURCES.items():
            self._probe.send("PUT", _OBJECT, body=_CONTENT)
            body = b"<x/>" if method == "PUT" else b""
            answer = self._probe.send(method, _OBJECT, query={subresource: ""}, body=body)
            is_object = answer.is_success and answer.body == _CONTENT
            if is_object or self._probe.get(_OBJECT) != _CONTENT:
                yield name

    def _misread_of_bucket(self) -> Iterator[str]:
        listed = self._probe.send("GET").body[:200]
        for name, (method, subresource) in _BUCKET_SUBRESOURCES.items():
            answer = self._probe.send(method, query={subresource: ""})
            is_list = answer.is_success and b"<ListBucketResult" in listed and b"<ListBucketResult" in answer.body
            if is_list or not self._probe.send("GET").is_success:
                yield name


def find_safe_profile(
    profile: StoreProfile,
    findings: tuple[StoreFinding, ...],
    check: Callable[[StoreProfile], tuple[StoreFinding, ...]],
) -> StoreProfile | None:
    """Return a profile that the store passes, or None.

    It is `profile` if the store passed with it, else the first of the general ones.
    `check` returns the findings for another profile. A store that does not answer has no profile.
    """
    if not _has_failed(findings):
        return profile
    if all(one.code != WRONG_PROFILE for one in findings):
        return None
    others = (general for general in GENERAL if general is not profile)
    return next((general for general in others if not _has_failed(check(general))), None)


def _has_failed(findings: tuple[StoreFinding, ...]) -> bool:
    return any(one.outcome is FindingOutcome.FAILED for one in findings)


def _forms(bodies: BodyProfile) -> tuple[tuple[bool, PayloadKind, ChecksumAlgorithm | None], ...]:
    """Return each form of chunks, with whether the profile has it."""
    return (
        (bodies.signed_chunks, PayloadKind.SIGNED_CHUNKS, None),
        (bodies.signed_trailers, PayloadKind.SIGNED_CHUNKS_TRAILER, _ALGORITHM),
        (bodies.unsigned_trailers, PayloadKind.UNSIGNED_TRAILER, _ALGORITHM),
    )


def _run(name: str, check: Callable[[], StoreFinding]) -> StoreFinding:
    try:
        return check()
    except ProbeError as error:
        return StoreFinding(name, FindingOutcome.FAILED, UNAVAILABLE, str(error))
