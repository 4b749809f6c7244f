"""The principals that can assume a role in a store with many accounts.

The answer is the same as by an evaluation of every user and role.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents import allow, deny, document, trusting
from tests.large_stores import BORN, Shape, fill, policy_arn

from daypass.authorize.named_request import SESSION_NAME, Assumed, get_caller
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.who_can import count_candidates, who_can
from daypass.cli.operators.policies.explain import command
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, Group, Role, User
from daypass.directory.identity import load_role
from daypass.directory.links import MEMBER
from daypass.directory.store import Link, Reader, Writer
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import decide
from daypass.storage.memory import MemoryStore
from daypass.testing.clock import MovableClock

HERE, THERE, FAR = "111122223333", "444455556666", "777788889999"
TARGET = f"arn:aws:iam::{HERE}:role/target"

_RESOURCES = st.sampled_from(["*", TARGET, f"arn:aws:iam::{HERE}:role/*", f"arn:aws:iam::{HERE}:role/other"])
_VARIABLES = st.sampled_from([f"arn:aws:iam::{HERE}:role/${{aws:username}}", f"arn:aws:iam::{HERE}:role/${{*}}"])
_ACTIONS = st.sampled_from(["sts:AssumeRole", "STS:Assume*", "*", "s3:*", "?ts:assumerole", "sts:TagSession"])
_CONDITIONS = st.sampled_from([{}, {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}])


@st.composite
def _statements(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a statement of an identity policy, with the elements in their inverted form too."""
    statement = draw(st.sampled_from([allow, allow, allow, deny]))(draw(_ACTIONS), draw(_RESOURCES | _VARIABLES))
    for element in ("Action", "Resource"):
        if draw(st.integers(0, 4)) == 0:
            statement["Not" + element] = statement.pop(element)
    return {**statement, **draw(_CONDITIONS)}


_POLICIES = st.lists(_statements(), max_size=2).map(lambda some: document(*some) if some else "")
_PRINCIPALS = st.sampled_from(
    [{"AWS": "*"}, {"AWS": HERE}, {"AWS": f"arn:aws:iam::{THERE}:root"}, {"AWS": [f"AIDA{THERE}1", f"AROA{HERE}2"]}]
) | st.sampled_from(
    [{"AWS": f"AROA{THERE}2:{SESSION_NAME}"}, {"AWS": [f"AROA{FAR}2:one", FAR]}, {"AWS": f"AIDA{FAR}3"}]
)


@st.composite
def _trusts(draw: st.DrawFn) -> str:
    statements = [trusting(draw(_PRINCIPALS), **draw(_CONDITIONS)) for _ in range(draw(st.integers(1, 2)))]
    if draw(st.integers(0, 3)) == 0:
        statements.append({**trusting(draw(_PRINCIPALS)), "Effect": "Deny"})
    return document(*statements)


def _fill(writer: Writer, trust: str, texts: list[str]) -> None:
    """Write three accounts with two users, a role, and a group of the second user each."""
    policies = iter(texts)
    for account in (HERE, THERE, FAR):
        records.insert(writer, Account(id=account, name="", created=BORN))
        named: dict[str, Any] = {"account": account, "created": BORN}
        for type_, unique_id, name in (
            (User, f"AIDA{account}1", "one"),
            (Role, f"AROA{account}2", "two"),
            (User, f"AIDA{account}3", "three"),
            (Group, f"AGPA{account}4", "four"),
        ):
            text = next(policies)
            more: dict[str, Any] = {"trust": trust} if type_ is Role else {}
            inline = {"own": text} if text else {}
            records.insert(writer, type_(id=unique_id, name=name, path="/p/", inline=inline, **more, **named))
        writer.link(Link(MEMBER, f"AIDA{account}3", f"AGPA{account}4"))
    records.insert(writer, Role(id="AROATARGET", name="target", trust=trust, account=HERE, created=BORN))


