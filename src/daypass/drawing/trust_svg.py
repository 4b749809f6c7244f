"""The trust graph as SVG: boxes for principals, arrows for AssumeRole.

Every element has a title, which browsers show on hover and screen readers read. The picture refers to no external
fonts, style sheets or scripts. A single file contains its style; a page with a strict content security policy has STYLE
in its own files.
"""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from daypass.authorize.trust_graph import Edge, Graph, GraphNode
from daypass.counted import counted
from daypass.drawing.layout import BOX_HEIGHT, BOX_WIDTH, Box, Layout, lay_out
from daypass.policy.decision import StatementRef
from daypass.wire.visible_text import visible

MARGIN, TOP = 28.0, 92.0
_ROOM, _SHRINKABLE = 1_130, 1_500
_NAMES, _NAME_LENGTH, _LABEL_LENGTH = 3, 24, 22
_MOST_LABELS = 60
# The palette of Okabe and Ito, which colour-blind people can distinguish too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#8c6d31")
_OUTSIDE = "#6b7280"
KINDS: Mapping[str, str] = {
    "user": "user",
    "role": "role",
    "federated": "identity provider",
    "service": "service",
    "account": "another account",
    "everybody": "anyone with an account",
}
_NAMED = {"account": "account {}", "everybody": "everyone"}
_FOCUS = ' tabindex="0" role="img"'
_MOST_TITLED = 20
_SHORT = {"multifactorauthpresent": "MFA", "multifactorauthage": "recent MFA"}
STYLE = """
.box{fill:var(--box,#fff);stroke:var(--line,#9aa3af);stroke-width:1}
.outside .box{stroke-dasharray:4 3}
.name{font:600 13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink,#1f2937)}
.kind,.legend,.note{font:11px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--soft,#5b6472)}
.head{font:600 16px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink,#1f2937)}
.arrow{fill:none;stroke:var(--arrow,#374151);stroke-width:1.6}
.conditional .arrow{stroke:var(--maybe,#b45309);stroke-dasharray:6 4}
.tip{fill:var(--arrow,#374151)}
.conditional .tip{fill:var(--maybe,#b45309)}
.wide{fill:none;stroke:transparent;stroke-width:12}
.label{font:10px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--maybe,#b45309);
paint-order:stroke;stroke:var(--page,#fff);stroke-width:4px}
.page{fill:var(--page,#fff)}
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """The options of a picture: heading and legend, style, and links of boxes.

    Without links each box and arrow can have the focus, for a page with a script.
    """

    heading: bool = False
    style: bool = True
    link: Callable[[GraphNode], str] | None = None


def draw(graph: Graph) -> str:
    """Return the picture as its own file, with heading, legend and background."""
    return _draw(graph, _Look(heading=True))


def draw_inside(graph: Graph) -> str:
    """Return the picture for a page with its own legend and a script."""
    return _draw(graph, _Look())


def draw_linked(graph: Graph, link: Callable[[GraphNode], str]) -> str:
    """Return the picture for a page without scripts.

    The page has STYLE, and a table with the same content for screen readers and keyboards: links of boxes (`link`) are
    for the mouse only.
    """
    return _draw(graph, _Look(style=False, link=link))


def _draw(graph: Graph, look: _Look) -> str:
    names = [node.id for node in graph.nodes]
    arrows = list(dict.fromkeys((edge.source, edge.target) for edge in graph.edges))
    layout = lay_out(names, arrows, leftmost={node.id for node in graph.nodes if node.kind != "role"})
    colours = colours_of(graph)
    top = TOP if look.heading else 26.0
    width = max(layout.width + 2 * MARGIN, 620.0)
    height = layout.height + top + MARGIN + (24.0 if graph.closed and look.heading else 0.0)
    told = 'aria-hidden="true"' if look.link else 'role="img" aria-labelledby="graph-title graph-desc"'
    # A page shrinks a slightly too wide picture; a wider one can be scrolled.
    fits = ' class="fits"' if look.link and _ROOM < width <= _SHRINKABLE else ""
    parts = [
        f'<svg{fits} xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"',
        f'width="{width:.0f}" height="{height:.0f}" {told}>',
    ]
    if not look.link:
        parts.append('<title id="graph-title">Who can assume which role</title>')
        parts.append(f'<desc id="graph-desc">{escape(summary(graph))}</desc>')
    if look.style:
        parts.append(f"<style>{STYLE}</style>")
    if look.heading:
        parts += _heading(graph, colours, width, height)
    parts.append(f'<g transform="translate({MARGIN:.0f} {top:.0f})">')
    parts += _arrows(graph, layout, look)
    parts += [_box(node, layout.boxes[node.id], colours, look) for node in graph.nodes]
    parts.append("</g></svg>")
    return "\n".join(parts) + "\n"


def colours_of(graph: Graph) -> dict[str, str]:
    """Return the colour of each account."""
    return {account.id: _COLOURS[at % len(_COLOURS)] for at, account in enumerate(graph.accounts)}


def summary(graph: Graph) -> str:
    """Return a description of the picture in one or two sentences."""
    ways = len(graph.edges)
    boxes = counted(len(graph.nodes), "box", "boxes")
    said = f"{boxes} and {counted(ways, 'arrow')} from principals to roles they can assume."
    return said + (f" {_closed(graph)}" if graph.closed else "")


def _closed(graph: Graph) -> str:
    names = [arn.rpartition("/")[2] for arn in graph.closed]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""  # noqa: PLR2004 - the number that fits on the line
    return f"No principal can assume {', '.join(names[:8])}{more}."


def _heading(graph: Graph, colours: Mapping[str, str], width: float, height: float) -> Iterator[str]:
    yield f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>'
    yield f'<text class="head" x="{MARGIN:.0f}" y="30">Who can assume which role</text>'
    x = MARGIN
    for account in graph.accounts:
        words = f"account {account.id}" + (f" ({_cut(account.name, _NAME_LENGTH)})" if account.name else "")
        yield f'<rect x="{x:.0f}" y="45" width="12" height="12" rx="2" fill="{colours[account.id]}"/>'
        yield f'<text class="legend" x="{x + 18:.0f}" y="55">{escape(words)}</text>'
        x += 40 + 6.2 * len(words)
    x = MARGIN
    for kind, words, length in (("", "can, as it is", 110), ("conditional", "can, if the conditions hold", 0)):
        line = f'<path class="arrow" d="M{x:.0f} 72h30"/><path class="tip" d="{_tip(x + 36, 72)}"/>'
        yield f'<g class="{kind}">{line}</g>'
        yield f'<text class="legend" x="{x + 44:.0f}" y="76">{words}</text>'
        x += 44 + length
    if graph.closed:
        yield f'<text class="note" x="{MARGIN:.0f}" y="{height - 14:.0f}">{escape(_closed(graph))}</text>'


def _box(node: GraphNode, box: Box, colours: Mapping[str, str], look: _Look) -> str:
    outside = "" if node.account in colours and node.kind in {"user", "role"} else " outside"
    colour = colours.get(node.account, _OUTSIDE)
    round_by = BOX_HEIGHT / 2 if node.kind == "user" else 5.0
    kind = KINDS.get(node.kind, node.kind)
    count = len(node.members)
    kind = f"{count} {node.kind}s" if count > 1 else kind
    title = f"{kind}: {', '.join(node.members[:_MOST_TITLED])}" + ("…" if count > _MOST_TITLED else "")
    drawn = (
        f'<g class="node{outside}" data-node="{escape(node.id)}"{"" if look.link else _FOCUS} '
        f'transform="translate({box.x:.1f} {box.y:.1f})"><title>{escape(title)}</title>'
        f'<rect class="box" width="{BOX_WIDTH:.0f}" height="{BOX_HEIGHT:.0f}" rx="{round_by:.0f}"/>'
        f"{_mark(node.kind, colour)}"
        f'<text class="name" x="46" y="21">{escape(_node_name(node))}</text>'
        f'<text class="kind" x="46" y="37">{escape(_node_note(node, kind))}</text></g>'
    )
    return f'<a href="{escape(look.link(node))}" tabindex="-1">{drawn}</a>' if look.link else drawn


def _node_name(node: GraphNode) -> str:
    names = [member.rpartition("/")[2] for member in node.members]
    if node.kind == "role" and ":assumed-role/" in node.id:
        names = ["/".join(node.id.split("/")[-2:])]
    if node.kind in {"federated", "service"} or not names[0]:
        names = [node.id.partition("-provider/")[2] or node.id]
    if node.kind in _NAMED:
        names = [_NAMED[node.kind].format(node.account)]
    more = f" +{len(names) - _NAMES}" if len(names) > _NAMES else ""
    return _cut(", ".join(names[:_NAMES]), _NAME_LENGTH - len(more)) + more


def _node_note(node: GraphNode, kind: str) -> str:
    session = " session" if ":assumed-role/" in node.id else ""
    place = f" in {node.account}" if node.account and node.kind not in _NAMED else ""
    return (kind.removeprefix("identity ") if place else kind) + session + place


def _mark(kind: str, colour: str) -> str:
    """Return the symbol of a kind: a person, a key for a role, or a hexagon."""
    if kind == "user":
        shape = '<circle cx="0" cy="-5" r="5"/><path d="M-9 9a9 8 0 0 1 18 0z"/>'
    elif kind == "role":
        shape = (
            '<path fill-rule="evenodd" d="M-4 -6a6 6 0 1 0 0 12a6 6 0 0 0 5.6 -4H4v4h4v-4h3v-4H1.6A6 6 0 0 0 -4 -6z'
            'M-4 -2a2 2 0 1 1 0 4a2 2 0 0 1 0 -4z"/>'
        )
    else:
        shape = '<path d="M0 -9L9 -4V4L0 9L-9 4V-4z"/>'
    return f'<g transform="translate(24 {BOX_HEIGHT / 2:.0f})" fill="{colour}">{shape}</g>'


def _arrows(graph: Graph, layout: Layout, look: _Look) -> Iterator[str]:
    by_arrow: dict[tuple[str, str], list[Edge]] = {}
    for edge in graph.edges:
        by_arrow.setdefault((edge.source, edge.target), []).append(edge)
    ends = {arrow: layout.paths[arrow][-1][1] if arrow in layout.paths else 0.0 for arrow in by_arrow}
    said: set[tuple[str, str]] = set()
    focus = "" if look.link else _FOCUS
    names = {node.id: _node_name(node) for node in graph.nodes}
    # From top to bottom: if several arrows share a label, only the first one shows it.
    for (source, target), edges in sorted(by_arrow.items(), key=lambda item: ends[item[0]]):
        words = _condition_words(edges)
        is_new = bool(words) and (target, words) not in said and len(by_arrow) <= _MOST_LABELS
        said.add((target, words))
        run = layout.paths.get((source, target))
        line, tip = line_and_tip(run, layout.boxes[source])
        told = _tell_briefly(names[source], names[target], edges) if look.link else _tell(edges)
        label = _label(words, run) if is_new and run is not None else ""
        yield (
            f'<g class="edge{" conditional" if words else ""}" data-from="{escape(source)}" '
            f'data-to="{escape(target)}"{focus}><title>{escape(told)}</title>'
            f'<path class="wide" d="{line}"/><path class="arrow" d="{line}"/><path class="tip" d="{tip}"/>{label}</g>'
        )


def _tell(edges: Sequence[Edge]) -> str:
    lines = []
    for edge in edges:
        lines.append(f"{edge.source} can do {edge.action} to {edge.target}")
        lines += [f"if: {condition}" for condition in edge.way.conditions]
        lines += [
            f"through {where(ref)}: {text}" for ref, text in zip(edge.way.statements, edge.way.texts, strict=True)
        ]
    return "\n".join(lines)


def _tell_briefly(source: str, target: str, edges: Sequence[Edge]) -> str:
    lines = [f"{source} → {target}"]
    for edge in edges:
        lines += [edge.action, *(f"if: {condition}" for condition in edge.way.conditions)]
    return "\n".join(lines)


def where(ref: StatementRef) -> str:
    """Return the policy of a statement, with the policy's owner."""
    return f"{ref.source.type.value} {ref.source.id}" + (f" of {ref.source.owner}" if ref.source.owner else "")


