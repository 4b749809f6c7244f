"""A release: built from a tag, checked, installed where nothing else is, described, signed and verified."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from tests.dependencies import REPOSITORY, declared, everything_of
from tests.process.daypass import ROOT, clean_environment
from tests.project.test_version import git
from tests.sockets import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_TOOLS = REPOSITORY / "build/release-tools"
_SIGNER = "releases@daypass"


@dataclass(frozen=True)
class Release:
    """A clone with the tag of a release, its files and the key that signed them."""

    tree: Path
    key: Path
    log: str

    @property
    def dist(self) -> Path:
        """The directory of the files."""
        return self.tree / "dist"

    def file(self, pattern: str) -> Path:
        """Return the only file with such a name."""
        (found,) = self.dist.glob(pattern)
        return found


def run(*words: str | Path, cwd: Path, given: bytes = b"", **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a program and return its result."""
    environment = {**clean_environment({}), **more}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, input=given, capture_output=True, check=False
    )


def clone(to: Path) -> Path:
    """Return a clone of this repository with its committed files and the tag of a release."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    git(to.parent, "clone", "-q", "--no-tags", REPOSITORY.as_uri(), str(to))
    git(to, "tag", "v99.1.0")
    return to


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Build a release with `make release`, signed with a throw-away key."""
    folder = tmp_path_factory.mktemp("release")
    tree, key = clone(folder / "tree"), folder / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nobody", "-f", key, cwd=folder)
    tools = str(_TOOLS)
    done = run("make", "-s", "release", cwd=tree, RELEASE_KEY=str(key), RELEASE_TOOLS=tools, PYTHON=sys.executable)
    log = (done.stdout + done.stderr).decode()
    if "dependencies could not be installed" in log:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, log
    return Release(tree, key, log)


def test_the_files_are_those_of_the_tag(release: Release) -> None:
    """The version is in every name, and the command ends with their list."""
    names = {path.name for path in release.dist.iterdir()}
    assert names == {
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "daypass-99.1.0-py3-none-any.whl",
        "daypass-99.1.0.cdx.json",
        "daypass-99.1.0.tar.gz",
    }
    assert "development version" not in release.log
    assert "release: dist/ contains" in release.log


def test_the_wheel_has_the_package_and_no_tests(release: Release) -> None:
    """Every file of src/daypass that git has is in it, templates and migrations included, and no other."""
    tracked = set(git(release.tree, "ls-files", "src/daypass").splitlines())
    with zipfile.ZipFile(release.file("*.whl")) as wheel:
        names = set(wheel.namelist())
        info = {name for name in names if name.startswith("daypass-99.1.0.dist-info/")}
        metadata = wheel.read("daypass-99.1.0.dist-info/METADATA").decode()
        commands = wheel.read("daypass-99.1.0.dist-info/entry_points.txt").decode()
    assert {f"src/{name}" for name in names - info} == tracked
    for part in (
        "py.typed",
        "portal/templates/",
        "portal/assets/",
        "storage/sql/",
        "verify/s3/operations/operations.json",
    ):
        assert any(name.startswith(f"daypass/{part}") for name in names), part
    assert not [name for name in names if "tests/" in name]
    assert "License-Expression: Apache-2.0" in metadata
    assert "Operating System :: Microsoft :: Windows" in metadata
    assert "daypass = daypass.cli.entry:main" in commands


