"""Write docs/api-verify.md and docs/api-testing.md: the public Python names, with their docstrings.

Owns the form of both pages. Signatures and words come from the code. Methods are listed with their class. The examples
run in the tests of each package. `.venv/bin/python -m tests.project.api_page` writes the pages.
"""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from enum import EnumType
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

import daypass.verify

_DOCS = Path(__file__).parents[2] / "docs"
VERIFY_PAGE = _DOCS / "api-verify.md"
TESTING_PAGE = _DOCS / "api-testing.md"

_VERIFY_HEAD = """\
# The Python API `daypass.verify`

Verify and decide about signed requests in a Python service. [verify.md](verify.md) explains it with services that run; this page lists
the names. The page is generated from the code: `.venv/bin/python -m tests.project.generated_pages`.
"""

_TESTING_HEAD = """\
# The Python API `daypass.testing`

Run a server, identity providers and a movable clock in tests. [testing.md](testing.md) explains the fixtures; this page lists the
names of each module. The page is generated from the code: `.venv/bin/python -m tests.project.generated_pages`.
"""

# Modules beside the package itself, and their public names.
_VERIFY_MODULES: Mapping[str, tuple[str, ...]] = {
    "daypass.verify.asgi": ("Middleware",),
    "daypass.verify.wsgi": ("Middleware",),
    "daypass.verify.remote": ("RemoteKeys",),
}
TESTING_MODULES = (
    "aws_environment",
    "boto3_clock",
    "certificates",
    "client_factory",
    "clock",
    "oidc",
    "oidc_sign_in",
    "plugin",
    "saml",
    "saml_forge",
    "saml_idp",
    "server",
    "settings",
    "tokens",
)


_LONG = 40  # characters


class _Omitted:
    def __repr__(self) -> str:
        return "…"


def verify_page() -> str:
    """Return the content of docs/api-verify.md."""
    parts = [_VERIFY_HEAD, "## daypass.verify\n"]
    for name in daypass.verify.__all__:
        parts += _entry(name, getattr(daypass.verify, name))
    for module, names in _VERIFY_MODULES.items():
        parts += [f"## {module}\n"]
        for name in names:
            parts += _entry(name, getattr(importlib.import_module(module), name))
    return "\n".join(parts)


def testing_page() -> str:
    """Return the content of docs/api-testing.md."""
    parts = [_TESTING_HEAD]
    for name in TESTING_MODULES:
        module = importlib.import_module(f"daypass.testing.{name}")
        public = [
            (key, value)
            for key, value in vars(module).items()
            if not key.startswith("_")
            and getattr(value, "__module__", "") == module.__name__
            and (inspect.isclass(value) or inspect.isfunction(value))
        ]
        if not public:
            continue
        parts += [f"## daypass.testing.{name}\n", *_markdown(module.__doc__ or "")]
        for key, value in public:
            parts += _entry(key, value)
    return "\n".join(parts)


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if inspect.isclass(value) or inspect.isroutine(value):
        yield f"```text\n{_title(name, value)}\n```\n"
        yield from _markdown(value.__doc__ or "")
    else:
        yield f"The {type(value).__name__} of callers without a signature.\n"
    if isinstance(value, EnumType):
        yield "".join(f"- `{name}`\n" for name in value.__members__)
    elif inspect.isclass(value):
        yield from _members(value)


def _title(name: str, value: Any) -> str:
    if isinstance(value, EnumType) or getattr(value, "_is_protocol", False):
        return f"class {name}"
    kind = "class " if inspect.isclass(value) else ""
    if inspect.isclass(value) and issubclass(value, msgspec.Struct):
        return f"class {name}({', '.join(_field(each) for each in msgspec.structs.fields(value))})"
    return f"{kind}{name}{_signature(value)}"


def _field(each: msgspec.structs.FieldInfo) -> str:
    if each.default is not msgspec.NODEFAULT:
        return f"{each.name}={each.default!r}"
    return each.name if each.required else f"{each.name}=…"


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except ValueError:
        return "()"
    plain = [each.replace(annotation=each.empty, default=_default(each)) for each in signature.parameters.values()]
    plain = [each for each in plain if each.name != "self"]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def _default(parameter: inspect.Parameter) -> Any:
    """Return a default that is short, else a mark that prints as an ellipsis."""
    value = parameter.default
    if value is parameter.empty or (isinstance(value, str | int | float | tuple | None) and len(repr(value)) < _LONG):
        return value
    return _Omitted()


def _members(kind: type) -> Iterator[str]:
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        value = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if isinstance(value, FunctionType) and value.__doc__:
            yield f"**`{name}{_signature(value).replace('(cls, ', '(').replace('(cls)', '()')}`**\n"
            yield from _markdown(value.__doc__)
        elif isinstance(value, property | cached_property) and value.__doc__:
            yield f"**`{name}`**\n"
            yield from _markdown(value.__doc__)


def _markdown(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: its examples and indented blocks become fences."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith(">>>"):
            yield f"```pycon\n{paragraph}\n```\n"
        elif paragraph.startswith("    "):
            yield f"```text\n{inspect.cleandoc(paragraph)}\n```\n"
        elif paragraph:
            yield f"{_prose(paragraph)}\n"


def _prose(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(each if each.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", each) for each in parts)


if __name__ == "__main__":
    VERIFY_PAGE.write_text(verify_page(), encoding="utf-8")
    TESTING_PAGE.write_text(testing_page(), encoding="utf-8")
