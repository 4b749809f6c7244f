"""Change one section of an AWS configuration file.

Every other byte stays as it was. Pure. Lines are parsed like in configparser, which botocore uses (continuations,
indented headers, comments); unknown lines are not changed. aws_files.py reads values and writes files.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from daypass.client.problems import BadUsageError, MisconfiguredError

Value = str | Mapping[str, str] | None
_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<key>.*?)\s*(?:[=:]\s*(?P<value>.*))?$", re.DOTALL)
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class _IniLine:
    """One line with its newline. `kind` is header, option, more (a continuation) or gap (blank or comment)."""

    text: str
    kind: str
    name: str = ""


def _scan(text: str) -> list[_IniLine]:
    lines: list[_IniLine] = []
    indent, in_section, in_option = 0, False, False
    for line in io.StringIO(text, newline=""):
        bare = line.strip()
        if not bare or bare[0] in "#;":
            lines.append(_IniLine(line, "gap"))
            continue
        depth = len(line) - len(line.lstrip())
        if in_option and depth > indent:
            lines.append(_IniLine(line, "more"))
            continue
        indent = depth
        header = _HEADER.match(bare)
        if header:
            in_section, in_option = True, False
            lines.append(_IniLine(line, "header", header["name"]))
            continue
        match = _OPTION.match(bare)
        in_option = in_section
        key = match["key"].lower() if match and in_section else ""
        lines.append(_IniLine(line, "option" if in_section else "gap", key))
    return lines


def section_names(text: str) -> tuple[str, ...]:
    """Return the names of all sections in order.

    They are exactly as between the brackets.
    """
    return tuple(line.name for line in _scan(text) if line.kind == "header")


def set_options(text: str, section: str, changes: Mapping[str, Value]) -> str:
    """Return the text with changed options of one section.

    Options are changed, added or (for None) removed. A missing section is added at the end. A mapping is a nested
    block, as in `[services]`. Raises BadUsageError if a value cannot be written, and MisconfiguredError if the file's
    indentation prevents the change.
    """
    _check(section, changes)
    lines = _scan(text)
    end_of_line = _line_end(text)
    found = _find(lines, section)
    if found is None:
        return _append(text, section, changes, end_of_line)
    start, end = found
    for key, value in changes.items():
        body = _change(lines[start:end], key, value, end_of_line)
        lines[start:end] = body
        end = start + len(body)
    return _joined(lines, section)


def remove_section(text: str, section: str) -> str:
    """Return the text without a section.

    Comments directly above the next header stay.
    """
    lines = _scan(text)
    found = _find(lines, section)
    if found is None:
        return text
    start, end = found
    last = max(index for index in range(start, end) if lines[index].kind != "gap") + 1
    if end == len(lines) and not any(line.text.strip() for line in lines[last:]):
        last = end  # Only blank lines follow it.
    elif last < end and not lines[last].text.strip():
        last += 1  # Remove the blank line after it too.
    return _joined([*lines[:start], *lines[last:]], section)


def rename_section(text: str, old: str, new: str) -> str:
    """Return the text with one header changed."""
    _check(new, {})
    lines = _scan(text)
    found = _find(lines, old)
    if found is None:
        return text
    line = lines[found[0]]
    before, _, after = line.text.partition(f"[{old}]")
    lines[found[0]] = _IniLine(f"{before}[{new}]{after}", "header", new)
    return _joined(lines, old)


def _joined(lines: list[_IniLine], section: str) -> str:
    """Return the text of lines. Raises MisconfiguredError if tools would parse a line differently."""
    text = "".join(line.text for line in lines)
    meant = [(line.kind, line.name) for line in lines]
    if [(line.kind, line.name) for line in _scan(text)] != meant:
        # An indented header or option would become a continuation of the line above it.
        raise MisconfiguredError(
            f"The lines below [{section}] are indented, and the change would make them part of it. "
            "Remove their indentation, or edit the file by hand."
        )
    return text


def _check(section: str, changes: Mapping[str, Value]) -> None:
    if not section or "]" in section or _FORBIDDEN.search(section):
        raise BadUsageError(f"{section!r} is not a valid section name; use letters, digits and . _ - @ + = , : /")
    for key, value in changes.items():
        nested = value if isinstance(value, Mapping) else {"value": value}
        for name, inner in nested.items():
            if not _KEY.fullmatch(key) or not _KEY.fullmatch(name):
                raise BadUsageError(f"{key!r} is not a valid setting name; use lower-case letters, digits and _")
            if inner is not None and (not inner.strip() or inner != inner.strip() or _FORBIDDEN.search(inner)):
                raise BadUsageError(
                    f"The value for {key} is not valid in a configuration file: it is empty, or has spaces or newlines."
                )


def _find(lines: list[_IniLine], section: str) -> tuple[int, int] | None:
    starts = [index for index, line in enumerate(lines) if line.kind == "header" and line.name == section]
    if len(starts) > 1:
        raise MisconfiguredError(f"The section [{section}] exists twice. Merge the two by hand, then try again.")
    if not starts:
        return None
    later = (index for index in range(starts[0] + 1, len(lines)) if lines[index].kind == "header")
    return starts[0], next(later, len(lines))


def _line_end(text: str) -> str:
    match = _LINE_END.search(text)
    return match[0] if match else "\n"


def _append(text: str, section: str, changes: Mapping[str, Value], end_of_line: str) -> str:
    if text and not text.endswith(("\n", "\r")):
        text += end_of_line
    if text and _LINE_END.split(text)[-2].strip():
        text += end_of_line
    lines = [f"[{section}]{end_of_line}"]
    lines += [_render(key, value, end_of_line) for key, value in changes.items() if value is not None]
    return text + "".join(lines)


def _render(key: str, value: str | Mapping[str, str], end_of_line: str) -> str:
    if isinstance(value, str):
        return f"{key} = {value}{end_of_line}"
    inner = "".join(f"  {name} = {each}{end_of_line}" for name, each in value.items())
    return f"{key} ={end_of_line}{inner}"


def _change(body: list[_IniLine], key: str, value: Value, end_of_line: str) -> list[_IniLine]:
    places = [index for index, line in enumerate(body) if line.kind == "option" and line.name == key]
    if not places:
        return body if value is None else _insert(body, _render(key, value, end_of_line), key, end_of_line)
    # configparser uses the last duplicate; the others must not take effect later.
    *others, place = places
    last = _last_of(body, place)
    if value is None:
        body = [*body[:place], *_comments(body[place:last]), *body[last:]]
    elif isinstance(value, Mapping):
        body = [*body[:place], *_merge(body[place], body[place + 1 : last], value, end_of_line), *body[last:]]
    else:
        body = [*body[:place], _replaced(body[place], value), *_comments(body[place:last]), *body[last:]]
    for index in reversed(others):
        last = _last_of(body, index)
        body = [*body[:index], *_comments(body[index:last]), *body[last:]]
    return body


def _comments(lines: list[_IniLine]) -> list[_IniLine]:
    """Return the comments between the lines of a value, which stay when the value is removed."""
    return [line for line in lines if line.kind == "gap" and line.text.strip()]


def _last_of(body: list[_IniLine], place: int) -> int:
    last = place + 1
    for index in range(place + 1, len(body)):
        if body[index].kind in {"option", "header"}:
            break
        if body[index].kind == "more":
            last = index + 1
    return last


def _insert(body: list[_IniLine], rendered: str, key: str, end_of_line: str) -> list[_IniLine]:
    last = max(index for index, line in enumerate(body) if line.kind != "gap")
    line = body[last]
    if not line.text.endswith(("\n", "\r")):
        body = [*body[:last], _IniLine(line.text + end_of_line, line.kind, line.name), *body[last + 1 :]]
        rendered = rendered.removesuffix(end_of_line)
    # Indent like the option before: a deeper line would continue that option's value.
    depth = next((_indent(each) for each in reversed(body) if each.kind == "option"), "")
    first, *rest = rendered.splitlines(keepends=True)
    added = [_IniLine(depth + first, "option", key), *(_IniLine(depth + each, "more") for each in rest)]
    return [*body[: last + 1], *added, *body[last + 1 :]]


def _indent(line: _IniLine) -> str:
    return line.text[: len(line.text) - len(line.text.lstrip())]


def _replaced(line: _IniLine, value: str) -> _IniLine:
    text = line.text
    ending = text[len(text.rstrip("\r\n")) :]
    match = re.match(r"(\s*.*?\s*[=:][ \t]*)", text.rstrip("\r\n"))
    head = match[1] if match else f"{text.strip()} = "
    if match and text.rstrip("\r\n") == head + value:
        return line
    return _IniLine(head + value + ending, line.kind, line.name)


def _merge(option: _IniLine, inner: list[_IniLine], value: Mapping[str, str], end_of_line: str) -> list[_IniLine]:
    """Return an option whose block has these settings. The block replaces a single value."""
    # Indent like the block, without blank lines and comments, and deeper than the option.
    deeper = _indent(option) + "  "
    depth = next((_indent(line) for line in inner if line.kind == "more"), deeper)
    for name, each in value.items():
        place = next((i for i, line in enumerate(inner) if _is_setting(line, name)), None)
        if place is None:
            inner = [_IniLine(f"{depth}{name} = {each}{end_of_line}", "more"), *inner]
        else:
            inner = [*inner[:place], _replaced(inner[place], each), *inner[place + 1 :]]
    opened = _opened(option, end_of_line)
    if not option.text.endswith(("\n", "\r")):  # the last line of a file without a final newline stays so
        inner = [*inner[:-1], _IniLine(inner[-1].text.removesuffix(end_of_line), "more")]
    return [opened, *inner]


def _opened(option: _IniLine, end_of_line: str) -> _IniLine:
    text = option.text.rstrip("\r\n")
    match = re.match(r"(\s*.*?\s*[=:])", text)
    head = match[1] if match else f"{text.rstrip()} ="
    kept = text if match and not text[len(head) :].strip() else head
    return _IniLine(kept + (option.text[len(text) :] or end_of_line), option.kind, option.name)


def _is_setting(line: _IniLine, name: str) -> bool:
    return line.kind == "more" and re.match(rf"\s*{name}\s*=", line.text) is not None
