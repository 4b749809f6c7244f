"""Every addition of AWS to a service model needs a decision, or the suite fails."""

import ast
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect
from tests.project.model_drift import INSTALLED, SERVED, Served, all_differences, differences, load_model

from daypass.errors import ValidationError
from daypass.operations import operation
from daypass.operations.registry import full_registry
from daypass.wire.catalog import Catalog
from daypass.wire.model import read_service

_OPERATIONS = Path(operation.__file__).parent


def test_every_operation_and_member_of_the_installed_models_is_decided() -> None:
    """Perform or refuse each operation; declare, ignore or refuse each member.

    `make lock` asks the newest release.
    """
    assert all_differences() == []


@pytest.fixture(params=SERVED, ids=lambda served: served.service)
def served(request: pytest.FixtureRequest) -> Served:
    """Return each served model."""
    found: Served = request.param
    return found


@pytest.fixture
def model(served: Served) -> dict[str, Any]:
    """Return a copy of the model that a test may change."""
    return deepcopy(dict(load_model(served, INSTALLED)))


def test_a_new_operation_is_a_difference(served: Served, model: dict[str, Any]) -> None:
    """It has to be performed, or refused by name."""
    model["operations"]["GetNews"] = {"name": "GetNews"}
    assert [line for line in differences(served, model) if f"{served.service}:GetNews is new" in line]


def test_a_new_member_is_a_difference_wherever_it_stands(served: Served, model: dict[str, Any]) -> None:
    """This covers the input itself and each structure below it, in lists and maps too."""
    shapes = model["shapes"]
    for shape in shapes.values():
        if shape["type"] == "structure":
            shape["members"]["News"] = {"shape": "News"}
    shapes["News"] = {"type": "string"}
    found = "\n".join(differences(served, model))
    for action, declared in served.operations.items():
        if declared is not None and "input" in model["operations"][action]:
            assert f"{served.service}:{action} has the new member News." in found
    nested = {"sts": "AssumeRole has the new member Tags.News.", "iam": "CreateUser has the new member Tags.News."}
    assert nested.get(served.service, "") in found


def test_a_new_value_of_an_enumeration_is_a_difference(served: Served, model: dict[str, Any]) -> None:
    """An operation that does not know it would confuse it with another."""
    names = [name for name, shape in model["shapes"].items() if "enum" in shape]
    for name in names:
        model["shapes"][name]["enum"].append("News")
    if served.service == "iam":
        assert any("UpdateAccessKey has other values of Status" in line for line in differences(served, model))


def test_a_new_value_of_an_enumeration_is_refused() -> None:
    """A value of a newer model is not accepted without an operation that knows it."""
    newer = json.loads(json.dumps(load_model(SERVED[1], INSTALLED)))
    newer["shapes"]["policyScopeType"]["enum"].append("News")
    found = Catalog({"iam": read_service("iam", json.dumps(newer).encode())}).find("ListPolicies", "2010-05-08")
    assert found.parse({"Scope": "Local"}) == {"Scope": "Local"}
    with pytest.raises(ValidationError, match="News"):
        found.parse({"Scope": "News"})


def test_a_decision_about_what_is_gone_is_a_difference(served: Served, model: dict[str, Any]) -> None:
    """A decision about a member that the model lacks would hide a wrong name."""
    for shape in model["shapes"].values():
        shape.get("members", {}).pop("DurationSeconds", None)
        shape.get("members", {}).pop("UserName", None)
        shape.get("members", {}).pop("clientName", None)
        shape.get("members", {}).pop("roleName", None)
        shape.get("members", {}).pop("codeVerifier", None)
    if not any(served.operations.values()):
        model["operations"].popitem()
    assert any("in the model" in line for line in differences(served, model))


def _structs(type_: inspect.Type) -> Iterator[inspect.StructType]:
    if isinstance(type_, inspect.StructType):
        yield type_
        for field in type_.fields:
            yield from _structs(field.type)
    for inner in (*getattr(type_, "types", ()), *([type_.item_type] if hasattr(type_, "item_type") else ())):
        yield from _structs(inner)


def test_a_declared_member_is_read() -> None:
    """A struct declares a member by its field, thus a field that no operation reads would drop the member silently."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in _OPERATIONS.rglob("*.py")]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    registry = full_registry()
    found = [registry.find(*name.split(":")) for name in registry.names()]
    taken = [one.takes for one in found if one.declared is not None]  # type: ignore[attr-defined]
    fields = {field.name for takes in taken for struct in _structs(inspect.type_info(takes)) for field in struct.fields}
    # AssumeRoleWithWebIdentity reads its token separately, AssumeRole refuses every context assertion, and the
    # description of GetScopedCredentials is for the audit event alone.
    assert fields - read == {"web_identity_token", "context_assertion", "scoped_session_description"}
