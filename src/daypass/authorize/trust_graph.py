"""The graph of who can assume what: every way to every role.

Owns the nodes and edges, and the merge of users with equal permissions. Leaves the picture to drawing/.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from daypass.arn import account_in_arn
from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.who_can import Way, accounts_of, who_can
from daypass.directory.entities.iam_entities import Account, Role
from daypass.directory.identity import AssumableRole, load_account, load_role
from daypass.directory.records import each_by_path

_ACTIONS = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
_TOGETHER = 2  # this many users with equal permissions share a box


class GraphTooLargeError(Exception):
    """The store has too many users and roles for the time limit."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A box: one principal, or several users with equal permissions."""

    id: str
    kind: str
    account: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow: a principal, a role that it can assume, and how."""

    source: str
    target: str
    action: str
    way: Way


@dataclass(frozen=True, slots=True)
class Graph:
    """All boxes and arrows. `closed` lists the roles that cannot be assumed."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[Edge, ...]
    accounts: tuple[Account, ...]
    closed: tuple[str, ...] = field(default=())


def trust_graph(views: SnapshotViews, assumed: Assumed, *, only: str = "") -> Graph:
    """Return the graph of all accounts, or of the edges of one account."""
    accounts = tuple(accounts_of(views))
    roles = [role for account in accounts for role in _roles(account, views)]
    edges = [edge for role in roles for edge in _edges(role, views, assumed)]
    kept = [edge for edge in edges if only in {"", edge.way.account, account_in_arn(edge.target)}]
    return _graph(roles, kept, {edge.target for edge in edges}, accounts, only)


def role_edges(role: AssumableRole, views: SnapshotViews, assumed: Assumed) -> list[Edge]:
    """Return the ways to one role, as edges."""
    return list(_edges(role, views, assumed))


def role_graph(role: AssumableRole, edges: list[Edge], views: SnapshotViews) -> Graph:
    """Return the graph of the ways to one role."""
    return _graph([role], edges, {edge.target for edge in edges}, accounts_of(views), role.account)


def account_graph(
    views: SnapshotViews, assumed: Assumed, account: str, *, is_over: Callable[[], bool] = lambda: False
) -> Graph:
    """Return the graph of one account's roles, as that account may see it.

    Of other accounts it contains only facts in the account's own trust policies. Raises GraphTooLargeError if `is_over`
    returns true before every role is evaluated.
    """
    found = views.get(load_account, account)
    accounts = () if found is None else (found,)
    roles = [role for one in accounts for role in _roles(one, views)]
    edges: list[Edge] = []
    for role in roles:
        if is_over():
            raise GraphTooLargeError
        edges += _edges(role, views, assumed, inside=account)
    return _graph(roles, edges, {edge.target for edge in edges}, accounts, account)


def _graph(
    roles: Iterable[AssumableRole], edges: list[Edge], reached: AbstractSet[str], accounts: Iterable[Account], only: str
) -> Graph:
    closed = tuple(role.arn for role in roles if role.arn not in reached and only in {"", role.account})
    nodes, joined = _join(edges)
    shown = {node.account for node in nodes}
    return Graph(nodes, joined, tuple(account for account in accounts if account.id in shown), closed)


def _roles(account: Account, views: SnapshotViews) -> Iterator[AssumableRole]:
    for _, role in each_by_path(views.reader, Role, account.id, "/", ""):
        found = views.get(load_role, account.id, role.name)
        if found is not None:
            yield found


def _edges(role: AssumableRole, views: SnapshotViews, assumed: Assumed, *, inside: str = "") -> Iterator[Edge]:
    for action in _ACTIONS:
        for way in who_can(action, role, views, assumed, inside=inside):
            # A federated principal needs the action of its kind, because such calls are not signed.
            if (action == _ACTIONS[0]) == (way.kind != "federated"):
                yield Edge(way.principal, role.arn, action, way)


def _join(edges: list[Edge]) -> tuple[tuple[GraphNode, ...], tuple[Edge, ...]]:
    """Return nodes and edges, with users of equal permissions in one node.

    The edges of one of them represent all.
    """
    doings: dict[str, list[Edge]] = {}
    for edge in edges:
        doings.setdefault(edge.source, []).append(edge)
    alike: dict[object, list[str]] = {}
    for source, own in doings.items():
        first = own[0].way
        same = (first.account, frozenset((edge.target, edge.way.statements, edge.way.conditions) for edge in own))
        alike.setdefault(same if first.kind == "user" else source, []).append(source)
    together = {source: members for members in alike.values() for source in members if len(members) >= _TOGETHER}
    nodes: dict[str, GraphNode] = {}
    for source, own in doings.items():
        members = together.get(source, [source])
        if source == members[0]:
            nodes[source] = GraphNode(source, own[0].way.kind, own[0].way.account, tuple(members))
    for edge in edges:
        nodes.setdefault(edge.target, GraphNode(edge.target, "role", account_in_arn(edge.target), (edge.target,)))
    return tuple(nodes.values()), tuple(edge for edge in edges if edge.source in nodes)