def _condition_words(edges: Sequence[Edge]) -> str:
    """Return the keys of the conditions, or "" if one way is unconditional."""
    if not all(edge.way.conditions for edge in edges):
        return ""
    keys = dict.fromkeys(_key(condition) for edge in edges for condition in edge.way.conditions)
    return _cut("if " + ", ".join(keys), _LABEL_LENGTH)


def _label(words: str, points: Sequence[tuple[float, float]]) -> str:
    """Return the label of a condition beside the arrow's end."""
    x, y = points[-1]
    leftwards = x < points[0][0]
    return (
        f'<text class="label" x="{x + (14 if leftwards else -14):.0f}" y="{y - 6:.0f}" '
        f'text-anchor="{"start" if leftwards else "end"}">{escape(words)}</text>'
    )


def _key(condition: str) -> str:
    """Return the key of a condition's sentence, without its prefix."""
    for word in condition.split():
        key = word.rstrip(":")
        if ":" in key and not key.startswith(("ForAllValues:", "ForAnyValue:")):
            name = key.partition(":")[2]
            return _SHORT.get(name.lower(), name)
    return "a condition"


def line_and_tip(run: Sequence[tuple[float, float]] | None, source: Box) -> tuple[str, str]:
    """Return the paths of an arrow and of its tip.

    Without points it is an arrow from a box to itself.
    """
    return _loop(source) if run is None else (_curve(run), _tip_of(run))