def _evaluated(reader: Reader, views: SnapshotViews, assumed: Assumed) -> set[str]:
    """Return the principals that can assume the role, by one decision for each of them."""
    from daypass.authorize.named_request import build_named_request, check_named

    found = set()
    for account in (HERE, THERE, FAR):
        for type_ in (User, Role):
            for entity in records.each(reader, type_, account):
                assert isinstance(entity, User | Role)
                caller = get_caller(entity.arn, views, assumed.now)
                request, policies = build_named_request(
                    caller, check_named("sts:AssumeRole", TARGET, caller, views), {}, views, assumed
                )
                if isinstance(decide(request, policies), Allowed):
                    found.add(entity.arn)
    return found


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(_trusts(), st.lists(_POLICIES, min_size=12, max_size=12))
def test_no_principal_is_left_out(trust: str, texts: list[str]) -> None:
    """Each user and role that the engine allows is found, whatever its policies and the trust policy are.

    The others have a condition, or are single sessions, which the loop above does not evaluate.
    """
    clock = MovableClock()
    store = MemoryStore(clock)
    with store.write() as writer:
        _fill(writer, trust, texts)
    with store.read() as reader:
        views, assumed = SnapshotViews(reader), Assumed(clock.now())
        role = load_role(reader, HERE, "target")
        assert role is not None
        ways = list(who_can("sts:AssumeRole", role, views, assumed))
        unconditional = {way.principal for way in ways if way.kind in {"user", "role"} and not way.conditions}
        assert {arn for arn in unconditional if ":assumed-role/" not in arn} == _evaluated(reader, views, assumed)
        assert count_candidates("sts:AssumeRole", role, views, assumed) >= len(unconditional)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Shape]:
    """Fill a store of thirty accounts, of which each user and role may assume every role."""
    shape = Shape(30, roles=20, users=20, assuming=1)
    return fill(tmp_path_factory.mktemp("who-can") / "daypass.db", shape), shape


def _explain(url: str, shape: Shape, *words: str) -> str:
    role = f"arn:aws:iam::{shape.account(3)}:role/role-1"
    result = CliRunner().invoke(command, ["--who-can", "sts:AssumeRole", role, "--store", url, *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_long_list_says_that_it_is_limited(large: tuple[str, Shape]) -> None:
    """The text lists a thousand principals, and the number of those that may be able; --limit 0 lists all."""
    text = _explain(*large)
    assert text.count("\nCAN: ") == 1_000
    assert "MORE PRINCIPALS CAN: these are the first 1,000. Of 1,200 users and roles" in text
    everyone = _explain(*large, "--limit", "0")
    assert everyone.count("\nCAN: ") == 1_200
    assert "MORE PRINCIPALS" not in everyone
    assert "MORE PRINCIPALS" not in _explain(*large, "--limit", "1200")


def test_json_is_limited_only_on_request(large: tuple[str, Shape]) -> None:
    """A limited document has a member that says so."""
    everyone = json.loads(_explain(*large, "--output", "json"))
    assert list(everyone) == ["Action", "Role", "Principals"]
    assert len(everyone["Principals"]) == 1_200
    some = json.loads(_explain(*large, "--output", "json", "--limit", "7"))
    assert some["Principals"] == everyone["Principals"][:7]
    assert some["MoreOfCandidates"] == 1_200


def test_managed_policies_are_judged_once(large: tuple[str, Shape], tmp_path: Path) -> None:
    """Only principals whose attached policies may allow the action are candidates."""
    shape = replace(large[1], assuming=10, accounts=3)
    few = json.loads(_explain(fill(tmp_path / "few.db", replace(shape, accounts=4)), shape, "--output", "json"))
    # Of another account, two of twenty; of the role's own, everyone, by the trust policy alone.
    assert len(few["Principals"]) == 3 * (2 + 2) + 40
    assert policy_arn(shape.account(0)) in json.dumps(few)


def test_a_limit_needs_a_list(large: tuple[str, Shape]) -> None:
    """--limit is refused with other explanations."""
    result = CliRunner().invoke(command, ["message", "--limit", "3", "--store", large[0]])
    assert result.exit_code == 2
    assert "--limit needs --who-can" in result.output
