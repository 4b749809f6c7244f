"""`daypass graph`: a picture of who can assume which role.

Owns the command and the output file. authorize/trust_graph.py computes the graph, drawing/ draws it, and graph_page.py
makes the HTML page.
"""

import sys
from pathlib import Path

import click

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Graph, trust_graph
from daypass.cli.exit_codes import CommandError, Exit
from daypass.cli.graph_page import page
from daypass.cli.store_options import config_option, opened, store_option
from daypass.directory.identity import load_account
from daypass.drawing.trust_svg import draw


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
    """Draw who can assume which role, and by which statements, as an SVG image or an interactive HTML page."""
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
