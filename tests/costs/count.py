"""Count the work of a call: bytecodes, calls of Python functions, and calls of built-in functions.

Each count is the same on every machine with one version of Python.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

_MONITORING = (3, 12)


@dataclass
class Counts:
    """The work of one request. `functions` has bytecodes and calls by function name.

    `is_at_once` means that the event loop answered, without a worker thread.
    """

    is_at_once: bool = True
    bytecodes: int = 0
    calls: int = 0
    c_calls: int = 0
    functions: dict[str, list[int]] = field(default_factory=dict)


def count_python(call: Callable[[], None], counts: Counts) -> None:
    """Call, and count bytecodes and Python functions."""
    functions = counts.functions
    (_monitor if sys.version_info >= _MONITORING else _trace)(call, functions)
    counts.bytecodes = sum(bytecodes for bytecodes, _ in functions.values())
    counts.calls = sum(calls for _, calls in functions.values())


def _trace(call: Callable[[], None], functions: dict[str, list[int]]) -> None:
    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        if event == "opcode":
            functions[frame.f_code.co_qualname][0] += 1
        elif event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            functions.setdefault(frame.f_code.co_qualname, [0, 0])[1] += 1
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)


def _monitor(call: Callable[[], None], functions: dict[str, list[int]]) -> None:
    # From Python 3.12 on, settrace misses bytecodes of functions that are already running.
    monitoring: Any = vars(sys)["monitoring"]
    started, executed = monitoring.events.PY_START, monitoring.events.INSTRUCTION

    own = get_ident()  # the events are those of all threads

    def on_start(code: CodeType, _offset: int) -> None:
        if get_ident() == own:
            functions.setdefault(code.co_qualname, [0, 0])[1] += 1

    def on_instruction(code: CodeType, _offset: int) -> None:
        if get_ident() == own:
            functions.setdefault(code.co_qualname, [0, 0])[0] += 1

    tool = monitoring.PROFILER_ID
    monitoring.use_tool_id(tool, "costs")
    try:
        monitoring.register_callback(tool, started, on_start)
        monitoring.register_callback(tool, executed, on_instruction)
        monitoring.set_events(tool, started | executed)
        call()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


def count_builtins(call: Callable[[], None], counts: Counts) -> None:
    """Call, and count the calls of built-in functions."""

    def profile(_frame: FrameType, event: str, _arg: object) -> None:
        counts.c_calls += event == "c_call"

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
