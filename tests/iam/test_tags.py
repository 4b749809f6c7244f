"""Tags on users, roles, policies and instance profiles."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.iam.conftest import EC2, LIST_BUCKET
from tests.refusals import refused


@dataclass(frozen=True)
class Tagged:
    """One kind of entity, and the calls about it."""

    iam: Any
    kind: str
    named: dict[str, str]
    nobody: dict[str, str]

    def call(self, action: str, **parameters: Any) -> Any:
        """Make a call about the entity."""
        return getattr(self.iam, action.format(self.kind))(**self.named, **parameters)

    def tags(self, *pairs: str) -> None:
        """Add tags, given as `key=value`."""
        self.call("tag_{}", Tags=[dict(zip(("Key", "Value"), pair.split("="), strict=True)) for pair in pairs])

    @property
    def shown(self) -> dict[str, str]:
        """Return the entity's tags."""
        return {tag["Key"]: tag["Value"] for tag in self.call("list_{}_tags")["Tags"]}


@pytest.fixture(params=["user", "role", "policy", "instance_profile"])
def thing(request: pytest.FixtureRequest, iam: Any, account: str) -> Tagged:
    """Create a user, a role, a policy or an instance profile."""
    match request.param:
        case "user":
            iam.create_user(UserName="t")
            named, nobody = {"UserName": "t"}, {"UserName": "ghost"}
        case "role":
            iam.create_role(RoleName="t", AssumeRolePolicyDocument=EC2)
            named, nobody = {"RoleName": "t"}, {"RoleName": "ghost"}
        case "policy":
            iam.create_policy(PolicyName="t", PolicyDocument=LIST_BUCKET)
            arn = f"arn:aws:iam::{account}:policy/"
            named, nobody = {"PolicyArn": arn + "t"}, {"PolicyArn": arn + "ghost"}
        case _:
            iam.create_instance_profile(InstanceProfileName="t")
            named, nobody = {"InstanceProfileName": "t"}, {"InstanceProfileName": "ghost"}
    return Tagged(iam, request.param, named, nobody)


def test_tags_are_added_changed_listed_and_removed(thing: Tagged) -> None:
    """An existing key gets the new value. Removing a missing key succeeds."""
    assert thing.shown == {}
    thing.tags("some=1", "other=2")
    thing.tags("some=3", "empty=")
    assert thing.shown == {"some": "3", "other": "2", "empty": ""}
    first = thing.call("list_{}_tags", MaxItems=1)
    rest = thing.call("list_{}_tags", Marker=first["Marker"])
    assert [tag["Key"] for tag in (*first["Tags"], *rest["Tags"])] == ["empty", "other", "some"]
    thing.call("untag_{}", TagKeys=["some", "nothing"])
    assert thing.shown == {"other": "2", "empty": ""}


def test_case_tells_keys_apart_except_for_users_and_roles(thing: Tagged) -> None:
    """Keys of users and roles are case-insensitive, all others case-sensitive.

    AWS's messages differ. Source: IAM User Guide, "Rules for tagging".
    """
    pairs = [{"Key": "a", "Value": "lower"}, {"Key": "A", "Value": "upper"}]
    if thing.kind in {"user", "role"}:
        words = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        tag = getattr(thing.iam, f"tag_{thing.kind}")
        assert refused(tag, **thing.named, Tags=pairs) == ("InvalidInput", 400, words)
        thing.tags("a=1")
        thing.tags("A=2")
        assert thing.shown == {"A": "2"}
        return
    thing.call("tag_{}", Tags=pairs)
    assert thing.shown == {"a": "lower", "A": "upper"}
    thing.call("untag_{}", TagKeys=["a"])
    assert thing.shown == {"A": "upper"}
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    got = refused(getattr(thing.iam, f"tag_{thing.kind}"), **thing.named, Tags=twice)
    assert got == ("InvalidInput", 400, "Duplicate tag keys found.")


def test_fifty_tags_are_the_most(thing: Tagged) -> None:
    """The 51st tag is refused, in one call or in two."""
    thing.tags(*(f"k{number}=v" for number in range(50)))
    got = refused(getattr(thing.iam, f"tag_{thing.kind}"), **thing.named, Tags=[{"Key": "more", "Value": ""}])
    assert got == ("LimitExceeded", 409, "Cannot exceed quota for TagsPerResource: 50")
    assert len(thing.shown) == 50


def test_what_is_not_there_cannot_be_tagged(thing: Tagged) -> None:
    """Each kind has its message for a missing entity, the same for tagging, untagging and listing."""
    tags, keys = [{"Key": "a", "Value": "b"}], ["a"]
    answers = {
        refused(getattr(thing.iam, f"tag_{thing.kind}"), **thing.nobody, Tags=tags),
        refused(getattr(thing.iam, f"untag_{thing.kind}"), **thing.nobody, TagKeys=keys),
        refused(getattr(thing.iam, f"list_{thing.kind}_tags"), **thing.nobody),
    }
    assert len(answers) == 1
    code, status, words = answers.pop()
    assert (code, status) == ("NoSuchEntity", 404)
    assert words.endswith(("cannot be found.", "was not found."))


def test_reserved_keys_are_refused(thing: Tagged) -> None:
    """Keys with the prefix aws: are reserved for AWS."""
    got = refused(getattr(thing.iam, f"tag_{thing.kind}"), **thing.named, Tags=[{"Key": "aws:x", "Value": ""}])
    assert got[:2] == ("InvalidInput", 400)
