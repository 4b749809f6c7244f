"""The source of a copy: the header x-amz-copy-source.

Owns the parsed source. Leaves the rule for its key to object_keys.py.
"""

import msgspec


class CopySource(msgspec.Struct, frozen=True):
    """The object from which CopyObject and UploadPartCopy copy.

    `version_id` is empty if the header does not name a version. `header` is the one spelling that goes to the store.
    """

    bucket: str
    key: str
    version_id: str
    header: bytes
