"""Remove the files of an installation that the server never reads: python3 prune.py /opt/daypass.

Owns the contents of the container image. It removes:

- the models of botocore, except those of the services that Daypass serves, by Daypass's own table;
- the debug information and local symbols of compiled libraries, if `strip` is installed. Libraries in a `*.libs` folder
  stay as they are: they were edited after the linker, and `strip` can break such a file;
- sources of C and Cython, type stubs, SQLAlchemy's drivers of other databases, and grammars of programming languages.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from daypass.wire.model import JSON_SERVICES, SERVICES

_SOURCES = (".c", ".cpp", ".h", ".pxd", ".pxi", ".pyi", ".pyx")
_UNUSED = (
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    "sqlalchemy/testing",
    "alembic/templates",
    "alembic/testing",
    "lxml/includes",
    "lxml/isoschematron",
)
_LEXER_TABLES = ("__init__", "_mapping")


def main(environment: Path) -> None:
    """Prune the packages of a virtual environment."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    remove_models(packages / "botocore" / "data")
    for name in _UNUSED:
        shutil.rmtree(packages / name, ignore_errors=True)
    for path in (packages / "pygments" / "lexers").iterdir():
        if path.is_file() and path.stem not in _LEXER_TABLES:
            path.unlink()
    shutil.rmtree(packages / "pygments" / "lexers" / "__pycache__", ignore_errors=True)
    for path in list(packages.rglob("*")):
        if path.suffix in _SOURCES and path.is_file():
            path.unlink()
    strip = shutil.which("strip")
    for path in packages.rglob("*.so") if strip else ():
        if not path.parent.name.endswith(".libs"):
            # A new file: this process has loaded some of these libraries.
            smaller = path.with_suffix(".smaller")
            subprocess.run([str(strip), "--strip-unneeded", "-o", smaller, path], check=True)  # noqa: S603 - found above
            smaller.replace(path)


def remove_models(folder: Path) -> None:
    """Keep the models that the server answers by, and the files that every client of botocore reads."""
    kept = {**SERVICES, **JSON_SERVICES}
    for service in (each for each in folder.iterdir() if each.is_dir()):
        for version in (each for each in service.iterdir() if each.is_dir()):
            if kept.get(service.name) != version.name:
                shutil.rmtree(version)
        if not any(service.iterdir()):
            service.rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
