"""Managed and inline policies of users, groups and roles: the same rules."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import EC2, LIST_BUCKET, body
from tests.refusals import refused


@dataclass(frozen=True)
class Holder:
    """One kind of holder with the name `h`, and the calls about it."""

    iam: Any
    word: str

    @property
    def named(self) -> dict[str, str]:
        """The parameter with its name."""
        return {f"{self.word}Name": "h"}

    def __call__(self, action: str, **parameters: Any) -> Any:
        """Make a call about the holder."""
        return getattr(self.iam, action.format(self.word.lower()))(**self.named, **parameters)

    def refused(self, action: str, **parameters: Any) -> Any:
        """Return the refusal of a call about the holder."""
        return refused(getattr(self.iam, action.format(self.word.lower())), **{**self.named, **parameters})


@pytest.fixture(params=["User", "Group", "Role"])
def holder(request: pytest.FixtureRequest, iam: Any) -> Holder:
    """Create a user, a group or a role."""
    made = Holder(iam, request.param)
    made("create_{}", **({"AssumeRolePolicyDocument": EC2} if request.param == "Role" else {}))
    return made


def test_managed_policies_are_attached_listed_and_detached(holder: Holder) -> None:
    """Attaching twice succeeds; detaching a policy that is not attached fails."""
    arn = holder.iam.create_policy(PolicyName="p", Path="/x/", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    empty = {"AttachedPolicies": [], "IsTruncated": False}
    assert body(holder("list_attached_{}_policies")) == empty
    holder("attach_{}_policy", PolicyArn=arn)
    holder("attach_{}_policy", PolicyArn=arn)
    one = [{"PolicyName": "p", "PolicyArn": arn}]
    assert holder("list_attached_{}_policies")["AttachedPolicies"] == one
    assert holder("list_attached_{}_policies", PathPrefix="/x/")["AttachedPolicies"] == one
    assert holder("list_attached_{}_policies", PathPrefix="/y/")["AttachedPolicies"] == []
    assert holder.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    conflict = ("DeleteConflict", 409, "Cannot delete entity, must detach all policies first.")
    assert holder.refused("delete_{}") == conflict
    holder("detach_{}_policy", PolicyArn=arn)
    assert body(holder("list_attached_{}_policies")) == empty
    gone = ("NoSuchEntity", 404, f"Policy {arn} was not found.")
    assert holder.refused("detach_{}_policy", PolicyArn=arn) == gone
    holder("delete_{}")


def test_what_cannot_be_attached_is_refused(holder: Holder, account: str) -> None:
    """A string that is not an ARN is refused, and so is an unknown ARN."""
    malformed = ("ValidationError", 400, "ARN longpolicynamebutnoarn is not valid.")
    assert holder.refused("attach_{}_policy", PolicyArn="longpolicynamebutnoarn") == malformed
    arn = f"arn:aws:iam::{account}:policy/nonexistent-policy"
    missing = ("NoSuchEntity", 404, f"Policy {arn} does not exist or is not attachable.")
    assert holder.refused("attach_{}_policy", PolicyArn=arn) == missing


def test_ten_policies_are_the_most(holder: Holder) -> None:
    """The quota counts policies, not calls."""
    for number in range(10):
        arn = holder.iam.create_policy(PolicyName=f"p{number}", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
        holder("attach_{}_policy", PolicyArn=arn)
    holder("attach_{}_policy", PolicyArn=arn)
    words = f"Cannot exceed quota for PoliciesPer{holder.word}: 10"
    one_more = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    assert holder.refused("attach_{}_policy", PolicyArn=one_more) == ("LimitExceeded", 409, words)


def test_inline_policies_are_put_shown_listed_and_deleted(holder: Holder) -> None:
    """The stored document is returned unchanged."""
    holder("put_{}_policy", PolicyName="one", PolicyDocument=LIST_BUCKET)
    holder("put_{}_policy", PolicyName="two", PolicyDocument=LIST_BUCKET)
    shown = body(holder("get_{}_policy", PolicyName="one"))
    assert shown.pop("PolicyDocument")["Statement"] == [allow("s3:ListBucket", "arn:aws:s3:::example_bucket")]
    assert shown == {**holder.named, "PolicyName": "one"}
    assert body(holder("list_{}_policies")) == {"PolicyNames": ["one", "two"], "IsTruncated": False}
    first = holder("list_{}_policies", MaxItems=1)
    assert holder("list_{}_policies", Marker=first["Marker"])["PolicyNames"] == ["two"]
    conflict = ("DeleteConflict", 409, "Cannot delete entity, must delete policies first.")
    assert holder.refused("delete_{}") == conflict
    holder("delete_{}_policy", PolicyName="one")
    words = f"The {holder.word.lower()} policy with name one cannot be found."
    assert holder.refused("get_{}_policy", PolicyName="one") == ("NoSuchEntity", 404, words)
    assert holder.refused("delete_{}_policy", PolicyName="one") == ("NoSuchEntity", 404, words)
    holder("delete_{}_policy", PolicyName="two")
    holder("delete_{}")


def test_inline_policies_share_their_room(holder: Holder) -> None:
    """All inline policies of a holder share a quota.

    A policy that is replaced does not count.
    """
    most = {"User": 2048, "Group": 5120, "Role": 10240}[holder.word]
    half = document(allow("s3:" + "a" * (most // 2)))
    assert len(half) < most
    holder("put_{}_policy", PolicyName="one", PolicyDocument=half)
    holder("put_{}_policy", PolicyName="one", PolicyDocument=half)
    words = f"Maximum policy size of {most} bytes exceeded for {holder.word.lower()} h"
    assert holder.refused("put_{}_policy", PolicyName="two", PolicyDocument=half) == ("LimitExceeded", 409, words)


def test_a_missing_holder_has_its_sentence(holder: Holder) -> None:
    """Every action returns the same error for a holder that does not exist."""
    missing = (
        "NoSuchEntity",
        404,
        f"The {holder.word.lower()} with name ghost cannot be found.",
    )
    ghost = {f"{holder.word}Name": "ghost"}
    some = {"PolicyArn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}
    assert holder.refused("attach_{}_policy", **ghost, **some) == missing
    assert holder.refused("detach_{}_policy", **ghost, **some) == missing
    assert holder.refused("list_attached_{}_policies", **ghost) == missing
    assert holder.refused("put_{}_policy", **ghost, PolicyName="p", PolicyDocument=LIST_BUCKET) == missing
    assert holder.refused("get_{}_policy", **ghost, PolicyName="p") == missing
    assert holder.refused("delete_{}_policy", **ghost, PolicyName="p") == missing
    assert holder.refused("list_{}_policies", **ghost) == missing
