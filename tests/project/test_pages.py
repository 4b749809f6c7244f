"""The generated pages and tables of the documentation agree with the code."""

import re
from pathlib import Path

import pytest
from tests.project import metrics_page, settings_page
from tests.project.actions_page import PAGE, page
from tests.project.settings_rows import BOUNDED

from daypass.config import ConfigurationError, load_config
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.stores.profiles import PROFILES

_DOCS = Path(__file__).parents[2] / "docs"
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def test_the_list_of_actions_is_current() -> None:
    """docs/actions.md is the output of its generator: run `.venv/bin/python -m tests.project.actions_page`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_reference_of_settings_is_current() -> None:
    """docs/settings.md is the output of its generator: run `.venv/bin/python -m tests.project.settings_page`."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()


def test_every_setting_has_its_effect() -> None:
    """Each setting and each quota has a row in settings_rows.py, and no other name has."""
    assert settings_page.described() == settings_page.existing()


@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_the_range_of_a_setting_is_enforced(name: str) -> None:
    """The least and the greatest value of the page are accepted, and the values beside them are refused."""
    least, most = BOUNDED[name]
    for value in (least, *([] if most is None else [most])):
        assert getattr(load_config({name: value}, {}), name) == value
    for value in (least - 1, *([] if most is None else [most + 1])):
        with pytest.raises(ConfigurationError, match=name):
            load_config({name: value}, {})


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


def test_the_table_of_metrics_is_current() -> None:
    """docs/monitoring.md has the table of its generator: run `.venv/bin/python -m tests.project.metrics_page`."""
    page_text = metrics_page.PAGE.read_text(encoding="utf-8")
    assert metrics_page.table() in page_text
    assert metrics_page.with_table(page_text) == page_text


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(_DOCS.parent)) for p in _DOCS.rglob("*.md"))]
)
def test_links_lead_somewhere(name: str) -> None:
    """A link to another file of the project has an existing target."""
    path = _DOCS.parent / name
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [target for target in _LINK.findall(text) if not (path.parent / target).exists()] == []
