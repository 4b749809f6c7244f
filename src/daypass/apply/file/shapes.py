"""The shapes of values in the file.

Pure. Owns the kinds of values. One definition makes both the parser and the JSON Schema. Leaves the position of each
shape to schema.py.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from daypass.apply.file.nodes import ApplyFileError, FilePosition, LocatedValue
from daypass.apply.file.secret_names import SECRET_NAME, SecretReference
from daypass.policy.language.document_text import read_json
from daypass.policy.language.saved_documents import LEADING_SPACE, has_leading_space

_NOUNS = {str: "a string", bool: "true or false", int: "a whole number", list: "a list", dict: "a mapping"}


class ValueShape(Protocol):
    """One kind of value."""

    def read(self, node: LocatedValue, place: FilePosition) -> Any:
        """Return the plain value. Raises ApplyFileError."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        ...


def describe(node: LocatedValue) -> str:
    """Return the type of a node, in a word."""
    if node.value is None:
        return "nothing"
    return _NOUNS.get(type(node.value), "a number")


def _wanted(place: FilePosition, noun: str, node: LocatedValue) -> ApplyFileError:
    if node.value is None:
        return ApplyFileError(place, f"expected {noun}, but the value is empty; write a value or remove the key")
    return ApplyFileError(place, f"expected {noun}, but this is {describe(node)}")


@dataclass(frozen=True, slots=True)
class StringShape:
    """A string. `noun` names its meaning; `pattern` must match all of it."""

    noun: str = "a text"
    pattern: str = ""
    most: int = 4096
    digits: bool = False

    def read(self, node: LocatedValue, place: FilePosition) -> str:
        """Return the string.

        Accepts a number if the pattern allows only digits, such as an account id.
        """
        value = node.value
        if self.digits and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            if isinstance(value, dict) and set(value) == {"secret"}:
                raise ApplyFileError(place, "a secret is not allowed here: use it only in secret fields")
            raise _wanted(place, self.noun, node)
        if len(value) > self.most:
            raise ApplyFileError(place, f"{self.noun} has at most {self.most} characters")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ApplyFileError(place, f"expected {self.noun}, but {value[:80]!r} is not valid")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        shape: dict[str, Any] = {"type": "string", "maxLength": self.most}
        if self.pattern:
            shape["pattern"] = f"^(?:{self.pattern})$"
        return shape


