"""A remembered half of a request makes the request that is built anew for each call.

Every change of a record makes a new half, and callers whose keys change have none.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mint.material import role_session
from tests.policy.engine_requests import allow, deny, identity, policies, resource, trust, trusting

from daypass.authenticate.caller import Caller, federated_caller, role_caller, root_caller, user_caller
from daypass.authorize import merged_requests
from daypass.authorize.context import RequestInfo, build_context, organization_keys, request_keys
from daypass.authorize.gather import find_positions, gather
from daypass.authorize.merged_requests import MOST_MERGED, build_lasting_request, build_request, is_lasting
from daypass.directory.identity import Identity
from daypass.directory.organization.organization_tree import (
    AccountPosition,
    InheritedControls,
    OrganizationMembership,
    load_position,
)
from daypass.directory.store import Reader
from daypass.operations.operation import PermissionCheck
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, PolicyType, compile_set
from daypass.wire.http import HttpRequest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
A, B = "111111111111", "222222222222"
_SCP = policies(PolicyType.SERVICE_CONTROL, allow())
_RCP = policies(
    PolicyType.RESOURCE_CONTROL,
    {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
)
_IDENTITIES = (compile_set(()), identity(allow("s3:*")), identity(deny("sts:*")))
_RESOURCES = (None, trust(trusting({"AWS": A})), trust(trusting("*")), resource({**allow(), "Principal": "*"}))
_ACTIONS = ("sts:AssumeRole", "iam:GetUser", "s3:GetObject")
_CONTEXTS: tuple[dict[str, str | tuple[str, ...]], ...] = (
    {},
    {"sts:externalid": "x", "aws:tagkeys": ("a", "b")},
    {"aws:username": "other", "aws:resourceaccount": B, "aws:sourceip": "::1"},
)


class Directory:
    """The records of a few callers and accounts, which a step replaces by others."""

    def __init__(self) -> None:
        self.positions = {account: self._position(account, 0) for account in (A, B)}
        self.callers = [self._caller(number, 0) for number in range(4)]
        self.asked: list[Any] = []

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return a cached value, as the server's views do."""
        self.asked.append((loader, *args))
        (account,) = map(str, args)
        position, wanted = self.positions[account], cast("Any", loader)
        return cast("T", position if wanted is load_position else position.controls)

    def replace_position(self, account: str, version: int) -> None:
        """Change the organization."""
        self.positions[account] = self._position(account, version)

    def replace_caller(self, number: int, version: int) -> None:
        """Change a user."""
        self.callers[number] = self._caller(number, version)

    def _position(self, account: str, version: int) -> AccountPosition:
        return AccountPosition(
            OrganizationMembership(
                f"o-{version}",
                f"o-{version}/r/",
                {"aws:principalorgid": f"o-{version}"} if version else {},
                {"aws:resourceaccount": account, "aws:resourceorgid": f"o-{version}"},
            ),
            InheritedControls((_SCP,) * version, (_RCP,) * version),
        )

    def _caller(self, number: int, version: int) -> Caller:
        if number == 3:
            return root_caller(B, "AKIAROOT")
        return user_caller(self.user(number, version), f"AKIA{number}")

    def user(self, number: int, version: int) -> Identity:
        """Return a version of a user."""
        account = A if number else B
        return Identity(
            account=account,
            id=f"AIDA{number}",
            arn=f"arn:aws:iam::{account}:user/u{number}",
            name=f"u{number}",
            tags={"team": f"v{version}"} if version else {},
            policies=_IDENTITIES[version],
            boundary=_IDENTITIES[1] if version == 2 else None,
            service_linked=number == 2 and version == 1,
        )


