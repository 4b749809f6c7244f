"""Run the shell examples of a page as a reader would paste them: in order, in one shell, in a folder of their own.

Owns the split of a page into commands, the script that runs them, and the comparison with the output that the page
shows. Leaves the rows of pages, and the commands that are not run, to page_rows.py.

Rules of the comparison, for each command whose output the page shows:

- Runs of white space are equal, so a page may wrap a line.
- `…` stands for any text; a line with `…` alone for any lines.
- Values that differ in each run (VARYING: ids of keys, times, digests) are equal to each other.
- The output of standard error and standard output is one text.

A command exits with 0, unless the page shows that it is refused, or its row lists it.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from tests.project.example_blocks import ROOT

_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
SHELLS = frozenset({"bash", "console", "sh"})
_OUTPUTS = frozenset({"json", "text"})
_REFUSALS = ("An error occurred", "daypass: ", "✘")
VARYING: Sequence[tuple[str, str]] = (
    (r"\b(AKIA|ASIA|AIDA|AROA|AGPA|ANPA)[A-Z0-9]{12,17}\b", "<id>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00| UTC)?", "<time>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b[0-9a-f]{32,}\b", "<digest>"),
    (r'"(seconds|bytes)":[0-9.]+', "<measured>"),
    (r"\b\d{12}\b", "<account>"),
    (r"\bssoins-[0-9a-f]{16}\b", "<instance>"),
    (r"\b(botocore|aws-cli-botocore|boto3)-session-\d+\b", "<session>"),
)
# The answer is 0 if a text is a whole command. It defines a function, which runs nothing.
_JUDGE = """
while IFS= read -r -d '' candidate; do
    if eval "judged() { :
$candidate
}" 2>/dev/null; then echo 0; else echo 1; fi
done
"""


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command of a block, with the output that the page shows behind it (None if it shows none)."""

    line: int
    text: str
    shown: str | None


@dataclass(frozen=True, slots=True)
class ShellBlock:
    """A shell block of a page."""

    line: int
    text: str
    commands: Sequence[ShellCommand]


@lru_cache
def shell_blocks(page: str) -> Sequence[ShellBlock]:
    """Return the shell blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    blocks = []
    with _Judge() as judge:
        for place, block in enumerate(found):
            if block[1].strip() not in SHELLS:
                continue
            line = text.count("\n", 0, block.start()) + 2
            following = found[place + 1] if place + 1 < len(found) else None
            output = None
            if following and following[1].strip() in _OUTPUTS and not text[block.end() : following.start()].strip():
                output = following[2]
            blocks.append(ShellBlock(line - 1, block[2], _commands(block[2], line, output, judge)))
    return blocks


def page_block(page: str, part: str) -> str:
    """Return the only block of a page that contains a text, such as a file that its commands read."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (found,) = [block[2] for block in _BLOCK.finditer(text) if part in block[2]]
    return found


class _Judge:
    """A shell that says whether a text is a whole command."""

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            ["bash", "-c", _JUDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.communicate()

    def is_whole(self, text: str) -> bool:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        if text.endswith("\\"):
            return False
        self._shell.stdin.write(f"{text}\0")
        self._shell.stdin.flush()
        return self._shell.stdout.readline() == "0\n"


def _commands(text: str, first: int, output: str | None, judge: _Judge) -> Sequence[ShellCommand]:
    lines = text.splitlines()
    prompts = any(line.startswith(("$ ", "> ")) for line in lines)
    found: list[ShellCommand] = []
    at = 0
    while at < len(lines):
        begun, words = at, lines[at]
        at += 1
        if not words.strip() or words.startswith("#") or (prompts and not words.startswith("$ ")):
            continue
        words = words.removeprefix("$ ")
        while at < len(lines) and not judge.is_whole(words):
            words += f"\n{lines[at]}"
            at += 1
        shown = []
        while prompts and at < len(lines) and not lines[at].startswith("$ "):
            shown.append(lines[at])
            at += 1
        found.append(ShellCommand(first + begun, words, "\n".join(shown) or None))
    if output is not None and found:
        found[-1] = ShellCommand(found[-1].line, found[-1].text, output)
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """A command that runs, and whether it may fail. Without a line it is a preparation."""

    command: ShellCommand
    refused: bool = False
    serves: str = ""  # the URL that answers when a program that does not end has started


def run_steps(steps: Sequence[Step], folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run the commands, and yield each difference from the page."""
    script = folder / "page.sh"
    script.write_text(_script(steps), encoding="utf-8")
    work = folder / "work"
    work.mkdir(exist_ok=True)
    with (folder / "output").open("w+b") as output:
        ended = subprocess.run(
            ["bash", str(script)],
            cwd=work,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=280,
            check=False,
        )
    told = (folder / "output").read_text(encoding="utf-8", errors="replace")
    answers = {
        int(found[1]): (found[2], int(found[3]))
        for found in re.finditer(r"^\x1e(\d+)\n(.*?)\n?\x1f(\d+)$", told, re.DOTALL | re.MULTILINE)
    }
    for number, step in enumerate(steps):
        if number not in answers:
            yield f"line {step.command.line}: did not end ({ended.returncode}): {step.command.text}\n{told[-2000:]}"
            return
        yield from _differences(step, *answers[number])


def _script(steps: Sequence[Step]) -> str:
    parts = ["set +o history\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"]
    for number, step in enumerate(steps):
        text = step.command.text
        if step.serves:
            plain = re.sub(r"\s+#\s.*$", "", text).removesuffix("&").strip()
            log = f'"$HOME"/server-{number}.log'
            wait = f"until curl -sf -o /dev/null {step.serves} || ! kill -0 $!; do sleep 0.05; done"
            text = f"{plain} >{log} 2>&1 &\n{wait}; kill -0 $! || {{ cat {log}; false; }}"
        parts.append(f"printf '\\x1e{number}\\n'\n{text}\nprintf '\\n\\x1f%s\\n' \"$?\"\n")
    return "".join(parts)


def _differences(step: Step, told: str, code: int) -> Iterator[str]:
    command = step.command
    may_fail = step.refused or bool(command.shown and command.shown.startswith(_REFUSALS))
    if may_fail != (code != 0):
        yield f"line {command.line}: exit code {code}: {command.text}\n{told[-2000:]}"
    elif command.shown is not None and not matches(command.shown, told):
        yield f"line {command.line}: {command.text}\nshown:\n{command.shown}\nreal:\n{told[-4000:]}"


def matches(shown: str, told: str) -> bool:
    """Return whether the output is what the page shows."""
    parts = [re.escape(_plain(part)) for part in re.split("…|(?<= )\\.\\.\\.", shown)]
    pattern = ".*".join(part.replace(r"\ ", " ") for part in parts)
    return re.fullmatch(pattern, _plain(told).strip(), re.DOTALL) is not None or (
        re.fullmatch(re.sub(r" ?\.\* ?", ".*", pattern.strip()), _plain(told).strip(), re.DOTALL) is not None
    )


def _plain(text: str) -> str:
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return re.sub(r"\s+", " ", text)
