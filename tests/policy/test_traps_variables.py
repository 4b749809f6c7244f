"""Traps 39 to 44: policy variables."""

from tests.policy.engine_requests import OLD, allow, deny, holds, identity, is_allowed, question, reaches

from daypass.policy.evaluate import Policies

ME = {"aws:username": "alice", "x:name": "alice"}


def test_trap_39_only_the_new_version_has_variables() -> None:
    """2008-10-17, or no Version, treats `${aws:username}` as a literal string."""
    assert holds("StringEquals", "x:name", "${aws:username}", ME)
    for version in (OLD, None):
        assert not holds("StringEquals", "x:name", "${aws:username}", ME, version=version)
        literal = {"aws:username": "alice", "x:name": "${aws:username}"}
        assert holds("StringEquals", "x:name", "${aws:username}", literal, version=version)


def test_trap_40_values_put_in_are_literal() -> None:
    """A user named `*` cannot access other users' objects."""
    star = {"aws:username": "*"}
    assert not reaches("arn:aws:s3:::b/${aws:username}/k", "arn:aws:s3:::b/alice/k", context=star)
    assert reaches("arn:aws:s3:::b/${aws:username}/k", "arn:aws:s3:::b/*/k", context=star)
    assert not holds("StringLike", "x:name", "${aws:username}", {"aws:username": "a*", "x:name": "alice"})
    assert not holds("ArnLike", "x:a", "arn:aws:s3:::${aws:username}", {"aws:username": "?", "x:a": "arn:aws:s3:::b"})


def test_trap_41_a_variable_without_a_value() -> None:
    """A Resource never matches, a positive operator is false, a negated one true."""
    assert not reaches("arn:aws:s3:::b/${aws:username}*", "arn:aws:s3:::b/alice")
    assert not reaches("arn:aws:s3:::b/${aws:username}*", "arn:aws:s3:::b/${aws:username}")
    assert not holds("StringEquals", "x:name", "${aws:username}", {"x:name": "alice"})
    assert holds("StringNotEquals", "x:name", "${aws:username}", {"x:name": "alice"})
    assert holds("StringLike", "x:name", ["${aws:username}", "al*"], {"x:name": "alice"})


def test_trap_41_not_resource_without_a_value_takes_the_closed_side() -> None:
    """The excepted resources are unknown: an Allow does not apply, a Deny does."""
    mine = "arn:aws:s3:::b/${aws:username}"
    give = {"Effect": "Allow", "Action": "*", "NotResource": mine}
    stop = {"Effect": "Deny", "Action": "*", "NotResource": mine}
    assert not is_allowed(question(), Policies(identity(give)))
    assert is_allowed(question(context=ME), Policies(identity(give)))
    assert not is_allowed(question(), Policies(identity(allow(), stop)))


def test_trap_42_defaults() -> None:
    """A default is only for an absent key; multivalued keys are no variables."""
    text = "${aws:PrincipalTag/team, 'none'}"
    assert holds("StringEquals", "x:name", text, {"x:name": "none"})
    assert holds("StringEquals", "x:name", text, {"x:name": "art", "aws:principaltag/team": "art"})
    assert not holds("StringEquals", "x:name", text, {"x:name": "none", "aws:principaltag/team": "art"})
    assert not holds("StringEquals", "x:name", text, {"x:name": "none", "aws:principaltag/team": ("art",)})
    assert reaches("arn:aws:s3:::b/${aws:PrincipalTag/team, 'k'}", "arn:aws:s3:::b/k")


def test_trap_43_what_is_put_in_is_not_read_again() -> None:
    """`${$}{aws:username}` is the string `${aws:username}`, also in a tag's value."""
    assert holds("StringEquals", "x:name", "${$}{aws:username}", {"x:name": "${aws:username}", "aws:username": "a"})
    nested = {"aws:principaltag/t": "${aws:username}", "aws:username": "alice", "x:name": "alice"}
    assert not holds("StringEquals", "x:name", "${aws:PrincipalTag/t}", nested)


def test_trap_44_variables_count_after_the_fifth_colon() -> None:
    """In the head of an ARN, in actions and in keys, `${…}` is literal."""
    context = {"aws:username": "s3"}
    assert not reaches("arn:aws:${aws:username}:::b", "arn:aws:s3:::b", context=context)
    assert reaches("arn:aws:s3:::${aws:username}", "arn:aws:s3:::s3", context=context)
    assert not holds("StringEquals", "x:name", "v", {"x:s3": "v", "aws:username": "s3"})


def test_a_deny_on_a_resource_with_a_variable() -> None:
    """It protects the resource with the variable's value.

    Without a value the Deny does not apply.
    """
    given = Policies(identity(allow(), deny(resource="arn:aws:s3:::b/${aws:username}")))
    assert not is_allowed(question(on="arn:aws:s3:::b/alice", context=ME), given)
    assert is_allowed(question(on="arn:aws:s3:::b/alice"), given)