def _curve(points: Sequence[tuple[float, float]]) -> str:
    (x, y), *_ = points
    drawn = [f"M{x:.1f} {y:.1f}"]
    for (ax, ay), (bx, by) in pairwise(points):
        middle = (ax + bx) / 2
        drawn.append(f"C{middle:.1f} {ay:.1f} {middle:.1f} {by:.1f} {bx:.1f} {by:.1f}")
    return "".join(drawn)


def _tip_of(points: Sequence[tuple[float, float]]) -> str:
    return _tip(*points[-1], leftwards=points[-1][0] < points[0][0])


def _tip(x: float, y: float, *, leftwards: bool = False) -> str:
    way = 8 if leftwards else -8
    return f"M{x:.1f} {y:.1f}l{way} -4v8z"


def _loop(box: Box) -> tuple[str, str]:
    """Return an arc and its tip, for a role that can assume itself."""
    x, y = box.x + BOX_WIDTH - 48, box.y
    return f"M{x:.1f} {y:.1f}c2 -24 30 -24 34 -7", f"M{x + 34:.1f} {y:.1f}l-5 -8h9z"


def escape(text: str) -> str:
    """Return a string escaped for the picture, without invisible characters.

    Line breaks stay.
    """
    return html.escape("\n".join(visible(line) for line in text.split("\n")))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
