"""The generated pages and tables of the documentation agree with the code."""

import re
from pathlib import Path

import pytest
from tests.project import api_page, commands_page, errors_page, metrics_page, settings_page
from tests.project.generated_pages import PAGES
from tests.project.links import anchors, links
from tests.project.public_names import TESTING, VERIFY
from tests.project.settings_rows import BOUNDED

from daypass.cli.shared.exit_codes import Exit
from daypass.config import ConfigurationError, load_config
from daypass.gateway.stores.profiles import PROFILES
from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.table import METRICS

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path: Path) -> None:
    """The page is the output of its generator: run `.venv/bin/python -m tests.project.generated_pages`."""
    assert path.read_text(encoding="utf-8") == PAGES[path]()


def test_every_error_code_is_in_the_reference() -> None:
    """Each error code of the package is in docs/errors.md, and has a remedy in errors_rows.py."""
    assert errors_page.used_codes() - errors_page.described_codes() == set()
    assert errors_page.codes_without_remedy() == set()


def test_every_exit_code_is_in_the_reference() -> None:
    """docs/commands.md has each exit code."""
    assert set(commands_page.EXIT_CODES) == set(Exit)


def test_every_public_name_is_in_a_reference() -> None:
    """docs/api-verify.md and docs/api-testing.md have each promised name."""
    shown = anchors(api_page.VERIFY_PAGE) | anchors(api_page.TESTING_PAGE)
    promised = [name.rpartition(".")[2].lower() for name in (*VERIFY, *TESTING)]
    assert [name for name in promised if name not in shown] == []


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


def test_the_metrics_that_a_gateway_shares_are_listed() -> None:
    """docs/gateway.md names each metric of the server that a gateway has too, and no other."""
    page_text = (_DOCS / "gateway.md").read_text(encoding="utf-8")
    listed = page_text.partition("with the same names and these of them:")[2].partition(". `daypass_store_")[0]
    shared = {name for name in GATEWAY_METRICS if name in METRICS}
    names = re.findall(r"`(\w+)(\*?)`", listed)
    assert shared == {
        each for each in METRICS for name, more in names if each == name or (more and each.startswith(name))
    }
    assert [name for name, _ in names if not any(each.startswith(name) for each in shared)] == []


def test_the_tables_of_metrics_are_current() -> None:
    """Both pages have the table of their generator: run `.venv/bin/python -m tests.project.metrics_page`."""
    for path, table in (
        (metrics_page.PAGE, metrics_page.server_table()),
        (metrics_page.GATEWAY_PAGE, metrics_page.gateway_table()),
    ):
        page_text = path.read_text(encoding="utf-8")
        assert table in page_text
        assert metrics_page.with_table(page_text, table) == page_text


def test_every_threat_names_existing_tests() -> None:
    """Each row of a table of threats in docs/security-model.md names a test, and each named file exists."""
    threats = (_DOCS / "security-model.md").read_text(encoding="utf-8").partition("## Threats")[2]
    rows = [row for row in threats.splitlines() if row.startswith("| ") and not row.startswith(("| threat", "| ---"))]
    named = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in rows]
    assert all(named)
    assert [file for files in named for file in files if not (_DOCS.parent / file).is_file()] == []


def test_every_word_of_the_glossary_has_its_page() -> None:
    """A word is in one row of one sorted table, with the page that explains it."""
    page_text = (_DOCS / "glossary.md").read_text(encoding="utf-8").partition("## Names in the source")[0]
    tables = [re.findall(r"^\| (.+?) \| .+ \| (.+) \|$", part, re.MULTILINE)[2:] for part in page_text.split("## ")[1:]]
    assert [page for table in tables for _, page in table if not re.fullmatch(r"\[.+\]\([^#)].*\)", page)] == []
    words = [[word.lower() for word, _ in table] for table in tables]
    assert words == [sorted(table) for table in words]
    every = [word for table in words for word in table]
    assert len(every) == len(set(every)) > 70


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(_DOCS.parent)) for p in _DOCS.rglob("*.md"))]
)
def test_links_lead_somewhere(name: str) -> None:
    """A link to another file of the project has an existing target, and its anchor is a heading there."""
    broken = [
        f"{target.name}#{anchor}"
        for target, anchor in links(_DOCS.parent / name)
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.resolve()))
    ]
    assert broken == []
