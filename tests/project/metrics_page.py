"""Write the tables of metrics in docs/monitoring.md and docs/gateway.md.

Owns the tables' form. Their content comes from metrics/table.py and metrics/gateway_table.py.
`.venv/bin/python -m tests.project.metrics_page` writes them.
"""

from collections.abc import Iterable
from pathlib import Path

from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.table import METRICS, MetricRow

_DOCS = Path(__file__).parents[2] / "docs"
PAGE, GATEWAY_PAGE = _DOCS / "monitoring.md", _DOCS / "gateway.md"
HEAD = "| metric | type | labels | workers | meaning |\n| --- | --- | --- | --- | --- |\n"


def server_table() -> str:
    """Return the table of the server's metrics with its head."""
    return _table(METRICS.values())


def gateway_table() -> str:
    """Return the table of the metrics that only a gateway has."""
    return _table(row for name, row in GATEWAY_METRICS.items() if name not in METRICS)


def with_table(page: str, table: str) -> str:
    """Return the page with the present table."""
    before, _, after = page.partition(HEAD)
    rows = after.splitlines(keepends=True)
    rest = next(place for place, line in enumerate(rows) if not line.startswith("|"))
    return before + table + "".join(rows[rest:])


def _table(metrics: Iterable[MetricRow]) -> str:
    rows = []
    for row in metrics:
        labels = " ".join(("|", *(f"`{label}`" for label in row.labels), "|"))
        rows.append(f"| `{row.name}` | {row.kind} {labels} {row.merge} | {row.help} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    for path, present in ((PAGE, server_table()), (GATEWAY_PAGE, gateway_table())):
        path.write_text(with_table(path.read_text(encoding="utf-8"), present), encoding="utf-8")
