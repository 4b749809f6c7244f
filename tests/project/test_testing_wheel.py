"""The fixtures in an installation from the wheel: they come by themselves, and cost other projects nothing."""

import subprocess
from pathlib import Path

import pytest
from tests.client.client_only import install_the_client
from tests.process.daypass import clean_environment
from tests.project.test_testing_page import SESSION, page_source, run_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_OTHERS = """
import sys

def test_that_has_nothing_to_do_with_daypass():
    names = {name for name in sys.modules if name.partition(".")[0] == "daypass"}
    assert names == {"daypass", "daypass.testing", "daypass.testing.pytest_plugin"}
    assert "botocore" not in sys.modules
"""
_WANTING = """
def test_that_wants_the_server(daypass_server):
    pass
"""


def test_the_extra_brings_all_that_the_fixtures_need(tmp_path: Path) -> None:
    """The page's examples, and both scopes together, in an environment with `daypass[testing]` alone."""
    python = install_the_client(tmp_path, "[testing]") / "python"
    for name, source in (("page", page_source()), ("session", SESSION)):
        (tmp_path / name).mkdir()
        run_project(tmp_path / name, source, str(python))


def test_a_project_that_has_the_client_alone_is_left_in_peace(tmp_path: Path) -> None:
    """Pytest imports the names of the fixtures only; using one says which extra is missing."""
    python = install_the_client(tmp_path, "pytest") / "python"
    (tmp_path / "others").mkdir()
    run_project(tmp_path / "others", _OTHERS, str(python))
    (tmp_path / "test_wanting.py").write_text(_WANTING, encoding="utf-8")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_wanting.py"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=clean_environment({}), capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 1
    assert "pip install 'daypass[testing]'" in ran.stdout
