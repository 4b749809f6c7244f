"""The list of public names is complete: each name of `public_names.py` exists, and no name of `NOT_YET` does.

Renaming internals must not rename any of these. A failing test here is a break for scripts and other tools.
"""

import ast
import json
import re
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from bench.figures import Figure, Round, as_document
from bench.gateway import large_figures_of, small_figures_of
from bench.peers import figures_of_peers
from click.testing import CliRunner
from tests.process.daypass import ROOT, run, serving
from tests.project import public_names
from tests.project.command_tree import commands

from daypass.cli.main import cli
from daypass.cli.shared.exit_codes import Exit
from daypass.config import Config, load_config
from daypass.gateway.settings import GatewaySettings, load_settings
from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.table import METRICS
from daypass.testing import plugin, pytest_plugin
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

_ROOT = Path(__file__).parents[2]
# A value that each setting accepts and that is not its default.
_VALUES: Mapping[str, str] = {
    "audit_sinks": "syslog+tls://logs.example.com",
    "s3_endpoint_url": "https://s3.example.com",
    "host": "::1",
    "port": "7879",
    "workers": "2",
    "drain_seconds": "30",
    "reuse_port": "true",
    "trusted_proxies": "192.0.2.0/24",
    "rotate_keys_days": "30",
    "audit_log_required": "true",
    "log_format": "json",
    "metrics_port": "9000",
    "traces": "true",
    "cache_entries": "1000",
    "stale_seconds": "60",
    "store_connections": "20",
    "gateway_stale_seconds": "30",
    "unsigned_calls_per_minute": "10",
    "connections_per_peer": "8",
    "saml_allow_sha1": "true",
    "sign_in_session_minutes": "720",
    "sign_in_api": "false",
    "saml_one_use": "true",
    "oidc_allowed_networks": "127.0.0.0/8",
    "oidc_enforce_thumbprints": "true",
    "oidc_clients": "https://idp.example.com client",
    "webhook_allowed_networks": "127.0.0.0/8",
    "organization_logo": "/brand/logo.svg",
    "support_url": "https://help.example.com",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server on an SQLite store, for requests and for operators' commands."""
    with running_server(store=f"sqlite:///{tmp_path_factory.mktemp('store') / 'daypass.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def issuer(server: RunningServer) -> str:
    """Return the identifier of the first account's issuer of outbound tokens."""
    enabled = client_factory(server)("iam").enable_outbound_web_identity_federation()
    return str(enabled["IssuerIdentifier"].rpartition("/")[2])


@pytest.mark.parametrize("name", public_names.COMMANDS)
def test_a_command_has_its_options(name: str) -> None:
    """A command exists under its full name and has each option that it had."""
    command = commands()[name]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert set(public_names.COMMANDS[name]) <= options


def test_every_command_is_in_the_table() -> None:
    """A new command and a new option are public names as soon as they exist."""
    missing = []
    for name, command in commands().items():
        known = public_names.COMMANDS.get(name)
        if known is None:
            missing.append(name)
            continue
        options = (option for each in command.params if isinstance(each, click.Option) for option in each.opts)
        missing += [f"{name} {option}" for option in options if option not in known]
    assert not missing, "add these to public_names.COMMANDS"


@pytest.mark.parametrize("name", public_names.SETTINGS)
def test_a_setting_is_read_from_the_environment_and_the_file(name: str) -> None:
    """A setting has its name in the TOML file, and its variable `DAYPASS_<NAME>`."""
    value = _VALUES.get(name, "x")
    needed = {other: "x" for other in ("tls_cert", "tls_key") if name in {"tls_cert", "tls_key"}}
    settings = needed | {name: value}
    from_environment = load_config({}, {f"DAYPASS_{each.upper()}": text for each, text in settings.items()})
    from_file = load_config({}, {}, "\n".join(f'{each} = "{text}"' for each, text in settings.items()))
    assert getattr(from_environment, name) == getattr(from_file, name) != getattr(Config(), name)


def test_settings_of_the_file_alone_are_tables() -> None:
    """A setting that has no variable is a table of the TOML file."""
    tables = {
        "audit_sink": '[[audit_sink]]\ntype = "stdout"\n',
        "login_option": '[[login_option]]\nissuer = "x"\n',
        "quotas": "[quotas]\nroles = 7\n",
    }
    for name in public_names.SETTINGS_OF_THE_FILE_ALONE:
        assert getattr(load_config({}, {}, tables[name]), name) != getattr(Config(), name)


def test_every_setting_is_in_the_table() -> None:
    """A new setting is a public name as soon as it exists."""
    known = {*public_names.SETTINGS, *public_names.SETTINGS_OF_THE_FILE_ALONE}
    assert {each.name for each in fields(Config)} <= known


@pytest.mark.parametrize("name", public_names.DEFAULTS)
def test_a_promised_default_stays(name: str) -> None:
    """A default in the documentation is the default in the code."""
    assert getattr(Config(), name) == public_names.DEFAULTS[name]


def _strings(*trees: str) -> set[str]:
    """Return the string literals of some trees of Python files."""
    return {
        node.value
        for tree in trees
        for path in (_ROOT / tree).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_other_variables_are_read() -> None:
    """Each variable that is not a setting is in the code that reads it."""
    assert set(public_names.VARIABLES) - _strings("src") == set()


@pytest.mark.slow
def test_a_first_start_takes_its_keys_from_the_environment_and_from_files(tmp_path: Path) -> None:
    """The master key and the root key are read from files that variables name, and the account from its variable."""
    secret, master = tmp_path / "secret", tmp_path / "master"
    environment = dict(ROOT)
    secret.write_text(environment.pop("DAYPASS_ROOT_SECRET_ACCESS_KEY"))
    master.write_text("A" * 43 + "=")
    for file in (secret, master):
        file.chmod(0o600)
    environment |= {"DAYPASS_ROOT_SECRET_ACCESS_KEY_FILE": str(secret), "DAYPASS_MASTER_KEY_FILE": str(master)}
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment=environment) as running:
        assert running.client("sts").get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
    assert not (tmp_path / "master.key").exists()


def _status(url: str, method: str) -> int:
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(("method", "path"), public_names.PATHS)
def test_a_path_is_served(server: RunningServer, issuer: str, method: str, path: str) -> None:
    """A path answers its method: with a page, a document, or a refusal that names the missing part."""
    assert _status(server.url + path.format(id=issuer), method) not in {404, 405}


def test_readiness_is_told_in_one_word(server: RunningServer) -> None:
    """A server that can answer says `ready`."""
    with urllib.request.urlopen(f"{server.url}/readyz") as answer:  # noqa: S310 - our own server
        assert answer.read().strip() == b"ready"


def test_a_denial_carries_its_encoded_message(server: RunningServer) -> None:
    """The header `x-daypass-authorization-message` has 60 to 2,048 characters."""
    make = client_factory(server)
    make("iam").create_user(UserName="denied")
    key = make("iam").create_access_key(UserName="denied")["AccessKey"]
    client = make("iam", key)
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.list_users()
    [message] = [
        value
        for name, value in refused.value.response["ResponseMetadata"]["HTTPHeaders"].items()
        if name == "x-daypass-authorization-message"
    ]
    assert 60 <= len(message) <= 2_048


def _members(document: Any, before: str = "") -> Iterator[str]:
    """Yield the path of each member of a document.

    An element of a list has the path of the list.
    """
    if isinstance(document, list):
        for each in document:
            yield from _members(each, before)
    elif isinstance(document, dict):
        for name, value in document.items():
            yield before + name
            yield from _members(value, f"{before}{name}.")


def _document(server: RunningServer, line: str, folder: Path) -> Any:
    """Run a command on the server's store and return the JSON document that it printed."""
    token, response = folder / "token", folder / "response"
    token.write_text("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSJ9.AAAA")
    response.write_text("<Response/>")
    account = server.root.account
    filled = [
        word.format(account=account, root=f"arn:aws:iam::{account}:root", token=token, response=response)
        for word in line.split()
    ]
    shown = CliRunner().invoke(cli, [*filled, "--output", "json", "--store", server.config.store])
    assert shown.stdout, shown.output
    return json.loads(shown.stdout)


@pytest.mark.parametrize("line", public_names.JSON_FIELDS)
def test_a_command_prints_its_members(server: RunningServer, tmp_path: Path, line: str) -> None:
    """`--output json` prints one document with the members that other programs read."""
    if line.startswith("organization") and not _has_organization(server, tmp_path):
        _document(server, "account create --management", tmp_path)
    assert set(public_names.JSON_FIELDS[line]) - set(_members(_document(server, line, tmp_path))) == set()


def _has_organization(server: RunningServer, folder: Path) -> bool:
    accounts = _document(server, "account list", folder)["Accounts"]
    return any(account["Standing"] == "management" for account in accounts)


def test_the_benchmark_writes_its_members() -> None:
    """build/bench.json contains figures with their name, value, unit and ratio."""
    document: Any = as_document([Figure("bare", 1.0, "us")], idle=True)
    assert set(public_names.BENCH_FIELDS) <= set(document["figures"][0])
    assert set(public_names.BENCH_FIGURES) - _strings("bench") == set()


def test_the_benchmark_beside_other_servers_has_its_figures() -> None:
    """build/bench-peers.json has them all where SeaweedFS and Ceph are installed."""
    one_round = [Round(1000, 1.0, 0.1, p50_ms=1.0, p99_ms=1.0)]
    calls, servers = ("get_caller_identity", "assume_role"), ("daypass", "seaweedfs", "ceph")
    figures = figures_of_peers({f"{call}_{server}": one_round for call in calls for server in servers})
    assert set(public_names.PEER_BENCH_FIGURES) - {figure.name for figure in figures} == set()


def test_the_benchmark_of_the_gateway_has_its_figures() -> None:
    """build/bench-gateway.json has them all where nginx is installed."""
    one_round = [Round(1000, 1.0, 0.1, p50_ms=1.0, p99_ms=1.0)]
    small = small_figures_of({"get_4k": one_round, "nginx_get_4k": one_round, "nginx_plain_get_4k": one_round})
    transfers = (f"{way}_1g{tls}" for way in ("get", "put") for tls in ("", "_tls"))
    large = large_figures_of({prefix + name: [1.0] for name in transfers for prefix in ("", "nginx_")})
    names = {figure.name for figure in (*small, *large)} | _strings("bench")
    assert set(public_names.GATEWAY_BENCH_FIGURES) - names == set()


def test_exit_codes_have_their_numbers() -> None:
    """Scripts compare exit codes with numbers."""
    assert {int(code) for code in Exit} == set(public_names.EXIT_CODES)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--no-such-option"], 125),
        (["--", str(_ROOT)], 126),
        (["--", "/no/such/program"], 127),
    ],
)
def test_exec_has_codes_of_its_own(tmp_path: Path, words: list[str], code: int) -> None:
    """`daypass exec` ends with 125, 126 or 127 for a failure that is not the child's."""
    config = tmp_path / "config"
    config.write_text(
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\nregion = eu-west-1\n"
    )
    environment = {"AWS_CONFIG_FILE": str(config), "DAYPASS_CACHE_DIR": str(tmp_path / "cache")}
    assert code in public_names.EXIT_CODES_OF_EXEC
    assert run("exec", *words, environment=environment).returncode == code


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _extras() -> set[str]:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def test_make_targets_and_extras_exist() -> None:
    """`make` has its targets, and the package its extras."""
    assert set(public_names.MAKE_TARGETS) - _targets() == set()
    assert set(public_names.EXTRAS) - _extras() == set()


