"""sts:GetCallerIdentity through boto3, against a real server."""

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_the_root_user_is_its_account(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A root user's id is the account's, and its ARN ends in `root`."""
    answer = client("sts").get_caller_identity()
    assert answer["Account"] == answer["UserId"] == daypass_server.root.account
    assert answer["Arn"] == f"arn:aws:iam::{daypass_server.root.account}:root"


def test_a_user_is_its_name_and_its_unique_id(client: ClientFactory) -> None:
    """A user's ARN contains its path; its id begins with AIDA."""
    iam = client("iam")
    made = iam.create_user(UserName="alice", Path="/eng/")["User"]
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    answer = client("sts", key).get_caller_identity()
    assert answer["UserId"] == made["UserId"]
    assert answer["UserId"].startswith("AIDA")
    assert answer["Arn"] == made["Arn"] == "arn:aws:iam::123456789012:user/eng/alice"
