"""Private names of uvicorn and httptools that the HTTP edge uses.

A new minor version may change their meaning silently, and the border between two requests depends on it. So each name
is listed here, the versions are bounded, and an engineer who raises a bound reads their changes first.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import httptools
import pytest
from tests.dependencies import declared
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

ROOT = Path(__file__).parents[2]
BOUNDED = ("uvicorn", "httptools")

# The attributes and methods of each class that our classes inherit from or use, and the imported modules.
USED: dict[str, set[str]] = {
    "HttpToolsProtocol": {
        "_start_asgi_task",
        "_unset_keepalive_if_required",
        "app",
        "client",
        "connection_lost",
        "connection_made",
        "cycle",
        "data_received",
        "expect_100_continue",
        "flow",
        "headers",
        "logger",
        "loop",
        "on_body",
        "on_header",
        "on_headers_complete",
        "on_message_begin",
        "on_message_complete",
        "on_response_complete",
        "parser",
        "pause_writing",
        "resume_writing",
        "scheme",
        "scope",
        "send_400_response",
        "server_state",
        "shutdown",
        "tasks",
        "timeout_keep_alive",
        "timeout_keep_alive_handler",
        "timeout_keep_alive_task",
        "transport",
        "url",
    },
    "RequestResponseCycle": {
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "response_started",
        "scope",
        "transport",
    },
    "FlowControl": {"pause_reading", "resume_reading", "write_paused"},
    "Server": {
        "capture_signals",
        "config",
        "force_exit",
        "lifespan",
        "main_loop",
        "on_tick",
        "run",
        "serve",
        "server_state",
        "servers",
        "should_exit",
        "shutdown",
        "started",
        "startup",
    },
    "ServerState": {"connections", "default_headers", "tasks", "total_requests"},
    "HttpRequestParser": {"feed_data", "get_http_version", "get_method", "should_keep_alive", "should_upgrade"},
    "uvicorn.protocols.http.flow_control": {"FlowControl"},
    "uvicorn.protocols.http.httptools_impl": {"HttpToolsProtocol", "RequestResponseCycle", "STATUS_LINE"},
    "httptools": {"HttpParserError", "HttpParserUpgrade", "HttpRequestParser"},
}

# The names of objects of each class in the code, and our classes that derive from it.
_CLASSES: dict[str, tuple[type, tuple[str, ...], tuple[str, ...]]] = {
    "HttpToolsProtocol": (HttpToolsProtocol, (), ("OneRequestAtATime", "Connection")),
    "RequestResponseCycle": (RequestResponseCycle, ("cycle",), ()),
    "FlowControl": (FlowControl, ("flow",), ("HoldingFlow",)),
    "Server": (Server, ("server",), ("Server", "_SignalledServer", "_PromptServer")),
    "ServerState": (ServerState, ("server_state",), ()),
    "HttpRequestParser": (httptools.HttpRequestParser, ("parser",), ()),
}


@cache
def _trees() -> tuple[ast.Module, ...]:
    """Return the files that name one of the two packages: others have no objects of theirs."""
    texts = [path.read_text() for path in sorted((ROOT / "src/daypass").rglob("*.py"))]
    return tuple(ast.parse(text) for text in texts if any(package in text for package in BOUNDED))


def _names_of(owner: type) -> set[str]:
    """Return the attributes and methods that a class has."""
    names = {name for name in dir(owner) if not name.startswith("__")}
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError):  # compiled
        return names
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _is_name(node.value, "self") and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _uses(tree: ast.AST, called: tuple[str, ...], derived: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _last_name(node.value) in called:
            yield node.attr
        if isinstance(node, ast.ClassDef) and node.name in derived:
            yield from _inherited(node)


def _inherited(derived: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(derived):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and (_is_name(node.value, "self") or _is_super(node.value)):
            yield node.attr


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _is_name(node.func, "super")


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("owner", [*_CLASSES])
def test_the_list_of_private_names_is_the_codes(owner: str) -> None:
    """The list and the code must use the same names."""
    source, called, derived = _CLASSES[owner]
    own = _names_of(source)
    used = {name for tree in _trees() for name in _uses(tree, called, derived) if name in own}
    assert used == USED[owner]


def test_the_list_of_imports_is_the_codes() -> None:
    """The list contains every import of uvicorn's internals and of httptools."""
    found: dict[str, set[str]] = {}
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in BOUNDED:
                found.setdefault(node.module or "", set()).update(name.name for name in node.names)
            elif isinstance(node, ast.Attribute) and _is_name(node.value, "httptools"):
                found.setdefault("httptools", set()).add(node.attr)
    assert found == {module: names for module, names in USED.items() if module.partition(".")[0] in BOUNDED}
    for module, names in found.items():
        assert names <= vars(importlib.import_module(module)).keys()


@pytest.mark.parametrize("package", BOUNDED)
def test_the_versions_are_bounded(package: str) -> None:
    """The upper bound is the next minor version, and the installed and tested version is within."""
    bounds = next(each.specifier for each in declared("server") if each.name == package)
    installed = version(package)
    major, minor = installed.split(".")[:2]
    assert installed in bounds
    assert f"{major}.{int(minor) + 1}.0" not in bounds
    assert f"{int(major) + 1}.0.0" not in bounds