def _has_fixture(name: str) -> bool:
    return hasattr(plugin if name == "client" else pytest_plugin, name)


def test_the_names_for_tests_exist() -> None:
    """`daypass.testing` has its fixtures, context managers and providers."""
    assert [name for name in public_names.FIXTURES if not _has_fixture(name)] == []
    for name in public_names.TESTING:
        module, _, attribute = name.partition(".")
        assert hasattr(import_module(f"daypass.testing.{module}"), attribute), name


@pytest.mark.parametrize("name", public_names.FILES)
def test_a_file_that_tools_look_for_exists(name: str) -> None:
    """Other programs refer to it by its place in the repository."""
    assert (_ROOT / name).exists()


@pytest.mark.parametrize("name", public_names.GATEWAY_TABLES)
def test_a_table_of_a_gateway_has_its_keys(name: str) -> None:
    """A key is read from the file; those of [gateway] from their variables too."""
    table = public_names.GATEWAY_TABLES[name]
    head = f"[[{name}]]" if "." in name else f"[{name}]"
    lines = "\n".join(f'{key} = "{value}"' for key, value in table.items())
    settings = load_settings({}, {}, f"{head}\n{lines}")
    if "." in name:
        [record] = settings.backends or settings.buckets
        assert {key: getattr(record, key) for key in table} == table
        return
    variables = {f"DAYPASS_GATEWAY_{key.upper()}": value for key, value in table.items() if key != "domains"}
    from_environment = load_settings({}, {**variables, "DAYPASS_GATEWAY_DOMAIN": table["domains"]}, None)
    assert settings == from_environment
    assert all(getattr(settings, key) != getattr(GatewaySettings(), key) for key in table)


