"""Compare AWS's service models with the operations and members that the server declares.

Owns the list of served models. A model's operation must be performed or refused by name, and each member of the input
of a performed operation must be declared, ignored with a reason, or refused with a reason. Everything else in a newer
model is a difference, until it is decided.

`python -m tests.project.model_drift [DATA]` compares the models below DATA, a `data` folder of botocore, or the
installed ones. It prints the differences and fails if there are any.
"""

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore

from daypass.operations.declared import IGNORED_MEMBERS, REFUSED_MEMBERS
from daypass.operations.registry import full_registry
from daypass.sso.operations import ACTIONS, REFUSED_ACTIONS, REFUSED_REST_MEMBERS, declared_members
from daypass.wire.model import JSON_SERVICES, SERVICES, VALUES
from daypass.wire.supported import Declared

INSTALLED = Path(botocore.__file__).parent / "data"

Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """One service model that the server implements.

    `operations` has each operation that is performed or refused by name, with its declared members. None means that the
    operation is not implemented, so that its members need no decision.
    """

    service: str
    version: str
    operations: Mapping[str, Declared | None]


def _from_registry(service: str) -> Served:
    registry = full_registry()
    names = [name.partition(":") for name in registry.names()]
    declared = {action: registry.find(owner, action).declared for owner, _, action in names if owner == service}
    return Served(service, SERVICES[service], declared)


def _from_actions(service: str) -> Served:
    """Return the row of a service with JSON bodies."""
    refused: dict[str, Declared | None] = {action: None for owner, action in REFUSED_ACTIONS if owner == service}
    performed = {one.name: declared_members(one) for one in ACTIONS if one.service == service}
    return Served(service, JSON_SERVICES[service], refused | performed)


# A service with another protocol is one more row: its name in botocore, its version, and its declarations.
SERVED: tuple[Served, ...] = (*map(_from_registry, SERVICES), *map(_from_actions, JSON_SERVICES))


def load_model(served: Served, data: Path) -> Model:
    """Return the service model that botocore contains."""
    path = data / served.service / served.version / "service-2.json.gz"
    model: Model = json.loads(gzip.decompress(path.read_bytes()))
    return model


def differences(served: Served, model: Model) -> Iterator[str]:
    """Yield undecided parts of the model, and decisions about parts that the model lacks."""
    for action in sorted(model["operations"].keys() - served.operations.keys()):
        yield f"{served.service}:{action} is new. Perform it, or refuse it with a reason."
    for action in sorted(served.operations.keys() - model["operations"].keys()):
        yield f"{served.service}:{action} is not in the model."
    for action, declared in served.operations.items():
        if declared is not None and action in model["operations"]:
            yield from _members(served.service, action, model, declared)


def _members(service: str, action: str, model: Model, declared: Declared) -> Iterator[str]:
    ref = model["operations"][action].get("input")
    paths = dict(_paths(model["shapes"], ref["shape"])) if ref else {}
    known = set(paths)
    ours = set(_declared_paths(declared))
    every = (*REFUSED_MEMBERS, *REFUSED_REST_MEMBERS)
    refused = {path for owner, of, path in every if (owner, of) == (service, action)}
    ignored = {path for owner, of, path in IGNORED_MEMBERS if (owner, of) == (service, action)}
    for path in sorted(known - ours):
        if not any(path == one or path.startswith(f"{one}.") for one in refused):
            yield f"{service}:{action} has the new member {path}. Declare it, or refuse it with a reason."
    for path in sorted((ours | refused | ignored) - known):
        yield f"{service}:{action} has no member {path} in the model."
    for path, name in sorted(paths.items()):
        values = model["shapes"][name].get("enum")
        if path in ours and values and set(values) != set(VALUES.get((service, name), ())):
            yield f"{service}:{action} has other values of {path} than VALUES in wire/model.py: {values}."
    for path in sorted(refused & ours):
        yield f"{service}:{action} both declares and refuses {path}."


def _paths(
    shapes: Mapping[str, Any], name: str, prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield each member below a shape: its path and its shape.

    The elements of lists and maps do not extend a path.
    """
    shape = shapes[name]
    if name in above:
        return
    for member, ref in shape.get("members", {}).items():
        yield f"{prefix}{member}", _innermost(shapes, ref["shape"])
        yield from _paths(shapes, ref["shape"], f"{prefix}{member}.", (*above, name))
    for element in (shape.get("member"), shape.get("value")):
        if element:
            yield from _paths(shapes, element["shape"], prefix, (*above, name))


def _innermost(shapes: Mapping[str, Any], name: str) -> str:
    """Return the shape of a list's elements, of their elements, and so on."""
    while shapes[name]["type"] == "list":
        name = shapes[name]["member"]["shape"]
    return name


def _declared_paths(declared: Declared, prefix: str = "") -> Iterator[str]:
    for member, inner in declared.items():
        yield f"{prefix}{member}"
        yield from _declared_paths(inner, f"{prefix}{member}.")


def newest_version(service: str, data: Path) -> str:
    """Return the newest version of a service's API in botocore."""
    return max(folder.name for folder in (data / service).iterdir() if folder.name[:1].isdigit())


def all_differences(data: Path = INSTALLED) -> list[str]:
    """Return the differences of every served model, new versions of its API included."""
    found = []
    for served in SERVED:
        newest = newest_version(served.service, data)
        if newest != served.version:
            found.append(f"{served.service} has the new version {newest}.")
        found += differences(served, load_model(served, data))
    return found


if __name__ == "__main__":
    sys.exit("\n".join(all_differences(*map(Path, sys.argv[1:2]))) or None)
