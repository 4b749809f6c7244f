"""Count two habits of prose that slow a reader down: headless clauses, and negation by noun.

Owns the two rules, the extraction of prose from files, and the list of hits for a writer:

    python -m tests.project.prose [--strings] [--first-lines] [PATH...]

The list has a line for each hit (`file:line: rule: sentence`), then a row for each file. It needs the standard library
alone. Prose is docstrings and full-line comments of Python, the text of Markdown outside code, and the text of HTML
templates outside tags. With `--strings` every other string literal of Python is read too: messages and help texts are
among them. With `--first-lines` the first lines of public docstrings that are too long, or end without a full stop,
are listed as well. The limits of each area are in `test_prose.py`.
"""

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADLESS = "headless"
NEGATIVE = "negative"
FIRST_LINE = 72  # characters

_CLAUSE = re.compile(
    r"\b(?:what|whoever|whatever|whose|whom)\b (?:is|was|were|are|it|they|ended|comes|came|has|have|had|a|an|the|we|you"
    r"|one|can|may|could|would|asks|stands|stood|made)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?<=[.:;] )|^)(?:What|Whoever|Who|Whose|Whom|Whatever)\b(?![^.?]*\?)",
    re.MULTILINE,
)
_NEGATIVE = re.compile(r"\b(?:[Nn]obody|[Nn]othing|none|[Nn]owhere)\b")
_SENTENCE_END = re.compile(r"[.?!](?=\s|$)|\n\s*\n|\n(?=\s*(?:[|*#]|-\s|\d+\.\s))")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_SUFFIXES = frozenset({".py", ".md", ".html"})


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose and the line of the file on which it starts."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule is broken: the line, the rule and the sentence."""

    line: int
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Measure:
    """The prose of one file or one area: its words and its hits."""

    name: str
    words: int
    hits: tuple[Hit, ...]

    def count(self, rule: str) -> int:
        """Return the number of hits of one rule."""
        return sum(hit.rule == rule for hit in self.hits)

    def rate(self, rule: str) -> float:
        """Return the hits of one rule per 1,000 words."""
        return 1000 * self.count(rule) / (self.words or 1)


def measure(name: str, texts: Iterable[Text]) -> Measure:
    """Count the words and the hits of some texts."""
    squeezed = [Text(each.line, re.sub(r"[ \t]+", " ", each.text)) for each in texts]
    words = sum(len(each.text.split()) for each in squeezed)
    return Measure(name, words, tuple(hit for each in squeezed for hit in _hits(each)))


def _hits(prose: Text) -> Iterator[Hit]:
    text = prose.text
    headless = {match.start() for rule in (_CLAUSE, _OPENING) for match in rule.finditer(text)}
    found = [(start, HEADLESS) for start in headless]
    found += [(match.start(), NEGATIVE) for match in _NEGATIVE.finditer(text)]
    for start, rule in sorted(found):
        yield Hit(prose.line + text.count("\n", 0, start), rule, _sentence(text, start))


def _sentence(text: str, position: int) -> str:
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    index = bisect_right(ends[:-1], position)
    return " ".join(text[ends[index - 1] : ends[index]].split())


def file_texts(path: Path, *, strings: bool = False) -> Iterator[Text]:
    """Yield the prose of one file.

    `strings` adds the other string literals of Python.
    """
    source = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            yield from _python(source, strings=strings)
        case ".md":
            yield Text(1, _markdown(source))
        case ".html":
            yield Text(1, template_text(source))


def _python(source: str, *, strings: bool) -> Iterator[Text]:
    docstrings = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            place = node.body[0]
            docstrings.add(place.lineno)
            yield Text(place.lineno, text)
    for match in re.finditer(r"^\s*# ([A-Z].*)$", source, re.MULTILINE):
        yield Text(source.count("\n", 0, match.start(1)) + 1, match[1])
    if strings:
        yield from (
            Text(node.lineno, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.lineno not in docstrings
        )


def _markdown(source: str) -> str:
    text = re.sub(r"```.*?```", _lines_of, source, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", lambda code: "x" + _lines_of(code, ""), text)


def template_text(source: str) -> str:
    """Return the visible text of a Jinja template, line for line."""
    text = re.sub(r"<(style|script)\b.*?</\1>|\{#.*?#\}|\{%.*?%\}", _lines_of, source, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", lambda value: "x" + _lines_of(value, ""), text, flags=re.DOTALL)
    return re.sub(r"^[ \t]+", "", re.sub(r"<[^>]*>", _lines_of, text), flags=re.MULTILINE)


def _lines_of(removed: re.Match[str], space: str = " ") -> str:
    return space + "\n" * removed[0].count("\n")


def prose_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files with prose: the paths themselves, and the files below folders."""
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in below if each.suffix in _SUFFIXES and each.is_file())


def wrong_first_lines(path: Path) -> Iterator[Text]:
    """Yield the first lines of public docstrings of a Python file that are too long or lack their full stop."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, _DOCUMENTED) or getattr(node, "name", "").startswith("_"):
            continue
        line = (ast.get_docstring(node) or ".").partition("\n")[0]
        if len(line) > FIRST_LINE or not line.endswith("."):
            yield Text(node.body[0].lineno, line)


def main(arguments: list[str]) -> int:
    """Print the hits and a row for each file, and return 1 if there was a hit."""
    strings = "--strings" in arguments
    paths = [Path(each) for each in arguments if not each.startswith("--")] or [
        Path("src"),
        Path("tests"),
        Path("docs"),
    ]
    measures = [measure(str(path), file_texts(path, strings=strings)) for path in prose_files(paths)]
    lines = [f"{each.name}:{hit.line}: {hit.rule}: {hit.sentence}" for each in measures for hit in each.hits]
    if "--first-lines" in arguments:
        python = [path for path in prose_files(paths) if path.suffix == ".py"]
        lines += [f"{path}:{each.line}: first line: {each.text}" for path in python for each in wrong_first_lines(path)]
    lines += ["", f"{HEADLESS:>8} {NEGATIVE:>8} {'words':>8}  file (hits, not rates)"]
    every = Measure("total", sum(each.words for each in measures), tuple(h for each in measures for h in each.hits))
    for each in [*sorted((m for m in measures if m.hits), key=lambda m: -len(m.hits)), every]:
        lines.append(f"{each.count(HEADLESS):8} {each.count(NEGATIVE):8} {each.words:8}  {each.name}")
    lines.append(f"per 1,000 words: headless {every.rate(HEADLESS):.1f}, negative {every.rate(NEGATIVE):.1f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return bool(every.hits)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
