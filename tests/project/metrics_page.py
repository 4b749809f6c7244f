"""Write the table of metrics in docs/monitoring.md.

Owns the table's form. Its content comes from metrics/table.py. `.venv/bin/python -m tests.project.metrics_page` writes
it.
"""

from pathlib import Path

from daypass.metrics.table import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
HEAD = "| metric | type | labels | workers | meaning |\n| --- | --- | --- | --- | --- |\n"


def table() -> str:
    """Return the table with its head."""
    rows = []
    for row in METRICS.values():
        labels = " ".join(("|", *(f"`{label}`" for label in row.labels), "|"))
        rows.append(f"| `{row.name}` | {row.kind} {labels} {row.merge} | {row.help} |\n")
    return HEAD + "".join(rows)


def with_table(page: str) -> str:
    """Return the page with the present table."""
    before, _, after = page.partition(HEAD)
    return before + table() + "\n" + after.partition("\n\n")[2]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
