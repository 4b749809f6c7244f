"""The buckets of an account as entities, from answers of Amazon S3.

Pure. Owns the choices, which fail closed: an unreadable bucket policy may contain a Deny, thus the bucket gets a policy
that denies everything, and an unreadable public access block blocks everything. The buckets exist at their stores; an
import records their owner. Source: the answers of `aws s3api`.
"""

import json
from collections.abc import Mapping
from typing import Any

from daypass.apply.file.state import ALL_BLOCKED, document_text
from daypass.directory.bucket_policies import parse_bucket_policy
from daypass.directory.entities.bucket_entities import bucket_arn
from daypass.errors import Fault
from daypass.importing.converter import Conversion, unresolved_principals
from daypass.importing.details import Details, read_policy, text_of


def convert_buckets(details: Details, conversion: Conversion, backend: str) -> None:
    """Add the buckets of a file to a conversion.

    `backend` is the gateway's backend with their objects, or empty for its default one.
    """
    names = [text_of(bucket, "Name") for bucket in details.buckets]
    regions = {text_of(bucket, "Name"): text_of(bucket, "BucketRegion") for bucket in details.buckets}
    others = (*details.bucket_policies, *details.public_access_blocks)
    for name in dict.fromkeys((*names, *others)):
        attributes: dict[str, Any] = {}
        if backend:
            attributes["backend"] = backend
        if regions.get(name):
            attributes["region"] = regions[name]
        if name in details.public_access_blocks:
            attributes["publicAccessBlock"] = _block(name, details.public_access_blocks[name], conversion)
        unresolved: frozenset[str] = frozenset()
        if name in details.bucket_policies:
            policy = _policy(name, details.bucket_policies[name], conversion)
            unresolved = frozenset(unresolved_principals(policy, conversion))
            attributes["policy"] = policy
        for text in sorted(unresolved):
            conversion.omit(f"bucket {name}", f"its policy names {text}, which does not exist here and never matches")
        conversion.put("bucket", name, attributes, unresolved=unresolved)


def _policy(name: str, answer: Any, conversion: Conversion) -> dict[str, Any]:
    document = read_policy(answer.get("Policy") if isinstance(answer, dict) else None)
    try:
        if document is not None:
            if conversion.target.rewriter is not None:
                document = conversion.target.rewriter.rewrite(document)
            parse_bucket_policy(document_text(document), name)
            read: dict[str, Any] = document
            return read
    except (Fault, RecursionError):
        document = None
    conversion.omit(f"bucket {name}", "its policy is not valid in Daypass, so all access to the bucket is denied")
    return _deny_all(name)


def _deny_all(name: str) -> dict[str, Any]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn(name), bucket_arn(name) + "/*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _block(name: str, answer: Any, conversion: Conversion) -> Mapping[str, bool]:
    given = answer.get("PublicAccessBlockConfiguration") if isinstance(answer, dict) else None
    settings = dict.fromkeys(ALL_BLOCKED, False)
    for field in settings:
        value = given.get(field[0].upper() + field[1:], False) if isinstance(given, dict) else None
        if not isinstance(value, bool):
            words = f"its public access block cannot be read ({json.dumps(answer)[:80]}), so it blocks everything"
            conversion.omit(f"bucket {name}", words)
            return dict(ALL_BLOCKED)
        settings[field] = value
    return settings
