"""`make changelog` moves the entries of changes/ into the section of a release (.ci/changelog)."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from tests.dependencies import REPOSITORY

_SCRIPT: dict[str, Any] = runpy.run_path(str(REPOSITORY / ".ci/changelog"))
_BEFORE = "# Changelog\n\nFor people.\n\n## [0.1.0] - never\n\n### Added\n- A server.\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with a changelog and three entries."""
    (tmp_path / "changes").mkdir()
    (tmp_path / "CHANGELOG.md").write_text(_BEFORE)
    (tmp_path / "changes/README.md").write_text("The rules.\n")
    (tmp_path / "changes/keys.md").write_text("Fixed (gateway): keys\nare read again.\n")
    (tmp_path / "changes/portal.md").write_text("Added: a portal.\n")
    (tmp_path / "changes/limits.md").write_text("Limits are per account.\n")
    return tmp_path


def test_entries_are_under_their_headings(tree: Path) -> None:
    """An entry without a heading is a change; the files are deleted, except the rules."""
    assert _SCRIPT["main"](["0.2.0"], tree) == 0
    assert (tree / "CHANGELOG.md").read_text() == (
        "# Changelog\n\nFor people.\n\n## [0.2.0] - unreleased\n\n### Added\n\n- A portal.\n\n### Changed\n\n"
        "- Limits are per account.\n\n### Fixed\n\n#### Gateway\n- Keys are read again.\n\n"
        "## [0.1.0] - never\n\n### Added\n- A server.\n"
    )
    assert [path.name for path in (tree / "changes").iterdir()] == ["README.md"]


def test_late_entries_extend_the_section(tree: Path) -> None:
    """The introduction stays, the date may change, and nothing is there twice."""
    _SCRIPT["main"](["0.2.0"], tree)
    page = tree / "CHANGELOG.md"
    page.write_text(page.read_text().replace("unreleased\n", "unreleased\n\nThe best of it.\n"))
    (tree / "changes/late.md").write_text("Fixed (gateway): " + "word " * 40)
    assert _SCRIPT["main"](["0.2.0", "2026-12-01"], tree) == 0
    text = page.read_text()
    assert "## [0.2.0] - 2026-12-01\n\nThe best of it.\n\n### Added" in text
    assert "- Keys are read again.\n- Word word" in text
    assert text.count("## [0.2.0]") == text.count("A portal.") == 1
    assert max(map(len, text.splitlines())) <= 118
    assert text.endswith(_BEFORE.partition("people.\n\n")[2])


def test_a_version_must_be_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing changes without one."""
    assert _SCRIPT["main"]([], tree) == 2
    assert "name the version" in capsys.readouterr().err
    assert (tree / "CHANGELOG.md").read_text() == _BEFORE
