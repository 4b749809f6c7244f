"""One S3 request after routing: the input of the permissions and of the store.

Owns the value. Leaves the decision to actions.py and conditions.py.
"""

from collections.abc import Mapping

import msgspec

from daypass.verify.s3.copy_source import CopySource


class S3Request(msgspec.Struct, frozen=True):
    """A routed request. `bucket` and `key` are empty at their level of the path.

    `parameters` are the decoded query members of the operation, without the parameters of the signature and without
    headers that a presigned URL has in its query: these are in `headers`. Names of headers are lower case.
    `canonical_path` is the path in path style, in the spelling that goes to the store.
    """

    operation: str
    method: str
    bucket: str
    key: str
    parameters: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    copy_source: CopySource | None
    canonical_path: bytes