_steps = st.one_of(
    st.tuples(st.just("organization"), st.sampled_from((A, B)), st.integers(0, 2)),
    st.tuples(st.just("user"), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(
        st.just("request"),
        st.integers(0, 3),
        st.builds(
            PermissionCheck,
            st.sampled_from(_ACTIONS),
            st.sampled_from((f"arn:aws:iam::{A}:role/one", "arn:aws:s3:::b/k")),
            st.sampled_from((A, B)),
            st.sampled_from(_CONTEXTS),
            st.sampled_from(_RESOURCES),
            st.booleans(),
        ),
    ),
)
_INFO = RequestInfo(
    datetime(2026, 3, 14, tzinfo=UTC),
    HttpRequest("POST", b"/", b"", ((b"user-agent", b"Boto3"),), b"", peer="192.0.2.7", secure=True),
    "eu-central-1",
)


def assert_same(check: PermissionCheck, caller: Caller, directory: Directory) -> None:
    """Build a request in both ways and compare all that a decision reads."""
    expected, old = build_request(check, caller, build_context(caller, _INFO), directory)
    directory.asked.clear()
    request, new = build_lasting_request(check, caller, request_keys(_INFO), directory)
    # The freshness of each record is asked for in every request.
    assert {account for loader, account in directory.asked if loader is load_position} == {
        caller.account,
        check.account,
    }
    assert request == expected
    assert list(request.context.items()) == list(expected.context.items())
    assert [id(one) for one in new.sets()] == [id(one) for one in old.sets()]
    assert (new.trust, new.characters, new.resource) == (old.trust, old.characters, old.resource)


@settings(max_examples=100, deadline=None)
@given(st.lists(_steps, min_size=1, max_size=25))
def test_a_remembered_half_is_that_of_the_present_records(steps: list[Any]) -> None:
    """Whatever changes between two requests, each is built from the records of its own moment."""
    directory = Directory()
    for kind, place, value in steps:
        if kind == "organization":
            directory.replace_position(place, value)
        elif kind == "user":
            directory.replace_caller(place, value)
        else:
            for _ in range(2):  # the second time from memory
                assert_same(value, directory.callers[place], directory)


def _check(policy: PolicySet | None = None, action: str = "sts:AssumeRole") -> PermissionCheck:
    return PermissionCheck(action, f"arn:aws:iam::{A}:role/one", A, {}, policy, trust=True)


def test_the_same_records_are_merged_once() -> None:
    """The policies of two requests with the same records are the same object."""
    directory, check = Directory(), _check(_RESOURCES[1])
    keys = request_keys(_INFO)
    _, first = build_lasting_request(check, directory.callers[1], keys, directory)
    _, second = build_lasting_request(check, directory.callers[1], keys, directory)
    assert first is second


@pytest.mark.parametrize("change", ["caller", "role", "account", "kind"])
def test_an_equal_record_is_not_the_same(change: str) -> None:
    """Records are compared by identity, since a new one may differ in what equality leaves out."""
    directory, check, keys = Directory(), _check(_RESOURCES[1]), request_keys(_INFO)
    _, first = build_lasting_request(check, directory.callers[1], keys, directory)
    if change == "caller":
        directory.replace_caller(1, 0)
    elif change == "account":
        directory.replace_position(A, 0)
    elif change == "role":
        check = _check(trust(trusting({"AWS": A})))
    else:
        check = _check(_RESOURCES[1], "iam:GetRole")
    _, second = build_lasting_request(check, directory.callers[1], keys, directory)
    assert first is not second


def test_a_reused_address_is_not_mistaken_for_the_old_record() -> None:
    """A remembered half keeps its records alive, and is compared with them."""
    directory, keys = Directory(), request_keys(_INFO)
    for version in range(50):
        directory.replace_caller(1, version % 3)
        request, found = build_lasting_request(_check(_RESOURCES[1]), directory.callers[1], keys, directory)
        assert found.identity is _IDENTITIES[version % 3]
        assert request.context.get("aws:principaltag/team") == (f"v{version % 3}" if version % 3 else None)


def test_the_memory_is_bounded() -> None:
    """A flood of users drops the oldest."""
    directory, keys = Directory(), request_keys(_INFO)
    for number in range(MOST_MERGED + 10):
        directory.replace_caller(1, number % 3)
        build_lasting_request(_check(_RESOURCES[1]), directory.callers[1], keys, directory)
    assert len(merged_requests._merged) == MOST_MERGED


def test_large_policies_are_not_kept() -> None:
    """The memory holds small policies alone, since it may outlive the cache's entries."""
    directory, keys = Directory(), request_keys(_INFO)
    large = trust(*(trusting({"AWS": A}, Condition={"StringLike": {"ex:key": "x*" * 1500}}) for _ in range(9)))
    _, first = build_lasting_request(_check(large), directory.callers[1], keys, directory)
    _, second = build_lasting_request(_check(large), directory.callers[1], keys, directory)
    assert first is not second


_USER = Directory().user(1, 0)
_OTHERS = {
    "a user with an MFA code": msgspec.structs.replace(user_caller(_USER, "AKIA1"), mfa_at=5),
    "a root user with an MFA code": msgspec.structs.replace(root_caller(A, "AKIA1"), mfa_at=5),
    "a session of a user": user_caller(_USER, "ASIA1", role_session()),
    "a session of a root user": root_caller(A, "ASIA1", role_session()),
    "a session of a role": role_caller(_USER, role_session()),
    "a federated user": federated_caller(A, _USER, role_session()),
}


@pytest.mark.parametrize("caller", _OTHERS.values(), ids=_OTHERS.keys())
def test_the_keys_of_other_callers_change(caller: Caller) -> None:
    """The keys of a session and the age of an MFA code are those of one request."""
    assert not is_lasting(caller)
    with pytest.raises(ValueError, match="keys of this caller change"):
        build_lasting_request(_check(_RESOURCES[1]), caller, request_keys(_INFO), Directory())


_STRANGERS = [
    Caller(
        account="",
        arn="",
        user_id="",
        access_key_id="",
        principal=Principal(kind=kind, account="", arn="", federated=provider),
    )
    for kind in (PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML)
    for provider in (f"arn:aws:iam::{A}:oidc-provider/one", f"arn:aws:iam::{B}:saml-provider/two")
]


def assert_collected(check: PermissionCheck, caller: Caller, directory: Directory) -> None:
    """Compare a request of a caller without an account with its parts, collected anew."""
    positions = find_positions(caller, check.account, directory)
    directory.asked.clear()
    request, found = build_request(check, caller, build_context(caller, _INFO), directory)
    assert directory.asked == [(load_position, check.account)]
    old = gather(check, caller, positions, directory)
    keys = {**build_context(caller, _INFO), **organization_keys(*positions), **check.context}
    assert list(request.context.items()) == list(keys.items())
    assert (request.principal, request.resource, request.action) == (caller.principal, check.resource, check.action)
    assert [id(one) for one in found.sets()] == [id(one) for one in old.sets()]
    assert found == old


@settings(max_examples=100, deadline=None)
@given(st.lists(_steps, min_size=1, max_size=25))
def test_a_resource_is_remembered_for_callers_without_an_account(steps: list[Any]) -> None:
    """A role, its account's policies and its organization are those of the present records."""
    directory = Directory()
    for kind, place, value in steps:
        if kind == "organization":
            directory.replace_position(place, value)
        elif kind == "request":
            for caller in (_STRANGERS[place], *_STRANGERS):
                assert_collected(value, caller, directory)


@pytest.mark.parametrize("change", ["role", "account", "kind", "trust"])
def test_an_equal_resource_is_not_the_same(change: str) -> None:
    """Records are compared by identity, as for callers with an account."""
    directory, check, caller = Directory(), _check(_RESOURCES[1]), _STRANGERS[0]
    _, first = build_request(check, caller, {}, directory)
    assert build_request(check, _STRANGERS[2], {}, directory)[1] is first
    if change == "account":
        directory.replace_position(A, 0)
    elif change == "role":
        check = _check(trust(trusting({"AWS": A})))
    elif change == "kind":
        check = _check(_RESOURCES[1], "iam:GetRole")
    else:
        check = msgspec.structs.replace(check, trust=False)
    assert build_request(check, caller, {}, directory)[1] is not first


def test_the_memory_of_resources_is_bounded() -> None:
    """A flood of roles drops the oldest, and large policies are not kept."""
    directory, caller = Directory(), _STRANGERS[0]
    for _ in range(MOST_MERGED + 10):
        directory.replace_position(A, 0)
        build_request(_check(_RESOURCES[1]), caller, {}, directory)
    assert len(merged_requests._resources) == MOST_MERGED
    large = trust(*(trusting({"AWS": A}, Condition={"StringLike": {"ex:key": "x*" * 1500}}) for _ in range(9)))
    _, first = build_request(_check(large), caller, {}, directory)
    assert build_request(_check(large), caller, {}, directory)[1] is not first


def test_a_long_term_caller_lasts() -> None:
    """Users and root users with a long-term key have lasting keys."""
    assert all(map(is_lasting, Directory().callers))
