"""A revoked key ends all sessions that grew from it, and no others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.revocation.nodes import Key, Scene

_MOST_STEPS = 9


@dataclass(frozen=True)
class Grown:
    """A key of the tree: how it may issue, and the keys that its token names.

    `issuing` and `first` are the two keys that a token of 0.1.0 names.
    """

    kind: str
    key: Key
    known: frozenset[str] = frozenset()
    issuing: str = ""
    first: str = ""

    def issued(self, kind: str, key: Key) -> "Grown":
        """Return the key that this key issued."""
        return Grown(kind, key, self.known | {self.key.key_id}, self.key.key_id, self.first or self.issuing)

    def as_old(self, scene: Scene) -> "Grown":
        """Return the same key with a token of 0.1.0."""
        return replace(self, key=scene.as_old(self.key), known=frozenset({self.issuing, self.first} - {""}))


@dataclass(frozen=True)
class Step:
    """One request: its action, caller, approver, and the server's version."""

    action: str
    parent: int
    approver: int
    by_old_server: bool


MAY = {
    "GetSessionToken": {"user"},
    "GetFederationToken": {"user"},
    "AssumeRole": {"user", "user session", "role", "delegated"},
    "AssumeRoot": {"user", "role"},
    "GetDelegatedAccessToken": {"partner", "partner role"},
    "bridge": {"partner", "partner role"},
}
MAY_ACCEPT = {"user", "role"}
STEPS = st.builds(
    Step,
    st.sampled_from([*MAY, "AssumeRole", "AssumeRole", "GetDelegatedAccessToken", "AssumeRoleWithWebIdentity"]),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from([False, False, False, True]),
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Return two nodes with one store."""
    return Scene()


@pytest.fixture(scope="module")
def roots(scene: Scene) -> list[Grown]:
    """Return the long-term keys."""
    first, second = scene.new_user(), scene.new_user()
    app = scene.new_user(of=scene.partner)
    return [Grown("user", first), Grown("user", second), Grown("partner", app)]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=_MOST_STEPS), revoked=st.integers(0, 99))
def test_exactly_the_descendants_of_a_revoked_key_end(
    scene: Scene, roots: list[Grown], steps: list[Step], revoked: int
) -> None:
    """Exactly the descendants of a revoked key end.

    That holds at any depth, on both sides of a delegation, and within a second on the node that was not informed.
    """
    scene.clock.move(timedelta(seconds=2))
    tree = [*roots]
    for step in steps:
        tree += grow(step, tree, scene)
    assert all(scene.elsewhere.is_alive(grown.key) for grown in tree)
    name = tree[revoked % len(tree)].key.key_id
    scene.revoke(name)
    scene.elsewhere.let_pass()
    ended = {
        grown.key.key_id for grown in tree if name in grown.known or (grown.key.token and grown.key.key_id == name)
    }
    assert {grown.key.key_id for grown in tree if not scene.elsewhere.is_alive(grown.key)} == ended


def grow(step: Step, tree: list[Grown], scene: Scene) -> Iterator[Grown]:
    """Yield the keys that a step issues.

    The result is empty if the tree has no key for the request.
    """
    if step.action == "AssumeRoleWithWebIdentity":
        grown = Grown("role", scene.start_by_web_identity())
    else:
        able = [grown for grown in tree if grown.kind in MAY[step.action]]
        if not able:
            return
        grown = _issue(step, able[step.parent % len(able)], tree, scene)
    yield grown.as_old(scene) if step.by_old_server else grown


def _issue(step: Step, parent: Grown, tree: list[Grown], scene: Scene) -> Grown:
    match step.action:
        case "GetSessionToken":
            return parent.issued("user session", scene.here.issue(parent.key, "GetSessionToken"))
        case "GetFederationToken":
            return parent.issued("leaf", scene.here.issue(parent.key, "GetFederationToken", Name="visitor"))
        case "AssumeRole":
            return parent.issued("role", scene.assume(parent.key))
        case "AssumeRoot":
            return parent.issued("leaf", scene.assume_root(parent.key))
        case "bridge":
            return parent.issued("partner role", scene.assume(parent.key, "bridge"))
        case _:
            approvers = [grown for grown in tree if grown.kind in MAY_ACCEPT]
            return _delegate(approvers[step.approver % len(approvers)], parent, scene)


def _delegate(approver: Grown, partner: Grown, scene: Scene) -> Grown:
    request = scene.request()
    scene.accept(approver.key, request)
    redeemed = partner.issued("delegated", scene.redeem(partner.key, scene.send(approver.key, request)))
    return replace(redeemed, known=redeemed.known | approver.known | {approver.key.key_id})
