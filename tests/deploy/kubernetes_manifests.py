"""The manifests of packaging/kubernetes, as kustomize composes them.

Owns the composition with the real program, and the choice of a document. Leaves rules to the tests.
"""

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.components import find_program

FOLDER = Path(__file__).parents[2] / "packaging/kubernetes"
COMPOSITIONS = ("base", "overlays/production", "overlays/single-node")
WORKLOADS = (
    ("base", "daypass"),
    ("overlays/production", "daypass"),
    ("overlays/production", "daypass-gateway"),
    ("overlays/single-node", "daypass"),
)


@cache
def composed(folder: str) -> Sequence[Any]:
    """Return the documents of a base or an overlay. kubectl contains kustomize."""
    program = find_program("kubectl")
    assert program is not None
    words = [program, "kustomize", str(FOLDER / folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return tuple(yaml.safe_load_all(done.stdout))


def named(folder: str, kind: str, name: str) -> Any:
    """Return the one document of a kind with a name. The name of a generated ConfigMap has a digest at its end."""
    found = [
        each
        for each in composed(folder)
        if each["kind"] == kind
        and (each["metadata"]["name"] == name or (kind == "ConfigMap" and each["metadata"]["name"][:-11] == name))
    ]
    assert len(found) == 1, f"{len(found)} of {kind} {name} in {folder}"
    return found[0]


def container(folder: str, name: str) -> Any:
    """Return the only container of a Deployment."""
    (found,) = named(folder, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return found
