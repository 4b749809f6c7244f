"""The generated pages and tables of the documentation agree with the code."""

import re
import urllib.request
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from tests.project.actions_page import PAGE, page

from daypass.config import Config
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.settings import GatewaySettings
from daypass.gateway.stores.profiles import PROFILES
from daypass.operations.settings import Quotas
from daypass.testing.server import running_server

_DOCS = Path(__file__).parents[2] / "docs"
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def test_the_list_of_actions_is_current() -> None:
    """docs/actions.md is the output of its generator: run `.venv/bin/python -m tests.project.actions_page`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_is_in_the_operators_table() -> None:
    """docs/operating.md has each setting of config.py in its first column, and no other."""
    page_text = (_DOCS / "operating.md").read_text(encoding="utf-8")
    table = page_text.partition("| setting |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`\[{0,2}(\w+)\]{0,2}`", row.split("|")[1])}
    assert named == {setting.name for setting in fields(Config)}


def test_every_setting_of_the_gateway_is_in_its_table() -> None:
    """docs/gateway.md has each setting of `[gateway]` in its first column, except the tables inside it."""
    page_text = (_DOCS / "gateway.md").read_text(encoding="utf-8")
    table = page_text.partition("| setting |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {setting.name for setting in fields(GatewaySettings)} - {"backends", "buckets", "routes"}


def test_every_profile_of_a_store_is_in_the_gateways_table() -> None:
    """docs/gateway.md has each profile."""
    page_text = (_DOCS / "gateway.md").read_text(encoding="utf-8")
    table = page_text.partition("| profile |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == set(PROFILES)


def test_every_metric_of_the_gateway_is_in_its_table() -> None:
    """docs/gateway.md has each metric of the gateway, and no other."""
    page_text = (_DOCS / "gateway.md").read_text(encoding="utf-8")
    table = page_text.partition("| metric |")[2].partition("\n\n")[0]
    names = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in GatewayMetrics().collect()
    }
    assert set(re.findall(r"`(daypass_\w+)", table)) == names


def test_every_quota_is_in_the_operators_table() -> None:
    """docs/operating.md has each quota with its default."""
    page_text = (_DOCS / "operating.md").read_text(encoding="utf-8")
    table = page_text.partition("| quota |")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        _, names, defaults, _ = row.split("|")
        told |= zip(re.findall(r"`(\w+)`", names), re.findall(r"\d[\d,]*", defaults), strict=True)
    assert {name: int(value.replace(",", "")) for name, value in told.items()} == asdict(Quotas())


def test_every_metric_is_in_the_operators_table() -> None:
    """docs/operating.md has each metric of the server, and no other."""
    page_text = (_DOCS / "operating.md").read_text(encoding="utf-8")
    table = page_text.partition("| metric |")[2].partition("\n\n")[0]
    with running_server() as server, urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310 - our own
        shown = set(re.findall(r"^# TYPE (\w+)", answer.read().decode(), flags=re.MULTILINE))
    assert set(re.findall(r"^\| `(\w+)", table, flags=re.MULTILINE)) == shown


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(_DOCS.parent)) for p in _DOCS.rglob("*.md"))]
)
def test_links_lead_somewhere(name: str) -> None:
    """A link to another file of the project has an existing target."""
    path = _DOCS.parent / name
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [target for target in _LINK.findall(text) if not (path.parent / target).exists()] == []
