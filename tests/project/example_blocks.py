"""Read the fenced examples of the documentation, and check each by its language.

Owns the table of checks, and the list of the pages that a test of their own executes. An example of a language without
a row here fails the test: choose a check for it, or write the reason why it has none.
"""

import ast
import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import botocore.session
import click
import yaml
from botocore import xform_name
from tests.project.command_tree import commands

from daypass.config import load_config

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_TABLES_OF_VECTOR = frozenset({"sources", "transforms", "sinks"})  # a program that receives events
_MODELS = frozenset({"iam", "sts"})  # aws commands of these services are compared with AWS's models
_GLOBAL = frozenset(
    {
        "--debug",
        "--endpoint-url",
        "--no-cli-pager",
        "--no-sign-request",
        "--no-verify-ssl",
        "--output",
        "--profile",
        "--query",
        "--region",
    }
)


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block of a page, with the line of its fence."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


# Pages whose examples run in a test of their own.
EXECUTED: Mapping[str, str] = {
    "docs/api-testing.md": "tests/project/test_examples.py",
    "docs/api-verify.md": "tests/verify/test_doctests.py",
    "docs/coming-from-minio.md": "tests/process/test_pages_of_clients.py",
    "docs/explaining-denials.md": "tests/why/test_docs.py",
    "docs/gateway.md": "tests/process/test_gateway_page.py",
    "docs/integrations/aws-cli.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/boto3.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/duckdb.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/javascript.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/minio-clients.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/pyarrow.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/pyiceberg.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/rclone.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/s3cmd.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/s3fs.md": "tests/process/test_pages_of_clients.py",
    "docs/integrations/s5cmd.md": "tests/process/test_pages_of_clients.py",
    "docs/testing.md": "tests/project/test_testing_page.py",
    "docs/verify.md": "tests/verify/test_docs.py",
}


def examples() -> Iterator[Example]:
    """Yield every fenced block of the documentation."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Example(str(path.relative_to(ROOT)), line, found[1].strip(), found[2])


def is_shortened(text: str) -> bool:
    """Return whether an example leaves something out, so that no parser of its language reads it."""
    return "…" in text or "..." in text


def _check_json(text: str) -> None:
    if not is_shortened(text):
        json.loads(f"{{{text}}}" if text.startswith('"') else text)


def _check_yaml(text: str) -> None:
    if not is_shortened(text):
        list(yaml.safe_load_all(text))


def _check_toml(text: str) -> None:
    if not is_shortened(text):
        table = tomllib.loads(text)
        if not _TABLES_OF_VECTOR & table.keys():
            load_config({}, {}, text)


def _check_ini(text: str) -> None:
    configparser.ConfigParser(interpolation=None, strict=False).read_string(text)


def _check_python(text: str) -> None:
    ast.parse(text if not text.startswith("except ") else f"try:\n    pass\n{text}")


def _check_shell(text: str) -> None:
    for words in _command_lines(text):
        if words[0] == "daypass":
            _check_daypass(words[1:])
        elif words[0] == "aws" and len(words) > 2 and words[1] in _MODELS:
            _check_aws(words[1], words[2:])


def _command_lines(text: str) -> Iterator[list[str]]:
    prompts = re.search(r"^\$ ", text, re.MULTILINE) is not None
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        if prompts and not line.startswith("$ "):
            continue
        command = re.sub(r"\s#\s.*$", "", line.removeprefix("$ ")).strip()
        if not command.startswith(("daypass ", "aws ")) or re.search(r"[|;<>`…]|\$\(|\.\.\.", command):
            continue
        try:
            yield [word for word in shlex.split(command) if word != "&"]
        except ValueError:
            continue  # a quoted document that goes on over lines


def _check_daypass(words: list[str]) -> None:
    name, rest = "daypass", list(words)
    every = commands()
    while rest and f"{name} {rest[0]}" in every:
        name = f"{name} {rest.pop(0)}"
    command = every[name]
    if isinstance(command, click.Group) and not command.invoke_without_command and rest and not rest[0].startswith("-"):
        raise ValueError(f"{name} has no command {rest[0]}")
    context = click.Context(command, info_name=name)
    if "--help" not in rest:
        command.make_parser(context).parse_args(rest)


@lru_cache
def _operations(service: str) -> Mapping[str, frozenset[str]]:
    model = botocore.session.Session().get_service_model(service)
    return {
        xform_name(name, "-"): frozenset(
            f"--{xform_name(member, '-')}"
            for member in (getattr(model.operation_model(name).input_shape, "members", ()))
        )
        for name in model.operation_names
    }


def _check_aws(service: str, words: list[str]) -> None:
    operation, *rest = words
    options = {word.partition("=")[0] for word in rest if word.startswith("--")}
    known = _operations(service)[operation]
    plain = {f"--{word.removeprefix('--no-')}" if word.startswith("--no-") else word for word in options}
    if unknown := plain - known - _GLOBAL - {option.replace("--no-", "--") for option in _GLOBAL}:
        raise ValueError(f"aws {service} {operation} has no option {', '.join(sorted(unknown))}")


CHECKS: Mapping[str, Callable[[str], None]] = {
    "bash": _check_shell,
    "console": _check_shell,
    "ini": _check_ini,
    "json": _check_json,
    "python": _check_python,
    "sh": _check_shell,
    "toml": _check_toml,
    "yaml": _check_yaml,
}

# Languages without a check here, and the reason.
UNCHECKED: Mapping[str, str] = {
    "": "a configuration of another program, such as logrotate",
    "text": "output, a drawing, a usage line, or a configuration that has no name as a language",
    "nginx": "page_rows.py runs nginx with the configuration of the page",
    "caddy": "page_rows.py runs Caddy with the configuration of the page",
    "haproxy": "page_rows.py runs HAProxy with the configuration of the page",
    "hcl": "tests/terraform runs Terraform with the same endpoints",
    "javascript": "the tests of the named SDK run it",
    "js": "the tests of the named SDK run it",
    "php": "settings of SimpleSAMLphp, which is not a component of the tests",
    "pycon": "the doctests of the package run it",
    "xml": "a document of another program",
    "http": "a message on the wire",
    "promql": "a query for another program",
    "dockerfile": "the build of the image runs it",
    "diff": "a difference between two files",
}
