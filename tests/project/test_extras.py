"""Client and server are installed separately: the extras of pyproject.toml, and dependent lists."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from tests.dependencies import (
    CLIENT_PACKAGES,
    CLIENT_PARTS,
    REPOSITORY,
    canonical,
    declared,
    declared_extras,
    modules_of,
)

from daypass.cli.main import FOR_PEOPLE, SERVER_MODULES

SOURCE = REPOSITORY / "src/daypass"
# Modules of extras that are used if they are installed.
OPTIONAL = {"keyring", "opentelemetry", "pkcs11"}
_MODULES_OF_THE_CLIENT = (*(module for module, _ in FOR_PEOPLE.values()), "daypass.cli.entry", "daypass.cli.main")


def _contract(key: str) -> set[str]:
    file = configparser.ConfigParser()
    file.read(REPOSITORY / ".importlinter")
    return set(file["importlinter:contract:client_alone"][key].split())


def _direct_modules(extra: str) -> frozenset[str]:
    """Return the importable modules of the libraries of an extra, without indirect requirements."""
    return frozenset(name for name in modules_of(each.name for each in declared(extra)) if name.isidentifier())


def test_the_extras_are_those_of_the_public_names() -> None:
    """An extra is declared when its code exists."""
    assert declared_extras() == {"hsm", "keyring", "otel", "postgres", "server", "testing"}
    names = {extra: {canonical(each.name) for each in declared(extra)} for extra in declared_extras()}
    assert names["postgres"] < names["server"] < names["testing"]
    assert names["testing"] - names["server"] == {"boto3", "pytest"}


def _parts_of(package: Path) -> set[str]:
    """Return the names of the modules and packages in a package."""
    found = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return found - {"__init__"}


def test_the_contract_forbids_every_part_of_the_server() -> None:
    """Each package is the client's (tests/dependencies.py) or the server's; each library of the server is named."""
    forbidden = {f"daypass.{name}" for name in _parts_of(SOURCE) - CLIENT_PACKAGES}
    for part in CLIENT_PARTS:
        package, _, kept = part.partition(".")
        forbidden.discard(f"daypass.{package}")
        forbidden |= {f"daypass.{package}.{name}" for name in _parts_of(SOURCE / package) - {kept}}
    assert _contract("forbidden_modules") == forbidden | _direct_modules("server")


def test_the_contract_covers_every_command_for_people() -> None:
    """The command's module or its package is listed, and so is each other package of the client."""
    covered = _contract("source_modules")
    for module in _MODULES_OF_THE_CLIENT:
        parents = {module.rsplit(".", depth)[0] for depth in range(module.count("."))}
        assert covered & (parents | {module}) - {"daypass.cli"}, module
    assert {f"daypass.{name}" for name in (CLIENT_PACKAGES - {"cli"}) | CLIENT_PARTS} <= covered


def test_operators_commands_look_for_every_library_of_the_server() -> None:
    """A missing library is one sentence, not an ImportError.

    Windows has no uvloop and does not need it.
    """
    assert set(SERVER_MODULES) == _direct_modules("server") - {"uvloop"}


def test_the_client_requires_exactly_the_libraries_that_it_imports() -> None:
    """The client imports each library of the base installation, late imports included, and no other."""
    assert _libraries(_files_of_the_client()) == {canonical(each.name) for each in declared()}


def test_the_server_requires_exactly_the_libraries_that_it_imports() -> None:
    """SQLAlchemy imports psycopg, uvicorn imports uvloop, and yarl is aiohttp's own class of URLs.

    The gateway imports awscrt by its name, if a checksum needs it.
    """
    files = {path for path in SOURCE.rglob("*.py") if path.parent != SOURCE / "testing"}
    installed = {canonical(each.name) for each in (*declared(), *declared("server"))}
    assert (_libraries(files) | {"awscrt", "uvloop", "psycopg"}) - {"yarl"} == installed
    assert _libraries(set(SOURCE.rglob("*.py"))) - {"yarl"} - installed == {"boto3", "pytest"}


@cache
def _owners() -> Mapping[str, Sequence[str]]:
    return metadata.packages_distributions()


def _libraries(files: set[Path]) -> set[str]:
    """Return the distributions of the modules that these files import, except the optional ones."""
    modules = {name.partition(".")[0] for path in files for name in _imports(path)}
    owners = _owners()
    return {canonical(owners[name][0]) for name in modules - sys.stdlib_module_names - OPTIONAL - {"daypass"}}


def _files_of_the_client() -> set[Path]:
    """Return the files of the client's packages, and those that the commands for people import."""
    found = {path for name in CLIENT_PACKAGES - {"cli"} for path in SOURCE.glob(f"{name}/**/*.py")}
    found |= {path for name in CLIENT_PARTS for path in SOURCE.glob(f"{name.replace('.', '/')}/**/*.py")}
    alone = (name.replace(".", "/") for name in CLIENT_PACKAGES | CLIENT_PARTS)
    found |= {SOURCE / f"{name}.py" for name in alone if (SOURCE / f"{name}.py").exists()}
    waiting = [
        _file(module)
        for module in (*(module for module, _ in FOR_PEOPLE.values()), "daypass.cli.entry", "daypass.cli.main")
    ]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [_file(name) for name in _imports(path) if name.startswith("daypass.cli.")]
    return found


def _file(module: str) -> Path:
    path = SOURCE.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(path: Path) -> Sequence[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names]
    return found


def test_the_documentation_names_every_extra() -> None:
    """The table of docs/installing.md has a row for each."""
    page = (REPOSITORY / "docs/installing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `daypass\[(\w+)\]`", page, re.MULTILINE)) == declared_extras()


@pytest.mark.parametrize(
    ("module", "missing"),
    [("plugin", "boto3"), ("plugin", "pytest"), ("plugin", "uvicorn"), ("server", "uvicorn"), ("server", "sqlalchemy")],
)
def test_daypass_testing_names_its_extra(module: str, missing: str) -> None:
    """If a library is missing, the ImportError says what to install."""
    program = f"import sys; sys.modules[{missing!r}] = None; import daypass.testing.{module}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: daypass.testing needs {missing}, which is not installed: pip install 'daypass[testing]'"
    )
