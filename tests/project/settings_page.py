"""Write docs/settings.md: every setting of the server and of the gateway.

Owns the page's form. Names, types and defaults come from the settings' own types, flags from the command line, and the
effects from settings_rows.py. `.venv/bin/python -m tests.project.settings_page` writes the page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
from tests.project.settings_rows import GATEWAY, QUOTAS, SERVER, SettingRow

from daypass.cli.operators.gateways.gateway import command as gateway
from daypass.cli.operators.serve import command as serve
from daypass.config import Config
from daypass.gateway.settings import GatewaySettings
from daypass.operations.settings import Quotas

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """\
# Settings

This page lists every setting of `daypass serve` and of `daypass gateway`. It is generated from the types of the settings:
`.venv/bin/python -m tests.project.generated_pages`. Each setting can stand in three places. A flag overrides the environment
variable, which overrides the TOML file of `--config`:

```toml
# daypass.toml, for: daypass serve --config daypass.toml
public_url = "https://sts.example.com"
trusted_proxies = ["10.0.0.0/24"]
workers = 4

[quotas]
roles = 100000
```

An unknown setting in the file is refused, and so is a variable that is almost the name of a setting, such as
`DAYPASS_LOGLEVEL`. A list is separated by
commas in a variable, and may be a list in the file.

Secrets come from the environment only: the [master key](master-key.md) (`DAYPASS_MASTER_KEY` or `DAYPASS_MASTER_KEY_FILE`), and at the first start on an empty
store `DAYPASS_ROOT_ACCOUNT_ID`, `DAYPASS_ROOT_ACCESS_KEY_ID`, `DAYPASS_ROOT_SECRET_ACCESS_KEY` (or `…_FILE`).
"""

_QUOTAS = """\
`[quotas]` in the TOML file changes the limits of each account, for example `roles = 100000`. The defaults are AWS's, but
smaller for SAML metadata, because all accounts share one server. Larger metadata that was registered earlier keeps working.

| quota | default | limits |
| --- | --- | --- |"""

_GATEWAY = """\
A flag overrides the variable, which overrides `[gateway]` in the TOML file of `--config`. The settings that a gateway shares
with the server (`store`, `read_store`, `trusted_proxies`, `regions`, `stale_seconds`, `log_level` and others) are at the top
of the same file. `--backend`, `--backend-key-file` and `--profile` describe one store; several stores, patterns of buckets and
routes are tables of the file ([gateway](gateway.md#several-stores))."""

_TABLE = "| setting, variable | flag | default | values | effect |\n| --- | --- | --- | --- | --- |"
_TABLES_OF_THE_GATEWAY = frozenset({"backends", "buckets", "routes"})
_VARIABLES = {"domains": "DAYPASS_GATEWAY_DOMAIN"}
_IN_THE_FILE_ALONE = frozenset({"quotas", "login_option", "audit_sink"})


def page() -> str:
    """Return the content of docs/settings.md."""
    return "\n".join((_HEAD, *_server(), *_quotas(), "", *_gateway(), ""))


def _server() -> Iterator[str]:
    defaults = {each.name: getattr(Config(), each.name) for each in fields(Config)}
    flags = _flags(serve)
    for group, rows in SERVER.items():
        yield f"## {group}\n\n{_TABLE}"
        for name, row in rows.items():
            variable = "" if name in _IN_THE_FILE_ALONE else f"DAYPASS_{name.upper()}"
            yield _row(name, variable, flags, defaults[name], row)
        yield ""


def _quotas() -> Iterator[str]:
    defaults = asdict(Quotas())
    yield f"## Quotas\n\n{_QUOTAS}"
    yield from (f"| `{name}` | {defaults[name]:,} | {limits} |" for name, limits in QUOTAS.items())


def _gateway() -> Iterator[str]:
    defaults = {each.name: getattr(GatewaySettings(), each.name) for each in fields(GatewaySettings)}
    flags = _flags(gateway)
    yield f"## The gateway\n\n{_GATEWAY}\n\n{_TABLE}"
    for name, row in GATEWAY.items():
        yield _row(name, _VARIABLES.get(name, f"DAYPASS_GATEWAY_{name.upper()}"), flags, defaults[name], row)


def _row(name: str, variable: str, flags: Mapping[str, str], default: Any, row: SettingRow) -> str:
    names = f"`{name}`<br>`{variable}`" if variable else f"`{name}`"
    return f"| {names} | {flags.get(name, '')} | {row.default or _default(default)} | {_values(default, row)} | {row.effect} |"


def _flags(command: click.Command) -> Mapping[str, str]:
    options = [each for each in command.params if isinstance(each, click.Option) and each.name]
    return {str(each.name): ", ".join(f"`{flag}`" for flag in (*each.opts, *each.secondary_opts)) for each in options}


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if not value and value != 0 else f"`{value}`"


def _values(default: Any, row: SettingRow) -> str:
    if isinstance(default, bool):
        return "`true`, `false`"
    match row.bounds:
        case (least, None):
            return f"{row.values}, at least {least}"
        case (least, most):
            return f"{row.values}, {least} to {most}"
    return row.values


def described() -> tuple[set[str], set[str], set[str]]:
    """Return the names with a row: of the server, of the gateway and of the quotas."""
    return {name for rows in SERVER.values() for name in rows}, set(GATEWAY), set(QUOTAS)


def existing() -> tuple[set[str], set[str], set[str]]:
    """Return the names of the settings of the server, of the gateway and of the quotas."""
    server, own = {each.name for each in fields(Config)}, {each.name for each in fields(GatewaySettings)}
    return server, own - _TABLES_OF_THE_GATEWAY, {each.name for each in fields(Quotas)}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
