"""Find the version of a build, from the tag of the release.

Hatchling runs this file for every wheel, source distribution and editable installation (`[tool.hatch.version]` in
pyproject.toml). It needs Python and git only. A source distribution contains its version in PKG-INFO, so this file
does not run there. The sources, and the versions that they give:

| the tree is | version |
| --- | --- |
| a clean checkout of the tag v0.2.0 | 0.2.0 |
| a checkout 5 commits after the tag v0.2.0 | 0.2.1.dev5+g1a2b3c4d |
| a checkout without a tag, shallow or not | 0.2.0.dev0+g1a2b3c4d, of NEXT |
| a checkout with changes that are not committed | the same as a development version, with `.dirty` at its end |
| an archive made by `git archive`, of a tag or of another commit | as for the checkout |
| a tree without git and without these | 0.2.0.dev0, of NEXT |

DAYPASS_VERSION in the environment replaces all of them, for packagers who build from another archive.
"""

import os
import re
import subprocess
from pathlib import Path

# The release that this tree leads to, until its tag exists. Change it after each release (docs/releasing.md).
NEXT = "0.2.0"
_ROOT = Path(__file__).resolve().parents[1]
_ARCHIVED = ".git_archival.txt"
_TAG = re.compile(r"v(\d+\.\d+\.)(\d+)(?:(a|b|rc)(\d+))?")
# git describe --long: the tag, the number of commits after it, and the commit.
_DESCRIBED = re.compile(r"(v[^-]+)-(\d+)-g([0-9a-f]+)(-dirty)?")


def find_version(root: Path = _ROOT) -> str:
    """Return the version of a tree, as PEP 440 spells it."""
    given = os.environ.get("DAYPASS_VERSION")
    return given or _of_checkout(root) or _of_archive(root) or f"{NEXT}.dev0"


def _of_checkout(root: Path) -> str | None:
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return None  # The tree is unpacked inside of somebody's repository, whose tags are not ours.
    described = _git(root, "describe", "--tags", "--long", "--dirty", "--abbrev=8", "--match", "v[0-9]*")
    found = _of_description(described or "")
    if found is not None:
        return found
    commit = _git(root, "describe", "--always", "--dirty", "--abbrev=8", "--exclude", "*")
    return None if commit is None else f"{NEXT}.dev0+g{commit.replace('-', '.')}"


def _of_archive(root: Path) -> str | None:
    """Return the version that `git archive` wrote; .gitattributes lets it fill in the file."""
    try:
        lines = (root / _ARCHIVED).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    values = dict(line.split(": ", 1) for line in lines if ": " in line)
    describe, commit = values.get("describe", ""), values.get("commit", "")
    if _TAG.fullmatch(describe):
        return describe.removeprefix("v")
    found = _of_description(describe)
    if found is not None:
        return found
    return f"{NEXT}.dev0+g{commit}" if re.fullmatch("[0-9a-f]+", commit) else None


def _of_description(described: str) -> str | None:
    match = _DESCRIBED.fullmatch(described)
    tag = match and _TAG.fullmatch(match[1])
    if match is None or tag is None:
        return None
    _, distance, commit, dirty = match.groups()
    if distance == "0" and not dirty:
        return tag[0].removeprefix("v")
    return f"{_after(tag)}.dev{distance}+g{commit}{'.dirty' if dirty else ''}"


def _after(tag: re.Match[str]) -> str:
    """Return the release that commits after a tag lead to. Their versions sort after the tag's."""
    series, patch, kind, number = tag.groups()
    if kind:
        return f"{series}{patch}{kind}{int(number) + 1}"
    following = f"{series}{int(patch) + 1}"
    return max(following, NEXT, key=lambda version: [int(part) for part in version.split(".")])


def _git(root: Path, *words: str) -> str | None:
    """Return what git prints, or None if it fails or is not installed."""
    command = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    print(find_version())  # the Makefile and .ci/release read it
