"""The trusted identity propagation of a provider in the file.

Pure. Owns the shape `contextProvider`, whose members are those of AWS's ContextProvider, and its other forms: those of
a stored provider, of a call and of an answer. Leaves the rules of the values to IAM's actions, except those that the
schema can express.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daypass.apply.file.nodes import ApplyFileError, FilePosition, LocatedValue
from daypass.apply.file.shapes import Field, Fields, StringShape, describe
from daypass.directory.entities.propagation_entities import ContextProvider

_CHARACTERS = r"[A-Za-z0-9_.:/=+@#-]+"
_KEY = StringShape("the name of a claim, an attribute or a key", rf"{_CHARACTERS}(?: {_CHARACTERS})*", 128)
_DEFINITION = Fields(
    {
        "sourceKey": Field(_KEY, "The claim or attribute.", required=True),
        "targetKey": Field(_KEY, "The name of the key; by default that of the claim."),
    }
)
_LIST = "keyDefinitionList"


@dataclass(frozen=True, slots=True)
class KeyDefinitions:
    """The list of further claims."""

    most: int = 10

    def read(self, node: LocatedValue, place: FilePosition) -> list[dict[str, str]]:
        """Return the definitions as plain values."""
        if not isinstance(node.value, list):
            raise ApplyFileError(place, f"expected a list, but this is {describe(node)}")
        if len(node.value) > self.most:
            raise ApplyFileError(place, f"at most {self.most} keys are allowed")
        return [
            dict(_DEFINITION.read(element, place.of(index, element)).given) for index, element in enumerate(node.value)
        ]

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": "array", "items": _DEFINITION.schema(), "maxItems": self.most}


_PROVIDER = Fields(
    {
        "subjectSourceKey": Field(
            _KEY,
            "The claim or attribute with the subject; Subject/NameID is the NameID of an assertion.",
            required=True,
        ),
        "subjectTypeValue": Field(StringShape("a type of subject", "", 128), "The type of every subject."),
        "subjectTypeSourceKey": Field(_KEY, "The claim or attribute with the type, instead of a constant."),
        _LIST: Field(KeyDefinitions(), "Further claims or attributes that become condition keys."),
    }
)


@dataclass(frozen=True, slots=True)
class ContextProviderShape:
    """The claims or attributes that the sessions of a provider carry."""

    def read(self, node: LocatedValue, place: FilePosition) -> dict[str, Any]:
        """Return the members as plain values. An empty list counts as absent."""
        given = dict(_PROVIDER.read(node, place).given)
        if "subjectTypeValue" in given and "subjectTypeSourceKey" in given:
            raise ApplyFileError(place, "write either subjectTypeValue or subjectTypeSourceKey, but not both")
        if not given.get(_LIST):
            given.pop(_LIST, None)
        return given

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return _PROVIDER.schema()


def stored_context_provider(provider: ContextProvider | None) -> dict[str, Any] | None:
    """Return the value of a stored provider, as the file has it."""
    if provider is None:
        return None
    value: dict[str, Any] = {"subjectSourceKey": provider.subject_source_key}
    if provider.subject_type_value is not None:
        value["subjectTypeValue"] = provider.subject_type_value
    if provider.subject_type_source_key:
        value["subjectTypeSourceKey"] = provider.subject_type_source_key
    if provider.key_definitions:
        value[_LIST] = [
            {"sourceKey": one.source_key, **({"targetKey": one.target_key} if one.target_key else {})}
            for one in provider.key_definitions
        ]
    return value


def answered_context_provider(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the value in an answer of AWS about a provider, or None.

    IAM's actions check it.
    """
    given = answer.get("ContextProvider")
    if not isinstance(given, dict):
        return None
    value: dict[str, Any] = _renamed(given)
    if not value.get(_LIST):
        value.pop(_LIST, None)
    return value


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _renamed(member) for name, member in value.items()}
    return [_renamed(element) for element in value] if isinstance(value, list) else value


def as_parameters(value: Any) -> Any:
    """Return the value as the parameters of a call.

    AWS writes the names in pascal case.
    """
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: as_parameters(member) for name, member in value.items()}
    return [as_parameters(element) for element in value] if isinstance(value, list) else value
