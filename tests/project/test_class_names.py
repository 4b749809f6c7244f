"""Class names: one search finds one definition, and the name of an exception says that it is one."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from daypass import errors
from daypass.wire import rest_faults

_ROOT = Path(__file__).parents[2]
_AWS_CODES = ("src/daypass/errors.py", "src/daypass/wire/rest_faults.py")

# Name -> why it neither ends in Error nor is an error code.
_OTHER_EXCEPTIONS: dict[str, str] = {
    "Fault": "the base of the error codes, named as SOAP and botocore name it",
    "JsonFault": "the base of the error codes of the services with JSON bodies",
    "SenderFault": "the base of the error codes that the caller is to blame for",
    "ServiceNotSupported": "IAM's shape is ServiceNotSupportedException, and its code is NotSupportedService",
}


@cache
def _classes() -> Sequence[tuple[str, ast.ClassDef]]:
    """Return the path and the definition of each class, nested and private ones too."""
    return [
        (str(path.relative_to(_ROOT)), node)
        for path in sorted((_ROOT / "src/daypass").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]


def _base_names(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        yield plain.attr if isinstance(plain, ast.Attribute) else getattr(plain, "id", "")


def _is_known_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return name.endswith(("Error", "Exception")) or (isinstance(found, type) and issubclass(found, BaseException))


def _exceptions() -> dict[str, str]:
    """Return the name and the path of each exception, found through its bases."""
    classes = [(path, node.name, tuple(_base_names(node))) for path, node in _classes()]
    found: dict[str, str] = {}
    while True:
        more = {
            name: path
            for path, name, bases in classes
            if name not in found and any(base in found or _is_known_exception(base) for base in bases)
        }
        if not more:
            return found
        found |= more


def _is_error_code(name: str) -> bool:
    code = getattr(getattr(errors, name, getattr(rest_faults, name, None)), "code", "")
    return code in (name, f"{name}Exception")


def test_a_class_name_is_defined_once() -> None:
    """A search for a class name gives one definition, among private and nested classes too."""
    places = defaultdict(list)
    for path, node in _classes():
        places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_an_exception_ends_in_error_unless_it_is_an_error_code() -> None:
    """The name of an exception ends in Error; AWS's error codes keep the names that AWS gave them."""
    others = {
        name: path
        for name, path in _exceptions().items()
        if not name.endswith("Error") and not (path in _AWS_CODES and _is_error_code(name))
    }
    assert {name: path for name, path in others.items() if name not in _OTHER_EXCEPTIONS} == {}
    assert _OTHER_EXCEPTIONS.keys() <= others.keys(), "a name in the table is needed no longer: remove its row"


def test_the_search_for_exceptions_finds_them() -> None:
    """The search follows bases through the package: a subclass of a subclass of Fault is an exception too."""
    assert {"Fault", "AccessDenied", "StoreUnavailableError", "KeyNotFoundError"} <= _exceptions().keys()
