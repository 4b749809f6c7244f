"""The values of the page that shows who can assume what in an account.

Owns the search, a principal's chains, the gathering of equal roles, and the size limit of a picture. Leaves the graph
to authorize/trust_graph.py and the drawing to drawing/. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from daypass.authorize.trust_graph import Edge, Graph, GraphNode
from daypass.drawing.trust_svg import KINDS, draw_linked, where
from daypass.wire.visible_text import visible

ADDRESS = "/operator/graph"
_MOST_BOXES, _MOST_ARROWS = 90, 300
_APART = 16  # with at most this number of boxes, equal roles have separate boxes
_ROWS = 50
_MOST_CHAINS, _MOST_MEMBERS = 100, 5
# Common search words for terms that have another name in policies.
_ALSO = {"multifactorauth": "mfa", "assumerolewithwebidentity": "oidc", "everybody": "everyone"}
_LONGEST_SEARCH = 2_100  # an ARN may be this long


@dataclass(frozen=True, slots=True)
class GraphSearch:
    """A search: words, or the ARN of a principal, and the first row."""

    text: str = ""
    chains: bool = False
    first: int = 0

    def address(self, **changes: Any) -> str:
        """Return the URL of the same search with changes."""
        changed = replace(self, **changes)
        query = {"q": changed.text, "chains": "1" if changed.chains else "", "from": changed.first or ""}
        given = urlencode({name: value for name, value in query.items() if value})
        return f"{ADDRESS}?{given}" if given else ADDRESS


def read_wanted(query: Mapping[str, str]) -> GraphSearch:
    """Return the search in a query string. Invalid values are ignored."""
    first = query.get("from", "")
    return GraphSearch(
        query.get("q", "").strip()[:_LONGEST_SEARCH],
        bool(query.get("chains")),
        int(first) if first.isascii() and first.isdecimal() and len(first) < 7 else 0,  # noqa: PLR2004 - rows enough
    )


def to_values(graph: Graph, wanted: GraphSearch) -> dict[str, Any]:
    """Return the values of the page."""
    nodes = {node.id: node for node in graph.nodes}
    focus = nodes.get(wanted.text)
    edges = _around(graph, focus) if focus else _found(graph, nodes, wanted)
    rows = edges[wanted.first : wanted.first + _ROWS]
    return {
        "wanted": wanted,
        "focus": None if focus is None else _shown_node(focus),
        "into": _chains(graph, nodes, focus, forward=False) if focus else {},
        "onward": _chains(graph, nodes, focus, forward=True) if focus else {},
        "count": {"roles": _roles(graph), "ways": len(graph.edges), "found": len(edges)},
        "rows": [_shown_way(edge, nodes) for edge in rows],
        "until": wanted.first + len(rows),
        "before": wanted.address(first=max(0, wanted.first - _ROWS)) if wanted.first else "",
        "after": wanted.address(first=wanted.first + _ROWS) if len(edges) > wanted.first + _ROWS else "",
        "closed": graph.closed if not wanted.text else (),
        **(_picture_of(graph, edges) if focus is None else _picture_around(graph, edges, focus)),
    }


def _roles(graph: Graph) -> int:
    return len({edge.target for edge in graph.edges} | set(graph.closed))


# The search


def _found(graph: Graph, nodes: Mapping[str, GraphNode], wanted: GraphSearch) -> list[Edge]:
    """Return the paths that contain all words.

    A search for chains adds the paths before and after them.
    """
    words = wanted.text.lower().split()
    found = [edge for edge in graph.edges if _has(edge, nodes[edge.source], words)]
    if not (words and wanted.chains):
        return found
    ends = {edge.source for edge in found} | {edge.target for edge in found}
    return _through(graph, ends)


def _has(edge: Edge, source: GraphNode, words: Sequence[str]) -> bool:
    text = " ".join((*source.members, source.kind, edge.target, edge.action, *edge.way.conditions)).lower()
    also = " ".join(word for key, word in _ALSO.items() if key in text)
    return all(word in text or word in also for word in words)


def _around(graph: Graph, focus: GraphNode) -> list[Edge]:
    return _through(graph, {focus.id})


def _through(graph: Graph, names: AbstractSet[str]) -> list[Edge]:
    """Return every path to or from one of the names, in any number of steps."""
    before, after = _reached(graph, names, forward=False), _reached(graph, names, forward=True)
    return [edge for edge in graph.edges if edge.target in before or edge.source in after]


def _steps(graph: Graph, *, forward: bool) -> Mapping[str, list[Edge]]:
    steps: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        steps.setdefault(edge.source if forward else edge.target, []).append(edge)
    return steps


def _reached(graph: Graph, names: Iterable[str], *, forward: bool) -> dict[str, tuple[Edge, ...]]:
    """Return all reachable principals, nearest first, with a shortest path each."""
    steps = _steps(graph, forward=forward)
    reached: dict[str, tuple[Edge, ...]] = dict.fromkeys(names, ())
    waiting = list(reached)
    for name in waiting:  # the loop appends to this list
        for edge in steps.get(name, ()):
            other = edge.target if forward else edge.source
            if other not in reached:
                reached[other] = (*reached[name], edge) if forward else (edge, *reached[name])
                waiting.append(other)
    return reached


def _chains(graph: Graph, nodes: Mapping[str, GraphNode], focus: GraphNode, *, forward: bool) -> dict[str, Any]:
    """Return the chains from or to a principal, nearest first, shortest path each."""
    ways = list(_reached(graph, (focus.id,), forward=forward).values())[1:]
    found = []
    for edges in ways[:_MOST_CHAINS]:
        stations = [edges[0].source, *(edge.target for edge in edges)]
        found.append(
            {
                "stations": [_shown_node(nodes[name]) for name in stations],
                "conditional": any(edge.way.conditions for edge in edges),
            }
        )
    return {"chains": found, "more": len(ways) - len(found)}


# The table


def _shown_way(edge: Edge, nodes: Mapping[str, GraphNode]) -> dict[str, Any]:
    statements = zip(edge.way.statements, edge.way.texts, strict=True)
    return {
        "who": _shown_node(nodes[edge.source]),
        "role": _shown_node(nodes[edge.target]),
        "action": edge.action.removeprefix("sts:"),
        "conditions": edge.way.conditions,
        "statements": [(where(ref), _indented(text)) for ref, text in statements],
    }


def _shown_node(node: GraphNode) -> dict[str, Any]:
    return {
        "href": GraphSearch(node.id).address(),
        "members": node.members[:_MOST_MEMBERS],
        "more": node.members[_MOST_MEMBERS:],
        "kind": KINDS.get(node.kind, node.kind),
    }


def _indented(text: str) -> str:
    lines = msgspec.json.format(text, indent=2).split("\n")
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + visible(line) for line in lines)


# The picture


def _part(graph: Graph, edges: Sequence[Edge]) -> Graph:
    """Return the part of the graph with these paths."""
    names = {edge.source for edge in edges} | {edge.target for edge in edges}
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.id in names), edges=tuple(edges), closed=())


def _picture_around(graph: Graph, edges: Sequence[Edge], focus: GraphNode) -> dict[str, Any]:
    """Return the picture around one principal.

    It has all paths to and from it or, if they are too many, only the direct steps.
    """
    whole = _picture_of(graph, edges)
    nearest = _picture_of(graph, [edge for edge in edges if focus.id in {edge.source, edge.target}])
    return whole if whole["picture"] or not nearest["picture"] else {**nearest, "nearest": True}


def _picture_of(graph: Graph, edges: Sequence[Edge]) -> dict[str, Any]:
    return {**_picture(_part(graph, edges)), "nearest": False}


def _picture(graph: Graph) -> dict[str, Any]:
    """Return the picture or, if it is too large, starting points."""
    drawn = graph if len(graph.nodes) <= _APART else gather(graph)
    arrows = {(edge.source, edge.target) for edge in drawn.edges}
    if not drawn.edges:
        return {"picture": "", "starts": ()}
    if len(drawn.nodes) > _MOST_BOXES or len(arrows) > _MOST_ARROWS:
        return {"picture": "", "starts": _starts(graph)}
    return {"picture": draw_linked(drawn, _link), "starts": ()}


def _link(node: GraphNode) -> str:
    return f"{GraphSearch(node.id).address()}#found"


def _starts(graph: Graph) -> list[dict[str, Any]]:
    """Return the principals by their number of outgoing paths, largest first."""
    steps = _steps(graph, forward=True)
    nodes = sorted((node for node in graph.nodes if node.id in steps), key=lambda node: -len(steps[node.id]))
    return [{**_shown_node(node), "count": len(steps[node.id])} for node in nodes]


def gather(graph: Graph) -> Graph:
    """Return the graph with equal roles in one box.

    Equal roles have the same incoming and outgoing paths, actions and conditions.
    """
    doings: dict[str, set[tuple[str, str, str, tuple[str, ...]]]] = {node.id: set() for node in graph.nodes}
    for edge in graph.edges:
        doings[edge.source].add(("to", edge.target, edge.action, edge.way.conditions))
        doings[edge.target].add(("from", edge.source, edge.action, edge.way.conditions))
    alike: dict[object, list[GraphNode]] = {}
    for node in graph.nodes:
        is_single_role = node.kind == "role" and len(node.members) == 1
        same = (node.account, frozenset(doings[node.id])) if is_single_role else node.id
        alike.setdefault(same, []).append(node)
    boxes = {node.id: nodes[0].id for nodes in alike.values() for node in nodes}
    edges: dict[object, Edge] = {}
    for edge in graph.edges:
        source, target = boxes[edge.source], boxes[edge.target]
        edges.setdefault((source, target, edge.action), replace(edge, source=source, target=target))
    joined = (
        replace(nodes[0], members=tuple(member for node in nodes for member in node.members))
        for nodes in alike.values()
    )
    return replace(graph, nodes=tuple(joined), edges=tuple(edges.values()))
