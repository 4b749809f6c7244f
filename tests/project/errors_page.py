"""Write docs/errors.md: every error code that Daypass answers, its status, its meaning and its remedy.

Owns the page's form. Codes, statuses and meanings come from the Fault classes and from the gateway's table, remedies
from errors_rows.py. `.venv/bin/python -m tests.project.errors_page` writes the page.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.project.errors_rows import ELSEWHERE, GATEWAY, SIGN_IN, STS_AND_IAM

from daypass import errors
from daypass.errors import Fault
from daypass.verify.s3.errors import ERRORS
from daypass.wire import rest_faults

_ROOT = Path(__file__).parents[2]
PAGE = _ROOT / "docs" / "errors.md"

_HEAD = """\
# Errors

This page lists every error code that Daypass answers, with its HTTP status. Codes and statuses are AWS's. The message of an answer
has the details; the reason for operators is the `detail` of the audit event. Find the event of an answer by its request id:

```sh
jq 'select(.requestID == "6f5b7f1e-0b1c-4a57-9d0a-7b2f1c0f6a11")' audit.jsonl
```

The page is generated from the code: `.venv/bin/python -m tests.project.generated_pages`. The exit codes of commands are in
[commands](commands.md#exit-codes).
"""

_TABLE = "| code | status | meaning | remedy |\n| --- | --- | --- | --- |"


def page() -> str:
    """Return the content of docs/errors.md."""
    return "\n".join((_HEAD, *_sts(), "", *_sign_in(), "", *_elsewhere(), "", *_gateway(), ""))


def _sts() -> Iterator[str]:
    yield f"## STS and IAM\n\n{_TABLE}"
    for code, (status, meaning) in _faults(errors).items():
        yield f"| `{code}` | {status} | {meaning} | {STS_AND_IAM.get(code, '')} |"


def _sign_in() -> Iterator[str]:
    yield "## Signing in with AWS's tools\n"
    yield "The APIs of `aws sso login` and `aws login` have codes of their own. The word is the member `error` of the answer.\n"
    yield "| code | status | word | meaning | remedy |\n| --- | --- | --- | --- | --- |"
    for code, (statuses, words, meaning) in _sign_in_codes().items():
        shown = ", ".join(f"`{word}`" for word in words)
        yield f"| `{code}` | {', '.join(map(str, statuses))} | {shown} | {meaning} | {SIGN_IN.get(code, '')} |"


def _elsewhere() -> Iterator[str]:
    yield "## Other parts of the server\n"
    yield "| code | status | where | meaning | remedy |\n| --- | --- | --- | --- | --- |"
    for code, (where, status, meaning, remedy) in ELSEWHERE.items():
        yield f"| `{code}` | {status} | {where} | {meaning} | {remedy} |"


def _gateway() -> Iterator[str]:
    yield "## The gateway\n"
    yield "The gateway answers with the codes of S3, and passes on those of the store for requests that it allowed.\n"
    yield _TABLE
    for code, row in sorted(ERRORS.items()):
        yield f"| `{code}` | {row.status} | {row.message} | {GATEWAY.get(code, '')} |"


def _faults(module: object) -> Mapping[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, Fault) and "code" in vars(kind) and kind is not Fault:
            found[kind.code] = (kind.status, _first_line(kind))
    return found


def _sign_in_codes() -> Mapping[str, tuple[list[int], list[str], str]]:
    found: dict[str, tuple[list[int], list[str], str]] = {}
    for kind in vars(rest_faults).values():
        if isinstance(kind, type) and issubclass(kind, rest_faults.JsonFault) and kind is not rest_faults.JsonFault:
            found[kind.code] = ([kind.status], [kind.word], _first_line(kind))
    for rows in rest_faults._OTHERS.values():
        for kind, code, status, word in rows:
            meaning = "" if kind.__name__ == "SenderFault" else _first_line(kind)
            statuses, words, _ = found.setdefault(code, ([], [], meaning))
            statuses += [status] if status not in statuses else []
            words += [word] if word and word not in words else []
    return found


def _first_line(kind: type) -> str:
    return ((errors.InternalFailure if kind is Fault else kind).__doc__ or "").partition("\n")[0]


def used_codes() -> set[str]:
    """Return every error code that a class of the package has, found in its source."""
    found = set()
    for path in (_ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^    code\b.*=", text, re.MULTILINE) and "Fault" in text:
            found |= set(_class_codes(ast.parse(text)))
    return found


def _class_codes(tree: ast.Module) -> Iterator[str]:
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for line in kind.body:
            if not isinstance(line, ast.Assign):
                continue
            [target], value = line.targets, line.value
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(value, ast.Tuple) else [value]
            for name, each in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and name.id == "code" and isinstance(each, ast.Constant):
                    yield str(each.value)


def described_codes() -> set[str]:
    """Return the codes of the page's tables, except those of the gateway."""
    return {*_faults(errors), *_sign_in_codes(), *ELSEWHERE}


def codes_without_remedy() -> set[str]:
    """Return the codes without a row in errors_rows.py, and the rows without a code."""
    sign_in = set(_sign_in_codes())
    return (set(_faults(errors)) ^ set(STS_AND_IAM)) | (sign_in ^ set(SIGN_IN)) | (set(ERRORS) ^ set(GATEWAY))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
