"""Each `__init__.py` says what its package owns and leaves to others."""

import ast
import re
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[2] / "src"
_PACKAGES = sorted(str(path.parent.relative_to(_SOURCE)) for path in _SOURCE.rglob("__init__.py"))


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_package_says_what_it_owns_and_what_it_leaves(package: str) -> None:
    """A package's docstring has 3 to 10 lines, a line that starts with `Owns`, and one that starts with `Leaves`."""
    source = (_SOURCE / package / "__init__.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    assert 3 <= len(text.splitlines()) <= 10
    assert re.search(r"^Owns \S", text, re.MULTILINE)
    assert re.search(r"(?:^|\. )Leaves \S", text, re.MULTILINE)


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder with modules has an `__init__.py`, with a statement of its contents."""
    folders = {str(path.parent.relative_to(_SOURCE)) for path in (_SOURCE / "daypass").rglob("*.py")}
    assert folders - set(_PACKAGES) == set()