@dataclass(frozen=True, slots=True)
class ChoiceShape:
    """One of a few strings."""

    of: tuple[str, ...]

    def read(self, node: LocatedValue, place: FilePosition) -> str:
        """Return the string."""
        if node.value not in self.of:
            raise ApplyFileError(place, f"expected one of {', '.join(self.of)}")
        value: str = node.value
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"enum": list(self.of)}


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    least: int
    most: int

    def read(self, node: LocatedValue, place: FilePosition) -> int:
        """Return the number."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wanted(place, "a whole number", node)
        if not self.least <= value <= self.most:
            raise ApplyFileError(place, f"expected a number from {self.least} to {self.most}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, node: LocatedValue, place: FilePosition) -> bool:
        """Return the boolean."""
        if not isinstance(node.value, bool):
            raise _wanted(place, "true or false", node)
        return node.value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of unique strings of one shape."""

    element: StringShape

    def read(self, node: LocatedValue, place: FilePosition) -> list[Any]:
        """Return the values."""
        if not isinstance(node.value, list):
            raise _wanted(place, "a list", node)
        found: dict[Any, None] = {}
        for index, element in enumerate(node.value):
            at = place.of(index, element)
            value = self.element.read(element, at)
            if value in found:
                raise ApplyFileError(at, "this value is in the list twice")
            found[value] = None
        return list(found)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {"type": "array", "items": self.element.schema(), "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with free names.

    Only keys of tags may differ in case alone.
    """

    name: StringShape
    value: ValueShape
    folded: bool = False

    def read(self, node: LocatedValue, place: FilePosition) -> dict[str, Any]:
        """Return the values by name."""
        if not isinstance(node.value, dict):
            raise _wanted(place, "a mapping", node)
        found: dict[str, Any] = {}
        seen: dict[str, str] = {}
        for name, member in node.value.items():
            at = place.of(name, member)
            self.name.read(LocatedValue(name), at)
            folded = name.lower() if self.folded else name
            if folded in seen:
                raise ApplyFileError(at, f"this name and {seen[folded]!r} differ only in case, which does not count")
            seen[folded] = name
            found[name] = self.value.read(member, at)
        return found

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        names = {name: rule for name, rule in self.name.schema().items() if name != "type"}
        return {"type": "object", "propertyNames": names, "additionalProperties": self.value.schema()}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a mapping with fixed names: its shape and its purpose."""

    shape: ValueShape
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """The given members, with the place of each and of the whole mapping."""

    given: Mapping[str, Any]
    place: FilePosition
    places: Mapping[str, FilePosition]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with fixed names."""

    of: Mapping[str, Field]
    about: str = ""

    def read(self, node: LocatedValue, place: FilePosition) -> Located:
        """Return the given members."""
        if not isinstance(node.value, dict):
            raise _wanted(place, "a mapping", node)
        given: dict[str, Any] = {}
        places: dict[str, FilePosition] = {}
        for name, member in node.value.items():
            at = place.of(name, member)
            if name not in self.of:
                raise ApplyFileError(at, f"unknown field; the fields here are {', '.join(self.of)}")
            given[name], places[name] = self.of[name].shape.read(member, at), at
        for name, member_field in self.of.items():
            if member_field.required and name not in given:
                raise ApplyFileError(place, f"{name} is missing")
        return Located(given, place, places)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        shape: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"description": one.about, **one.shape.schema()} for name, one in self.of.items()},
        }
        required = [name for name, one in self.of.items() if one.required]
        return shape | ({"required": required} if required else {})


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy: a mapping of the policy language, or its JSON in a string.

    The policy language validates it.
    """

    def read(self, node: LocatedValue, place: FilePosition) -> dict[str, Any]:
        """Return the policy as plain values."""
        if isinstance(node.value, str):
            return _from_text(node.value, place)
        if not isinstance(node.value, dict):
            raise _wanted(place, "a policy document", node)
        if "Statement" not in node.value:
            raise ApplyFileError(place, "the policy document has no Statement")
        plain: dict[str, Any] = plain_values(node)
        return plain

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {
            "anyOf": [
                {"type": "string", "description": "The policy's JSON, as a string."},
                {
                    "type": "object",
                    "required": ["Statement"],
                },
            ]
        }


def _from_text(text: str, place: FilePosition) -> dict[str, Any]:
    if has_leading_space(text):
        # IAM refuses it too; a file of Terraform's or the AWS CLI's should not differ here.
        raise ApplyFileError(place, f"{LEADING_SPACE}: remove the white space before the policy")
    try:
        read_json(text)  # limits length and depth, and refuses duplicate keys
        value = json.loads(text)
    except ValueError as error:
        raise ApplyFileError(place, f"this string is not the JSON of a policy: {error}") from error
    if not isinstance(value, dict):
        raise ApplyFileError(place, "this string is not the JSON of a policy: it is not an object")
    return value


def plain_values(node: LocatedValue) -> Any:
    """Return the values without their places."""
    if isinstance(node.value, dict):
        return {name: plain_values(member) for name, member in node.value.items()}
    if isinstance(node.value, list):
        return [plain_values(element) for element in node.value]
    return node.value


@dataclass(frozen=True, slots=True)
class SecretShape:
    """A reference to a secret: `{secret: NAME}`."""

    allowed: StringShape = field(default_factory=lambda: StringShape("the name of a secret", SECRET_NAME, 64))

    def read(self, node: LocatedValue, place: FilePosition) -> SecretReference:
        """Return the reference.

        Messages never repeat the value: it may be a secret.
        """
        if not isinstance(node.value, dict) or set(node.value) != {"secret"}:
            raise ApplyFileError(
                place,
                "a secret must not be in the file: write {secret: NAME}, and set it in DAYPASS_SECRET_NAME "
                "or in the file NAME of --secrets-dir",
            )
        named = node.value["secret"]
        if not isinstance(named.value, str) or not re.fullmatch(SECRET_NAME, named.value):
            raise ApplyFileError(
                place, "the name of a secret has letters, digits and underscores, and begins with a letter"
            )
        return SecretReference(named.value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return {
            "type": "object",
            "additionalProperties": False,
            "required": ["secret"],
            "properties": {"secret": self.allowed.schema()},
        }
