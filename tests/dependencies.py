"""The dependencies that pyproject.toml declares, and their modules.

Owns reading the declarations and finding the transitive requirements. The environment of the tests has every extra, so
that each of them can be resolved here.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
# The packages and modules of Daypass that a client-only installation can import.
CLIENT_PACKAGES = frozenset(
    {
        "arn",
        "background",
        "base64url",
        "bounded_memory",
        "cli",
        "client",
        "errors",
        "key_files",
        "keyed_hash",
        "policy",
        "strict_json",
        "verify",
    }
)
# Parts of the server's packages that belong to the client too: daypass.verify checks signatures with them.
CLIENT_PARTS = frozenset({"authenticate.sigv4", "wire.http"})


def is_in_the_client(module: str) -> bool:
    """Return whether a client-only installation can import a module of Daypass, such as `policy.evaluate`."""
    if module.partition(".")[0] in CLIENT_PACKAGES:
        return True
    return any(f"{part}.".startswith(f"{module}.") or module.startswith(f"{part}.") for part in CLIENT_PARTS)


def canonical(name: str) -> str:
    """Return the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str = "") -> Iterator[Requirement]:
    """Yield the requirements of an extra, including those of nested extras.

    Without a name, these are the requirements of every installation.
    """
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["optional-dependencies"][extra] if extra else project["dependencies"]:
        requirement = Requirement(line)
        if requirement.name == "daypass":
            for other in requirement.extras:
                yield from declared(other)
        else:
            yield requirement


def declared_extras() -> frozenset[str]:
    """Return the names of the extras."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return frozenset(project["optional-dependencies"])


def everything_of(requirements: Iterable[Requirement]) -> frozenset[str]:
    """Return the canonical names of all distributions that these need."""
    found: set[str] = set()
    waiting = [each for each in requirements if _applies(each, {""})]
    while waiting:
        requirement = waiting.pop()
        if canonical(requirement.name) in found:
            continue
        found.add(canonical(requirement.name))
        extras = {"", *requirement.extras}
        further = map(Requirement, metadata.requires(requirement.name) or ())
        waiting += [each for each in further if _applies(each, extras)]
    return frozenset(found)


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def modules_of(distributions: Iterable[str]) -> frozenset[str]:
    """Return the top-level modules that these distributions install."""
    wanted = {canonical(name) for name in distributions}
    found = metadata.packages_distributions().items()
    return frozenset(module for module, owners in found if wanted & set(map(canonical, owners)))
