"""The recipes of the cookbook have the shipped files, whole and as they are."""

import pytest
from tests.project.example_blocks import ROOT, examples

_FILES = {
    "caddy.md": "proxies/Caddyfile-server",
    "haproxy.md": "proxies/haproxy-server.cfg",
    "monitoring.md": "monitoring/prometheus.yml",
    "nginx.md": "proxies/nginx-server.conf",
    "systemd.md": "systemd/daypass.toml",
}


@pytest.mark.parametrize("recipe", sorted(_FILES))
def test_a_recipe_has_the_shipped_file(recipe: str) -> None:
    """One block of the recipe is the file of `packaging`, and its words name that file."""
    page = f"docs/cookbook/{recipe}"
    shipped = (ROOT / "packaging" / _FILES[recipe]).read_text(encoding="utf-8")
    assert shipped in [each.text for each in examples() if each.page == page]
    assert _FILES[recipe].rpartition("/")[2] in (ROOT / page).read_text(encoding="utf-8")
