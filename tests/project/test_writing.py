"""Rules of writing that a linter does not check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TREES = ("src", "tests", "bench", "demo")
_PURE = (
    "arn.py",
    "errors.py",
    "wire",
    "authenticate/sigv4",
    "policy",
    "mint",
    "federation/saml",
    "verify/body_check.py",
    "verify/caller.py",
    "verify/decision.py",
    "verify/head.py",
    "verify/keys.py",
    "verify/payload.py",
    "verify/request.py",
    "verify/signature.py",
    "verify/signature_checks.py",
    "verify/signature_template.py",
    "verify/s3",
    "verify/services",
)
_CLOCK_METHODS = frozenset({"now", "utcnow", "today"})
_WORLD_CALLS = frozenset({"open", "print", "input", "exec", "eval", "breakpoint"})


def _python_files(*trees: str) -> Iterator[Path]:
    for tree in trees:
        top = _ROOT / tree
        yield from [top] if top.is_file() else sorted(top.rglob("*.py"))


def _place(path: Path, node: ast.AST | None = None) -> str:
    line = getattr(node, "lineno", 1)
    return f"{path.relative_to(_ROOT)}:{line}"


def test_every_module_says_what_it_owns() -> None:
    """The docstring states the file's own part and the parts of others."""
    silent = [_place(path) for path in _python_files(*_TREES) if not _has_docstring(path.read_text(encoding="utf-8"))]
    assert not silent, "no docstring at the top"


def _has_docstring(source: str) -> bool:
    """Tell whether a docstring is at the top. A file that begins with one need not be parsed for that."""
    return bool(re.match(r'r?"""\s*\w', source) or ast.get_docstring(ast.parse(source)))


def test_every_test_says_its_rule() -> None:
    """A test's name is its subject, its docstring states the rule."""
    silent = [
        _place(path, node)
        for path in _python_files("tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent, "no docstring in the test"


# The public library is imported by its package's name: its file imports the public names, and does nothing else.
_LIBRARY = "src/daypass/verify/__init__.py"


def test_a_package_file_holds_nothing_but_its_docstring() -> None:
    """An `__init__.py` is a docstring: importing a package costs no time and hides no code."""
    busy = [
        _place(path)
        for path in _python_files("src")
        if path.name == "__init__.py"
        and not str(path).endswith(_LIBRARY)
        and len(ast.parse(path.read_text(encoding="utf-8")).body) != 1
    ]
    assert not busy, "code in a package file"


def test_the_library_imports_its_public_names_and_nothing_else() -> None:
    """Each imported name is in `__all__`."""
    _, *imports, names = ast.parse((_ROOT / _LIBRARY).read_text(encoding="utf-8")).body
    assert all(isinstance(each, ast.ImportFrom) for each in imports)
    assert isinstance(names, ast.Assign)
    imported = [alias.asname or alias.name for each in imports for alias in each.names]  # type: ignore[attr-defined]
    assert sorted(imported) == sorted(ast.literal_eval(names.value))


@pytest.mark.parametrize("part", _PURE)
def test_pure_packages_ask_no_clock_and_open_nothing(part: str) -> None:
    """Time is an argument in a pure package.

    Import-linter cannot see the clock inside datetime.
    """
    asked = [
        _place(path, node)
        for path in _python_files(f"src/daypass/{part}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _touches_the_world(node)
    ]
    assert not asked, "a clock or a file in a pure package"


def _touches_the_world(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=method):
            return method in _CLOCK_METHODS
        case ast.Name(id=name):
            return name in _WORLD_CALLS
        case _:
            return False


_LOOKS = frozenset({"is_visible", "is_hidden", "count", "all", "all_text_contents", "all_inner_texts", "content"})


def test_browser_tests_wait_for_what_they_expect() -> None:
    """A look at a page answers at once, perhaps before the page has arrived; `expect` waits."""
    looks = [
        _place(path, node)
        for path in _python_files("tests")
        if {"playwright", "Visit"} & set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and not node.args
        if isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKS
    ]
    assert not looks, "use playwright's expect"
