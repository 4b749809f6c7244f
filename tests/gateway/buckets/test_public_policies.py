"""The meaning of public: Amazon S3 User Guide, "Blocking public access"."""

from typing import Any

import pytest
from tests.documents import allow, deny, document

from daypass.directory.bucket_policies import is_public, parse_bucket_policy

OBJECTS = "arn:aws:s3:::data/*"


def public(statement: dict[str, Any]) -> bool:
    """Return whether a policy of one statement is public."""
    return is_public(parse_bucket_policy(document(statement), "data"))


def reading(principal: Any = "*", **conditions: Any) -> dict[str, Any]:
    """Return an Allow statement."""
    return allow("s3:GetObject", OBJECTS, Principal=principal, **({"Condition": conditions} if conditions else {}))


@pytest.mark.parametrize(
    "statement",
    [
        reading(),
        reading({"AWS": "*"}),
        reading({"AWS": ["111122223333", "*"]}),
        reading(StringLike={"aws:SourceVpc": "vpc-*"}),
        reading(StringEquals={"aws:PrincipalArn": "${aws:PrincipalArn}"}),
        reading(StringEqualsIfExists={"aws:SourceVpc": "vpc-1"}),
        reading(**{"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        reading(StringNotEquals={"aws:SourceVpc": "vpc-1"}),
        reading(StringEquals={"aws:SourceVpc": ["vpc-1", "vpc-*"]}),
        reading(StringEquals={"aws:SourceVpc": []}),
        reading(StringEquals={"s3:x-amz-acl": "private"}),
        reading(StringEquals={"aws:UserAgent": "me"}),
        reading(StringLike={"aws:userid": "AROAEXAMPLE:*"}),
        reading(Bool={"aws:SecureTransport": "true"}),
        reading(Null={"aws:PrincipalArn": "false"}),
        reading(IpAddress={"aws:SourceIp": "0.0.0.0/1"}),
        reading(IpAddress={"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}),
        reading(IpAddress={"aws:SourceIp": "2000::/3"}),
        reading(NotIpAddress={"aws:SourceIp": "203.0.113.0/24"}),
        reading(IpAddressIfExists={"aws:SourceIp": "203.0.113.0/24"}),
        reading(ArnLike={"aws:PrincipalArn": "arn:aws:iam::*:role/x"}),
        reading(ArnLike={"s3:DataAccessPointArn": "arn:aws:s3:us-east-1:*:accesspoint/x"}),
    ],
)
def test_access_without_a_fixed_limit_is_public(statement: dict[str, Any]) -> None:
    """Wildcards, variables, negations and keys that may be absent do not limit."""
    assert public(statement)


@pytest.mark.parametrize(
    "statement",
    [
        deny("s3:*", OBJECTS, Principal="*"),
        reading({"AWS": "111122223333"}),
        reading({"Service": "logging.s3.amazonaws.com"}),
        reading(StringEquals={"aws:PrincipalOrgID": "o-1234567890"}),
        reading(StringLike={"aws:SourceVpc": "vpc-1"}),
        reading(ArnEquals={"AWS:SourceArn": "arn:aws:sns:us-east-1:111122223333:x"}),
        reading(**{"ForAnyValue:StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}),
        reading(IpAddress={"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}),
        reading(IpAddress={"aws:SourceIp": "10.0.0.0/8"}),
        reading(IpAddress={"aws:SourceIp": "192.168.0.0/16"}),
        reading(StringEquals={"aws:SourceAccount": "111122223333"}, Bool={"aws:SecureTransport": "true"}),
        reading(ArnLike={"s3:DataAccessPointArn": "arn:aws:s3:us-east-1:111122223333:accesspoint/*"}),
    ],
)
def test_access_for_fixed_values_is_not_public(statement: dict[str, Any]) -> None:
    """A principal, an organization, a network, a source."""
    assert not public(statement)


def test_one_public_statement_makes_a_policy_public() -> None:
    """A Deny beside it does not change that."""
    text = document(reading({"AWS": "111122223333"}), reading(), deny("s3:*", OBJECTS, Principal="*"))
    assert is_public(parse_bucket_policy(text, "data"))
