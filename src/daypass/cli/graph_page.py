"""The graph as an HTML page: the picture, and the statements of the selected box or arrow.

Owns the content of graph_page.html. The page is self-contained: it loads no resources, which its content security
policy enforces. Names and statements are untrusted, so they are inserted as text and never as markup.
"""

import json
from html import escape
from importlib.resources import files
from typing import Any

from daypass.authorize.trust_graph import Edge, Graph
from daypass.drawing.trust_svg import colours_of, draw_inside, summary, where


def page(graph: Graph) -> str:
    """Return the HTML page of a graph."""
    parts = {
        "legend": _legend(graph),
        "picture": draw_inside(graph),
        "panel": f"<p>{escape(summary(graph))}</p><p class='soft'>Click a box or an arrow to see the statements. "
        "Escape shows everything again.</p>",
        "ways": _data([_way(edge, graph) for edge in graph.edges]),
    }
    text = files("daypass.cli").joinpath("graph_page.html").read_text(encoding="utf-8")
    pieces = text.split("<!--")
    # Each placeholder is replaced once. Inserted text is never searched for placeholders.
    return pieces[0] + "".join(_fill(piece, parts) for piece in pieces[1:])


def _fill(piece: str, parts: dict[str, str]) -> str:
    name, _, rest = piece.partition("-->")
    return parts[name] + rest


def _legend(graph: Graph) -> str:
    colours = colours_of(graph)
    return "".join(
        f'<p class="account"><i style="background:{colours[account.id]}"></i>account {escape(account.id)}'
        f"{escape(f' ({account.name})' if account.name else '')}</p>"
        for account in graph.accounts
    )


def _data(value: Any) -> str:
    # Inside a script element only these characters can end it.
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


def _way(edge: Edge, graph: Graph) -> dict[str, Any]:
    node = next(node for node in graph.nodes if node.id == edge.source)
    return {
        "from": edge.source,
        "to": edge.target,
        "fromShown": ", ".join(node.members),
        "toShown": edge.target,
        "action": edge.action,
        "conditions": list(edge.way.conditions),
        "statements": [
            {
                "where": where(ref),
                "text": json.loads(text),
            }
            for ref, text in zip(edge.way.statements, edge.way.texts, strict=True)
        ],
    }