def test_the_source_distribution_is_complete(release: Release, tmp_path: Path) -> None:
    """It has every file of the repository, runs its own tests, and builds the same wheel."""
    with tarfile.open(release.file("*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    assert set(git(release.tree, "ls-files").splitlines()) <= names
    unpacked = tmp_path / "daypass-99.1.0"
    words = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/mint/test_access_keys.py",
        "tests/project/test_version.py",
    )
    tested = run(sys.executable, *words, cwd=unpacked, PYTHONPATH=str(unpacked / "src"))
    assert tested.returncode == 0, tested.stdout.decode()
    epoch = git(release.tree, "log", "-1", "--format=%ct")
    words = ("-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path))
    built = run(_TOOLS / "bin/python", *words, cwd=unpacked, SOURCE_DATE_EPOCH=epoch)
    assert built.returncode == 0, built.stderr.decode()
    assert (tmp_path / "daypass-99.1.0-py3-none-any.whl").read_bytes() == release.file("*.whl").read_bytes()


def test_the_same_commit_gives_the_same_files(release: Release, tmp_path: Path) -> None:
    """Anybody can build the release again, elsewhere, and compare."""
    tree = clone(tmp_path / "again")
    epoch = git(tree, "log", "-1", "--format=%ct")
    built = run(
        _TOOLS / "bin/python",
        "-m",
        "hatchling",
        "build",
        "-t",
        "sdist",
        "-d",
        "dist",
        cwd=tree,
        SOURCE_DATE_EPOCH=epoch,
    )
    assert built.returncode == 0, built.stderr.decode()
    for path in (tree / "dist").iterdir():
        assert path.read_bytes() == (release.dist / path.name).read_bytes(), path.name
    python = release.tree / "build/release-server/bin/python"
    words = (".ci/sbom", python, tmp_path / "sbom.json")
    described = run(_TOOLS / "bin/python", *words, cwd=tree, SOURCE_DATE_EPOCH=epoch)
    assert described.returncode == 0, described.stderr.decode()
    assert (tmp_path / "sbom.json").read_bytes() == release.file("*.cdx.json").read_bytes()


def test_a_user_verifies_the_signature_and_the_sums(release: Release, tmp_path: Path) -> None:
    """The commands of docs/releasing.md accept the files, and refuse changed ones and another person's signature."""
    public = release.key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    signers = tmp_path / "allowed_signers"
    signers.write_text(f'{_SIGNER} namespaces="daypass-release" {public}\n')
    verify = (
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        signers,
        "-I",
        _SIGNER,
        "-n",
        "daypass-release",
        "-s",
        "SHA256SUMS.sig",
    )
    sums = release.dist / "SHA256SUMS"
    good = run(*verify, cwd=release.dist, given=sums.read_bytes())
    assert good.returncode == 0, good.stderr
    assert run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release.dist).returncode == 0
    wheel = release.file("*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in sums.read_text()

    assert run(*verify, cwd=release.dist, given=sums.read_bytes().replace(b"0", b"1", 1)).returncode != 0
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other", cwd=tmp_path)
    other = (tmp_path / "other.pub").read_text()
    signers.write_text(f'{_SIGNER} namespaces="daypass-release" {other}')
    assert run(*verify, cwd=release.dist, given=sums.read_bytes()).returncode != 0
    for path in release.dist.glob("*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes() + b"x")
    assert run("sha256sum", "--check", "--status", "SHA256SUMS", cwd=tmp_path).returncode == 1


def test_the_sbom_lists_the_libraries_of_the_server(release: Release) -> None:
    """It is valid CycloneDX (.ci/sbom checks that), about Daypass, and has no path of the machine that built it."""
    text = release.file("*.cdx.json").read_text()
    document = json.loads(text)
    subject = document["metadata"]["component"]
    assert (document["specVersion"], subject["name"], subject["version"]) == ("1.6", "daypass", "99.1.0")
    names = {each["name"].lower().replace("_", "-") for each in document["components"]}
    assert names == everything_of([*declared(), *declared("server")])
    assert all(each["version"] and each["purl"].startswith("pkg:pypi/") for each in document["components"])
    assert "file:" not in text
    assert str(release.tree) not in text


def test_the_installed_wheel_serves(release: Release, tmp_path: Path) -> None:
    """`daypass serve` of an environment with the wheel and its pinned libraries answers GetCallerIdentity."""
    programs, port = release.tree / "build/release-server/bin", free_port()
    assert run(programs / "daypass", "--version", cwd=tmp_path).stdout == b"daypass 99.1.0\n"
    environment = clean_environment({**ROOT, "HOME": str(tmp_path), "PATH": f"{programs}:/usr/bin:/bin"})
    server = subprocess.Popen(
        ["daypass", "serve", "--port", str(port)], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        assert any('"ready"' in line or " ready" in line for line in server.stderr)
        keys: Mapping[str, str] = {
            "aws_access_key_id": ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"],
            "aws_secret_access_key": ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"],
        }
        sts = boto3.client("sts", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **keys)
        assert sts.get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
    finally:
        server.kill()
        server.communicate(timeout=30)


def test_a_wheelhouse_installs_without_a_network(release: Release, tmp_path: Path) -> None:
    """The commands of docs/installing.md: collect the wheels, and install from the directory alone."""
    download = ("-m", "pip", "download", "-q", "--dest", "wheelhouse", str(release.file("*.whl")))
    collected = run(sys.executable, *download, cwd=tmp_path)
    if collected.returncode:
        pytest.skip(f"pip cannot download: {collected.stderr.decode().strip()[-200:]}")
    run(sys.executable, "-m", "venv", "new", cwd=tmp_path)
    words = ("-m", "pip", "install", "-q", "--no-index", "--find-links", "wheelhouse", "daypass")
    installed = run(tmp_path / "new/bin/python", *words, cwd=tmp_path, PIP_CONFIG_FILE=os.devnull)
    assert installed.returncode == 0, installed.stderr.decode()
    assert run(tmp_path / "new/bin/daypass", "--version", cwd=tmp_path).stdout == b"daypass 99.1.0\n"


def test_pip_builds_from_git(tmp_path: Path) -> None:
    """`pip install git+URL` of a commit without a tag works, and names the commit."""
    tree = clone(tmp_path / "tree")
    git(tree, "tag", "-d", "v99.1.0")
    if os.system(f"{sys.executable} -m pip --version >{os.devnull} 2>&1"):  # noqa: S605 - our own interpreter
        pytest.skip("this environment has no pip")
    words = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), f"git+{tree.as_uri()}")
    built = run(sys.executable, "-m", "pip", *words, cwd=tmp_path)
    assert built.returncode == 0, built.stderr.decode()
    (wheel,) = tmp_path.glob("*.whl")
    assert git(tree, "rev-parse", "--short=8", "HEAD") in wheel.name


def test_a_changed_tree_is_not_released(tmp_path: Path) -> None:
    """A release is made of a commit."""
    tree = clone(tmp_path / "tree")
    (tree / "README.md").write_text("changed")
    done = run(tree / ".ci/release", cwd=tree)
    assert done.returncode == 1
    assert b"the tree has changes" in done.stderr
