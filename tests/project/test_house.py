"""The contents of a fresh clone, and text that must not be in it."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from tests.components import COMPONENTS
from tests.dependencies import declared, everything_of

_ROOT = Path(__file__).parents[2]
_TARGETS = ("demo", "test", "check", "bench", "serve", "help")
# Spelled in parts, so that this file does not match itself.
_FOREIGN = re.compile(
    "|".join(
        (
            r"(?<![\w.*}$])/" + r"work/",
            r"(?<![\w.*}:$])/" + r"root/(?!\*)",
            r"/home/" + r"[a-z]+/",
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "npmjs" + r"\.(?:org|com)",
            "registry" + r"\.terraform",
            "crates" + r"\.io",
        )
    )
)


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, check=False, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [_ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_a_machine_or_a_registry() -> None:
    """Tracked files are valid on every machine: no path of one computer, no address of a package index."""
    found = []
    for path in _tracked_files():
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(_ROOT)}: {match[0]}" for match in _FOREIGN.finditer(text)]
    assert not found


def test_contributing_names_every_real_component() -> None:
    """The table of real components in CONTRIBUTING has a row for each program that tests may need."""
    page = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("### Real components")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([a-z0-9-]*[a-z]) \| [^-]", table, re.MULTILINE) == ["component", *COMPONENTS]


@pytest.mark.parametrize("target", _TARGETS)
def test_make_has_the_promised_targets(target: str) -> None:
    """Each command that is public is a target of the Makefile, and `make help` lists it."""
    shown = subprocess.run(["make", "-s", "help"], cwd=_ROOT, capture_output=True, check=True, text=True)
    assert re.search(rf"^  make {target}\s+\S", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize("script", ["run", "venv", "lock", "other-pythons", "vectors", "release", "test-client"])
def test_scripts_parse_and_may_be_run(script: str) -> None:
    """The scripts of .ci are executable and bash understands them."""
    path = _ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_with_hashes() -> None:
    """constraints.txt pins the requirements of pyproject.toml, each with a hash, and names no download address."""
    text = (_ROOT / "constraints.txt").read_text()
    entries = _entries("constraints.txt")
    pinned = {_canonical(entry.split("==")[0]) for entry in entries if "==" in entry}
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    extras = [line for lines in project["project"]["optional-dependencies"].values() for line in lines]
    asked = [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]]
    asked = [line for line in asked if not line.startswith("daypass[")]
    assert {_canonical(re.split(r"[\[>=<~! ]", line)[0]) for line in asked} <= pinned
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def _entries(name: str) -> list[str]:
    text = (_ROOT / name).read_text(encoding="utf-8")
    return [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("constraints-server.txt", everything_of([*declared(), *declared("server")])),
        (".ci/build-constraints.txt", {"editables", "hatchling"}),
        (".ci/release-constraints.txt", {"cyclonedx-bom", "hatchling", "jsonschema", "twine"}),
    ],
)
def test_the_smaller_environments_are_pinned_with_hashes(name: str, wanted: frozenset[str]) -> None:
    """`make lock` writes each list; that of the server has the versions of constraints.txt and no development tool."""
    entries, of_all = _entries(name), set(_entries("constraints.txt"))
    pinned = {_canonical(entry.split("==")[0]) for entry in entries}
    assert wanted <= pinned
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in (_ROOT / name).read_text(encoding="utf-8")
    if name == "constraints-server.txt":
        assert {entry.split(" ;")[0].split()[0] for entry in entries} <= {entry.split()[0] for entry in of_all}
        assert pinned - wanted <= {"tzdata"}  # on Windows only


def test_each_change_is_one_named_line() -> None:
    """The name of a file in changes/ states the change, and it contains one line or paragraph (changes/README.md)."""
    for path in (_ROOT / "changes").glob("[!R]*"):
        assert re.fullmatch(r"[a-z0-9-]+\.md", path.name), path.name
        paragraphs = path.read_text(encoding="utf-8").strip().split("\n\n")
        assert len(paragraphs) == 1, path.name
        assert paragraphs[0], path.name


def test_the_package_says_that_it_is_typed() -> None:
    """PEP 561: type checkers of projects that import Daypass read its annotations only beside this file."""
    assert (_ROOT / "src/daypass/py.typed").is_file()


def test_the_command_tells_its_version() -> None:
    """`daypass --version` prints the version of the installation."""
    daypass = Path(sys.executable).with_name("daypass")
    shown = subprocess.run([str(daypass), "--version"], capture_output=True, check=True, text=True)
    assert shown.stdout == f"daypass {metadata.version('daypass')}\n"


def test_the_layers_hold() -> None:
    """Dependencies point to values: the contracts in .importlinter are kept."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [str(linter), "--no-cache", "--no-logo"], cwd=_ROOT, capture_output=True, check=False, text=True
    )
    assert run.returncode == 0, run.stdout


def test_no_pattern_has_a_possessive_group() -> None:
    """Python before 3.11.5 matches possessive and atomic groups wrongly (CPython issue 106052).

    There, a pattern could accept input that it refuses elsewhere. Possessive single characters and sets are correct.
    """
    is_pattern = re.compile(r"""\br[bf]?["']""")
    group, one_set = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+|\(\?" + ">"), re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
    sources = [path for path in _tracked_files() if path.suffix == ".py" and "src" in path.parts]
    found = [
        f"{path.relative_to(_ROOT)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if is_pattern.search(line) and group.search(one_set.sub("[]", line))
    ]
    assert sources
    assert not found
