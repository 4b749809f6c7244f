"""AWS's partitions, compared with botocore's data for every region, without network."""

import botocore.session
import pytest

from daypass.client.partitions import find_partition, partition_name
from daypass.client.problems import BadUsageError
from daypass.client.roles import first_role, role_arns
from daypass.client.sessions.sts_call import CallSigner, connect

SESSION = botocore.session.Session()
REGIONS = [
    (region, partition)
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("sts", partition)
    if region != "aws-global"
]


@pytest.mark.parametrize(("region", "partition"), REGIONS)
def test_every_region_is_in_the_partition_that_botocore_knows(region: str, partition: str) -> None:
    """The ARNs of roles are of that partition."""
    assert partition_name(region) == partition


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1"])
def test_aws_s_own_sts_is_called_in_its_region(region: str) -> None:
    """Regional endpoints by default, whose domain is the one in the table."""
    url = connect("sts", CallSigner(unsigned=True), region=region).meta.endpoint_url
    found = find_partition(region, url)
    assert found is not None
    assert url == f"https://sts.{region}{found.suffix}"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7878", "https://sts.example.com", "https://amazonaws.com.evil.example"]
)
def test_a_server_of_one_s_own_is_no_part_of_aws(url: str) -> None:
    """Its ARNs are in `aws` in every region, and no session is sent to AWS's sign-in host."""
    assert find_partition("cn-north-1", url) is None
    assert partition_name("cn-north-1", url) == "aws"


def test_a_chain_stays_in_its_partition() -> None:
    """A role without a partition is in that of the role before it."""
    roles = ("arn:aws-cn:iam::123456789012:role/a", "b", "210987654321/c")
    assert [each.split(":")[1] for each in role_arns(roles)] == ["aws-cn"] * 3
    assert first_role(("123456789012/a",), "aws-us-gov") == "arn:aws-us-gov:iam::123456789012:role/a"


@pytest.mark.parametrize(("roles", "words"), [((), "--role"), (("a",), "ACCOUNT/NAME")])
def test_a_role_of_an_unknown_account_needs_an_arn(roles: tuple[str, ...], words: str) -> None:
    """The account is not known before the sign-in."""
    with pytest.raises(BadUsageError, match=words):
        first_role(roles, "aws")
