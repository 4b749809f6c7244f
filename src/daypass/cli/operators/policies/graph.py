"""`daypass graph`: a picture of who can assume which role.

Owns the output file and the HTML page of graph_page.html. authorize/trust_graph.py computes the graph, and drawing/
draws it.

The page is one file, whose content security policy forbids every request. Untrusted names and statements are inserted
as text, never as markup.
"""

import json
import sys
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Edge, Graph, trust_graph
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import config_option, opened, store_option
from daypass.directory.identity import load_account
from daypass.drawing.trust_svg import colours_of, draw, draw_inside, summary, where


@click.command()
@click.option("--account", metavar="ID", default="", help="Draw only arrows that start or end in this account.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "html"]),
    help="The file format. Default: by the name of FILE, or svg.",
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Default: standard output.",
)
@store_option
@config_option
def command(
    *, account: str, form: str | None, target: Path | None, store: str | None, config_file: Path | None
) -> None:
    """Draw which principals can assume which role, and by which statements.

    The output is an SVG image or an interactive HTML page.
    """
    with opened(store, config_file) as there, there.store.read() as reader:
        views = SnapshotViews(reader)
        if account and views.get(load_account, account) is None:
            raise CommandError(f"Account {account} does not exist in this store.", Exit.CONFIGURATION)
        graph = trust_graph(views, Assumed(there.clock.now()), only=account)
        text = _drawn(graph, form or ("html" if target is not None and target.suffix in {".html", ".htm"} else "svg"))
    if target is None:
        sys.stdout.write(text)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"Cannot write {target}: {error.strerror}.", Exit.LOCKED) from error
    click.echo(f"{len(graph.nodes)} boxes, {len(graph.edges)} arrows: {target}", err=True)


def _drawn(graph: Graph, form: str) -> str:
    return page(graph) if form == "html" else draw(graph)


def page(graph: Graph) -> str:
    """Return the HTML page of a graph."""
    parts = {
        "legend": _legend(graph),
        "picture": draw_inside(graph),
        "panel": f"<p>{escape(summary(graph))}</p><p class='soft'>Click a box or an arrow to see the statements. "
        "Escape shows everything again.</p>",
        "ways": _data([_way(edge, graph) for edge in graph.edges]),
    }
    text = files("daypass.cli.operators.policies").joinpath("graph_page.html").read_text(encoding="utf-8")
    pieces = text.split("<!--")
    # One pass: inserted text is never searched for placeholders.
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
