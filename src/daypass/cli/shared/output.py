"""The output formats of the commands for people.

They are JSON, text, tables and YAML, filtered by JMESPath. Text output is the AWS CLI's: values separated by tabs,
members in alphabetical order, and nested members on lines that start with their name.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import click

from daypass.client.credentials import instant
from daypass.client.problems import BadUsageError
from daypass.client.text_format import harmless, printable

output_option = click.option(
    "--output", type=click.Choice(["text", "json", "table", "yaml"]), default="text", help="The output format."
)
query_option = click.option(
    "--query", default="", metavar="JMESPATH", help="A JMESPath expression that selects the part to print."
)


def show(value: Any, output: str, query: str = "") -> None:
    """Print a value.

    Control characters are replaced on a terminal, not for a program.
    """
    plain = _plain(value)
    text = FORMS[output](_chosen(plain, query) if query else plain)
    # The cells of a table are already harmless, and its escape sequences are our own colours.
    click.echo(harmless(text) if output != "table" and sys.stdout.isatty() else text)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return instant(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _chosen(value: Any, query: str) -> Any:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, value)
    except JMESPathError as error:
        raise BadUsageError(f"--query {query!r} is not a valid JMESPath expression: {printable(error)}.") from error


def _json(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False)


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _text(value: Any) -> str:
    return "\n".join(_text_lines(value, ""))


def _text_lines(value: Any, name: str) -> list[str]:
    if isinstance(value, dict):
        scalars = [_scalar(value[key]) for key in sorted(value) if not isinstance(value[key], dict | list)]
        lines = ["\t".join([name.upper(), *scalars] if name else scalars)] if scalars else []
        for key in sorted(value):
            if isinstance(value[key], dict | list):
                lines += _text_lines(value[key], key)
        return lines
    if isinstance(value, list):
        if all(not isinstance(each, dict | list) for each in value):
            words = [_scalar(each) for each in value]
            return [f"{name.upper()}\t{word}" for word in words] if name else ["\t".join(words)] if words else []
        return [line for each in value for line in _text_lines(each, name)]
    return [_scalar(value)]


def _scalar(value: Any) -> str:
    return "None" if value is None else str(value).replace("\n", " ") if not isinstance(value, bool) else str(value)


def _table(value: Any) -> str:
    from rich.console import Console

    rows = value if isinstance(value, list) else [value]
    console = Console(width=None, highlight=False, markup=False)
    with console.capture() as captured:
        for row in rows if not all(isinstance(each, dict) for each in rows) else [rows]:
            console.print(_one_table(row))
    return captured.get().rstrip("\n")


def _one_table(value: Any) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    if isinstance(value, list) and len(value) > 1 and all(isinstance(each, dict) for each in value):
        columns = list(dict.fromkeys(key for each in value for key in each))
        table = Table(*(Column(harmless(name), overflow="fold") for name in columns))
        for each in value:
            table.add_row(*(Text(_cell(each.get(key, ""))) for key in columns))
        return table
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return Text(_cell(value))
    table = Table(show_header=False)
    for key, each in value.items():
        table.add_row(harmless(key), _one_table(each) if isinstance(each, dict | list) and each else Text(_cell(each)))
    return table


def _cell(value: Any) -> str:
    return harmless(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else _scalar(value))


FORMS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {"json": _json, "text": _text, "table": _table, "yaml": _yaml}
)
