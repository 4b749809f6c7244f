"""`daypass graph`: a picture of who can assume which role.

Owns the output file and the HTML page of graph_page.html. authorize/trust_graph.py computes the graph, and drawing/
draws it.

The page is one file, whose content security policy forbids every request. Untrusted names and statements are inserted
as text, never as markup.
"""

import json
import sys
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Edge, Graph, GraphNode, role_edges, role_graph, trust_graph
from daypass.authorize.trust_summary import MOST_BOXES, Summary, is_large, summarize_role, summarize_store
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import config_option, opened, store_option
from daypass.counted import counted
from daypass.directory.identity import load_account, load_role
from daypass.drawing.summary_svg import describe_summary, draw_summary
from daypass.drawing.trust_svg import colours_of, draw, draw_inside, summary, where
from daypass.errors import Fault
from daypass.operations.sts.role_session import read_role_arn


@click.command()
@click.option("--account", metavar="ID", default="", help="Draw only arrows that start or end in this account.")
@click.option("--role", metavar="ARN", default="", help="Draw only the arrows to this role.")
@click.option("--all", "is_whole", is_flag=True, help="Draw every box, also if there are too many for one picture.")
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
def command(  # noqa: PLR0913 - one parameter an option
    *,
    account: str,
    role: str,
    is_whole: bool,
    form: str | None,
    target: Path | None,
    store: str | None,
    config_file: Path | None,
) -> None:
    """Draw which principals can assume which role, and by which statements.

    The output is an SVG image or an interactive HTML page. A graph of more than 200 boxes is summarized.
    """
    if account and role:
        raise click.UsageError("Use --account or --role.")
    with opened(store, config_file) as there, there.store.read() as reader:
        views = SnapshotViews(reader)
        if account and views.get(load_account, account) is None:
            raise CommandError(f"Account {account} does not exist in this store.", Exit.CONFIGURATION)
        asked = _Part(account, role, is_whole)
        graph = asked.graph(views, Assumed(there.clock.now()))
    form = form or ("html" if target is not None and target.suffix in {".html", ".htm"} else "svg")
    text = _drawn(graph, form)
    if target is None:
        sys.stdout.write(text)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"Cannot write {target}: {error.strerror}.", Exit.LOCKED) from error
    if isinstance(graph, Summary):
        click.echo(f"{describe_summary(graph)}\n{target}", err=True)
    else:
        click.echo(
            f"{counted(len(graph.nodes), 'box', 'boxes')}, {counted(len(graph.edges), 'arrow')}: {target}", err=True
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of the graph to draw: of an account, to a role, or all of it."""

    account: str
    role: str
    is_whole: bool

    def graph(self, views: SnapshotViews, assumed: Assumed) -> Graph | Summary:
        """Return the graph, or its summary if it has too many boxes."""
        if self.role:
            return self._of_role(views, assumed)
        if not self.is_whole and is_large(views.reader):
            return summarize_store(views, only=self.account)
        graph = trust_graph(views, assumed, only=self.account)
        is_small = self.is_whole or len(graph.nodes) <= MOST_BOXES
        return graph if is_small else summarize_store(views, only=self.account)

    def _of_role(self, views: SnapshotViews, assumed: Assumed) -> Graph | Summary:
        try:
            name = read_role_arn(self.role)
        except Fault as fault:
            raise CommandError(fault.message, Exit.CONFIGURATION) from fault
        role = views.get(load_role, name.account, name.name)
        if role is None or role.arn != self.role:
            raise CommandError(f"Role {self.role} does not exist in this store.", Exit.CONFIGURATION)
        edges = role_edges(role, views, assumed)
        graph = role_graph(role, edges, views)
        is_small = self.is_whole or len(graph.nodes) <= MOST_BOXES
        return graph if is_small else summarize_role(role.arn, edges, views)


def _drawn(graph: Graph | Summary, form: str) -> str:
    if isinstance(graph, Summary):
        return _summary_page(graph) if form == "html" else draw_summary(graph, heading=True)
    return page(graph) if form == "html" else draw(graph)


def _summary_page(summarized: Summary) -> str:
    """Return the HTML page of a summary."""
    return _filled(
        {
            "legend": "",
            "picture": draw_summary(summarized, heading=False),
            "panel": f"<p>{escape(describe_summary(summarized))}</p>",
            "ways": _data([]),
        }
    )


def page(graph: Graph) -> str:
    """Return the HTML page of a graph."""
    nodes = {node.id: node for node in graph.nodes}
    parts = {
        "legend": _legend(graph),
        "picture": draw_inside(graph),
        "panel": f"<p>{escape(summary(graph))}</p><p class='soft'>Click a box or an arrow to see the statements. "
        "Escape shows everything again.</p>",
        "ways": _data([_way(edge, nodes[edge.source]) for edge in graph.edges]),
    }
    return _filled(parts)


def _filled(parts: dict[str, str]) -> str:
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


def _way(edge: Edge, node: GraphNode) -> dict[str, Any]:
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
