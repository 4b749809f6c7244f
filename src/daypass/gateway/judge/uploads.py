"""Bind the ID of a multipart upload to the key of the request.

Owns the question to a store that does not look at the key itself: there, a caller that may write one key could finish,
change or abort the upload of another one. The answer is kept, because an upload never changes its key. Leaves the order
of the steps to judgement.py.
"""

from daypass.bounded_memory import BoundedMemory
from daypass.gateway.buckets.bucket_lifecycle import BackendUnavailableError
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.judge.lookups import ObjectCalls
from daypass.gateway.stores.store_lists import read_uploads
from daypass.verify.s3.errors import s3_error

_OK, _MISSING = 200, 404
_MOST_PAGES = 100
_CAPACITY = 4_096

OF_AN_UPLOAD = frozenset(
    {"AbortMultipartUpload", "CompleteMultipartUpload", "ListParts", "UploadPart", "UploadPartCopy"}
)
"""The operations on an upload that has begun."""


class KnownUploads:
    """Remembers the uploads of which a store has named the key."""

    def __init__(self) -> None:
        self._known: BoundedMemory[tuple[str, str, str, str], bool] = BoundedMemory(_CAPACITY)

    def is_known(self, bucket: Bucket, key: str, upload_id: str) -> bool:
        """Return whether the store has named the upload for the key before."""
        return self._known.get((bucket.backend, bucket.name, key, upload_id)) is not None

    def require(self, calls: ObjectCalls, bucket: Bucket, key: str, upload_id: str) -> None:
        """Ask the store for the uploads of the key.

        Blocks. Raises S3Error if the upload is not one of them.
        """
        markers: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            uploads, following = self._page(calls, bucket, key, markers)
            if (key, upload_id) in uploads:
                self._known.put((bucket.backend, bucket.name, key, upload_id), True)  # noqa: FBT003 - a set
                return
            # Keys are in order: behind another key, the list has no upload of this one.
            if following is None or following[0] != key:
                break
            markers = {"key-marker": following[0], "upload-id-marker": following[1]}
        raise s3_error("NoSuchUpload", UploadId=upload_id)

    def _page(
        self, calls: ObjectCalls, bucket: Bucket, key: str, markers: dict[str, str]
    ) -> tuple[frozenset[tuple[str, str]], tuple[str, str] | None]:
        try:
            answer = calls.send(bucket.backend, "GET", bucket.name, query={"uploads": "", "prefix": key, **markers})
        except BackendUnavailableError as problem:
            raise s3_error("ServiceUnavailable", detail=str(problem)) from problem
        if answer.status == _MISSING:  # `rclone serve s3` says so of a bucket without uploads
            return frozenset(), None
        page = read_uploads(answer.body) if answer.status == _OK else None
        if page is None:
            raise s3_error("ServiceUnavailable", detail=f"the list of uploads: {answer.status}")
        return page.uploads, page.next_markers
