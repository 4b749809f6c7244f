"""The values of the gateway and of daypass.verify never show what they hold.

The test finds every class of these packages by itself, so that a new one is tested too.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

import daypass.gateway
import daypass.resource_server
import daypass.verify

CANARY = "canary-4f1c9d2e7a"
_WORDS = ("secret", "token", "key", "signature", "credential", "password", "salt", "head")
# Names with one of the words that do not hold a secret: ids, names of objects, files, answers, and parts whose values
# hide themselves.
_HARMLESS = frozenset({"access_key_id", "resource_keys", "signed_headers", "required_headers", "keychain"})
_HARMLESS_OF = frozenset(
    {
        ("BackendAddress", "key"),
        ("BackendSetting", "key_file"),
        ("BodyPlan", "headers"),
        ("CopySource", "header"),
        ("CopySource", "key"),
        ("Forward", "is_head"),
        ("GatewaySettings", "tls_key"),
        ("HeadForm", "head"),
        ("JudgeParts", "keys"),
        ("JudgeParts", "signature"),
        ("LocalAnswer", "headers"),
        ("ObjectToDelete", "key"),
        ("OriginalRequest", "head"),
        ("PassAnswer", "headers"),
        ("PostAnswer", "headers"),
        ("Respond", "headers"),
        ("S3Operation", "headers"),
        ("StoreBucketPage", "token"),
        ("StoreHead", "headers"),
        ("StoreProfile", "keys"),
        ("TlsFiles", "key"),
        ("TransferLimits", "head_seconds"),
        ("TransferLimits", "last_head_seconds"),
    }
)


def _classes() -> Iterator[type]:
    for package in (daypass.gateway, daypass.verify, daypass.resource_server):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if found.__module__ == module.name and _fields(found):
                    yield found


def _fields(found: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(found):
        return tuple(field.name for field in dataclasses.fields(found))
    return found.__struct_fields__ if issubclass(found, msgspec.Struct) else ()


def _secret_fields(found: type) -> list[str]:
    return [
        name
        for name in _fields(found)
        if any(word in name for word in _WORDS) and name not in _HARMLESS and (found.__name__, name) not in _HARMLESS_OF
    ]


HOLDERS = sorted({found for found in _classes() if _secret_fields(found)}, key=lambda found: found.__qualname__)


def test_the_classes_are_found() -> None:
    """The test below is not empty by a mistake of the search."""
    assert {"KeyClaim", "RequestHead", "VerifiedRequest", "BackendKey", "GrantAnswer", "_StaticKey", "_Grant"} <= {
        found.__name__ for found in HOLDERS
    }


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda found: found.__name__)
def test_a_secret_is_not_in_any_representation(holder: Any) -> None:
    """Neither repr(), nor str(), nor the pretty print of rich, which its tracebacks use."""
    values: dict[str, Any] = dict.fromkeys(_secret_fields(holder), (CANARY,))
    empty = {name: "" if kind is str else b"" for name, kind in holder.__annotations__.items()}
    value = holder(**{name: values.get(name, empty.get(name, b"")) for name in _fields(holder)})
    for shown in (repr(value), str(value), f"{value}", pretty_repr(value)):
        assert CANARY not in shown