def _existing(kind: str, server: RunningServer) -> Callable[[str], bool]:
    """Return the test of whether a name of a kind exists."""
    tests: dict[str, Callable[[str], bool]] = {
        "command": lambda name: name in commands(),
        "option": lambda name: _has_option(*name.rsplit(" ", 1)),
        "setting": lambda name: hasattr(Config(), name),
        "path": lambda name: any(_status(server.url + name, method) not in {404, 405} for method in ("GET", "POST")),
        "extra": lambda name: name in _extras(),
        "make target": lambda name: name in _targets(),
        "fixture": _has_fixture,
        "file": lambda name: (_ROOT / name).exists(),
        "figure of the benchmark": lambda name: name in _strings("bench"),
    }
    return tests[kind]


def _has_option(command: str, option: str) -> bool:
    return any(option in each.opts for each in commands()[command].params)


@pytest.mark.parametrize("name", public_names.VERIFY)
def test_the_names_for_services_exist(name: str) -> None:
    """A service of one's own imports these from daypass.verify and its middlewares."""
    module, _, plain = name.rpartition(".")
    assert hasattr(import_module(".".join(filter(None, ("daypass.verify", module)))), plain)


@pytest.mark.parametrize("kind", public_names.NOT_YET)
def test_a_name_that_is_built_leaves_the_list_of_later_ones(server: RunningServer, kind: str) -> None:
    """A name of `NOT_YET` that exists moves into its table, because it is guarded only there."""
    exists = _existing(kind, server)
    built = [name for name in public_names.NOT_YET[kind] if exists(name)]
    assert not built, f"move each {kind} into its table"


def test_metrics() -> None:
    """Dashboards and alert rules name metrics and labels."""
    assert {name: row.labels for name, row in METRICS.items()} == public_names.METRICS
    own = {name: row.labels for name, row in GATEWAY_METRICS.items() if name not in METRICS}
    assert own == public_names.GATEWAY_METRICS
