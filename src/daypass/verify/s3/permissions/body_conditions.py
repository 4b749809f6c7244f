"""The condition keys in the body of a request.

Owns which operations have such keys, and their parsing. Leaves the body's hash to bodies.py: read the keys of a
verified body only. Source: Service Authorization Reference, "Actions" of Amazon S3.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from daypass.policy.authorization_request import NewConditionKeys
from daypass.verify.s3.documents.xml_bodies import XmlNode, malformed_xml, parse_xml_body
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.operations.object_tags import Tags, check_tags
from daypass.verify.s3.permissions.conditions import bucket_tag_keys, retention_keys, tag_keys

LARGEST_BODY = 256 * 1024
"""The largest body with condition keys, in bytes."""


def body_keys(operation: str, body: bytes, now: datetime) -> NewConditionKeys:
    """Return the condition keys in a body. Raises S3Error if it is malformed.

    Raises KeyError if the operation is not in BODY_KEYS. An empty body of CreateBucket does not have keys.
    """
    reader = BODY_KEYS[operation]
    if operation == "CreateBucket" and not body.strip():
        return {}
    return reader(parse_xml_body(body), now)


def parse_tag_set(body: bytes) -> Tags:
    """Return the tags of an object in a Tagging element. Raises S3Error."""
    return _object_tag_set(parse_xml_body(body))


def _object_tag_set(root: XmlNode) -> Tags:
    tags = _tags(root.expect("Tagging").allow("TagSet").child("TagSet"))
    check_tags(tags)
    return tags


def _object_tags(root: XmlNode, _now: datetime) -> NewConditionKeys:
    return tag_keys(_object_tag_set(root))


def _retention(root: XmlNode, now: datetime) -> NewConditionKeys:
    retention = root.expect("Retention").allow("Mode", "RetainUntilDate")
    found = _one_of(retention, "Mode", "s3:object-lock-mode", ("GOVERNANCE", "COMPLIANCE"))
    until = retention.find_text("RetainUntilDate")
    if until is not None:
        found.update(retention_keys(until, now))
    return found


def _legal_hold(root: XmlNode, _now: datetime) -> NewConditionKeys:
    hold = root.expect("LegalHold").allow("Status")
    return _one_of(hold, "Status", "s3:object-lock-legal-hold", ("ON", "OFF"))


def _new_bucket(root: XmlNode, _now: datetime) -> NewConditionKeys:
    # Location and Bucket are for directory buckets.
    configuration = root.expect("CreateBucketConfiguration").allow("LocationConstraint", "Tags")
    found: NewConditionKeys = {}
    location = configuration.find_text("LocationConstraint")
    if location is not None:
        found["s3:locationconstraint"] = location
    tags = configuration.find("Tags")
    if tags is not None:
        found.update(bucket_tag_keys(_tags(tags)))
    return found


def _one_of(node: XmlNode, name: str, key: str, values: tuple[str, ...]) -> NewConditionKeys:
    text = node.find_text(name)
    if text is None:
        return {}
    if text not in values:
        raise malformed_xml(f"the value of {name}")
    return {key: text}


def _tags(tag_set: XmlNode) -> Tags:
    found = []
    for tag in tag_set.allow("Tag").children():
        tag.allow("Key", "Value")
        found.append((_exact_text(tag, "Key"), _exact_text(tag, "Value")))
    if len({name for name, _ in found}) != len(found):
        raise s3_error("InvalidTag", "Cannot provide multiple Tags with the same key")
    return tuple(found)


def _exact_text(tag: XmlNode, name: str) -> str:
    """Return the text of a child. White space at its ends is refused: some stores remove it, and set another tag."""
    text = tag.child(name).leaf_text()
    if text != text.strip():
        raise s3_error("InvalidTag", f"The {name} of a tag must not begin or end with white space", TagKey=text[:128])
    return text


BODY_KEYS: Mapping[str, Callable[[XmlNode, datetime], NewConditionKeys]] = MappingProxyType(
    {
        "CreateBucket": _new_bucket,
        "PutObjectLegalHold": _legal_hold,
        "PutObjectRetention": _retention,
        "PutObjectTagging": _object_tags,
    }
)
"""The operations whose bodies have condition keys: collect the body before the decision."""
