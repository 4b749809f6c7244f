"""Settings of a gateway: sources, checks and messages."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from daypass.config import ConfigurationError, load_config
from daypass.gateway.buckets.buckets import BucketMapping
from daypass.gateway.settings import (
    BackendSetting,
    BackendUrl,
    GatewaySettings,
    Listen,
    check,
    load_settings,
    parse_backend_url,
    read_backend_key,
)
from daypass.key_files import why_refused
from daypass.verify.services.routes import Route

FILE = """
[gateway]
listen = "127.0.0.1:7000"
domains = ["s3.example.com", "S3.Example.Org."]
account = "111122223333"
audit_reads = 0.25
self_check = false

[[gateway.backend]]
name = "ceph1"
url = "https://ceph.example.com/base/"
key_file = "/run/ceph.key"
profile = "moto"
region = "eu-west-1"
ca_bundle = "/etc/ca.pem"

[[gateway.bucket]]
match = "team-a-*"
account = "111122223333"
backend = "ceph1"

[[verify.route]]
host = "inventory.example.com"
method = "GET"
path = "/items/{item}"
service = "inventory"
action = "inventory:GetItem"
resource = "arn:aws:inventory:us-east-1:111122223333:item/{item}"
"""
ROUTE = Route(
    "GET",
    "/items/{item}",
    "inventory:GetItem",
    "arn:aws:inventory:us-east-1:111122223333:item/{item}",
    "inventory.example.com",
)
FLAGS = {"backend": "http://127.0.0.1:8333", "backend_key_file": "/k", "profile": "seaweedfs"}


def test_the_file_sets_everything() -> None:
    """Tables of backends, buckets and routes are read; strings and lists are parsed."""
    settings = load_settings({}, {}, FILE)
    assert settings == GatewaySettings(
        listen=Listen("127.0.0.1", 7000),
        domains=("s3.example.com", "s3.example.org"),
        account="111122223333",
        audit_reads=0.25,
        self_check=False,
        backends=(
            BackendSetting(
                "ceph1", "https://ceph.example.com/base/", "/run/ceph.key", "moto", "eu-west-1", "/etc/ca.pem"
            ),
        ),
        buckets=(BucketMapping("team-a-*", "111122223333", "ceph1"),),
        routes=(("inventory", ROUTE),),
    )
    check(replace(settings, verify_listen=Listen("127.0.0.1", 7882)), load_config({}, {}, FILE))


def test_flags_beat_the_environment_which_beats_the_file() -> None:
    """The order of every other setting."""
    environment = {"DAYPASS_GATEWAY_LISTEN": "127.0.0.1:7001", "DAYPASS_GATEWAY_DOMAIN": "a.example"}
    assert load_settings({}, environment, FILE).listen.port == 7001
    settings = load_settings({"listen": "127.0.0.1:7002", "domains": None}, environment, FILE)
    assert (settings.listen.port, settings.domains) == (7002, ("a.example",))


def test_one_backend_needs_no_file() -> None:
    """--backend with its options is a backend, before those of the file."""
    assert load_settings(FLAGS, {}, None).backends == (
        BackendSetting("default", "http://127.0.0.1:8333", "/k", "seaweedfs"),
    )
    assert [one.name for one in load_settings(FLAGS, {}, FILE).backends] == ["default", "ceph1"]


@pytest.mark.parametrize(
    ("flags", "environment", "toml", "message"),
    [
        ({}, {}, "", "a gateway needs --backend"),
        ({"backend": "http://h"}, {}, "", "--backend needs --backend-key-file"),
        ({"profile": "moto"}, {}, "", "--backend-key-file and --profile need --backend"),
        ({"listen": "7880"}, {}, "", "--listen cannot be '7880': it must be HOST:PORT"),
        ({"listen": "h:70000"}, {}, "", "--listen cannot be 'h:70000'"),
        ({}, {"DAYPASS_GATEWAY_ACCOUNT": "12"}, "", "DAYPASS_GATEWAY_ACCOUNT cannot be '12': an account id has 12"),
        ({"domains": "http://s3"}, {}, "", "--domain cannot be"),
        ({**FLAGS, "listen": "0.0.0.0:7880"}, {}, "", "0.0.0.0 is not a loopback address, so TLS is needed"),
        ({**FLAGS, "admin_listen": "0.0.0.0:7881"}, {}, "", "--admin-listen 0.0.0.0:7881 is not a loopback"),
        ({**FLAGS, "verify_listen": "[::]:7882"}, {}, "", "--verify-listen [::]:7882 is not a loopback address"),
        ({**FLAGS, "tls_cert": "c"}, {}, "", "--tls-cert and --tls-key must be set together"),
        ({**FLAGS, "profile": "nfs"}, {}, "", "the backend default has an unknown profile: nfs. The profiles are"),
        ({**FLAGS, "server": "https://d"}, {}, "", "--server needs --identity-profile"),
        ({**FLAGS, "backend": "ftp://h"}, {}, "", "must begin with http:// or https://"),
        ({**FLAGS, "backend": "http://u:p@h"}, {}, "", "contains a user: put the key in a key file"),
        ({**FLAGS, "backend": "http://h/?x=1"}, {}, "", "must not have a query"),
        ({**FLAGS, "backend": "http://h:x"}, {}, "", "has an invalid URL"),
        ({}, {}, "[gateway]\nnothing = 1", "unknown setting: gateway.nothing"),
        ({}, {}, "gateway = 1", "gateway in the configuration file must be a table"),
        ({}, {}, "[gateway]\nbackend = 1", "must be tables: [[gateway.backend]]"),
        ({}, {}, "[verify]\nroute = 1", "must be tables: [[verify.route]]"),
        ({}, {}, "[[gateway.backend]]\nname = 'a'", "[[gateway.backend]] needs url"),
        ({}, {}, "[[gateway.backend]]\nname = 1\nurl = 'u'\nkey_file = 'k'", "name must be a string"),
        ({}, {}, "[[gateway.bucket]]\nmatch = 'a'\naccount = '1'", "an account id has 12 digits"),
        ({}, {}, "[[gateway.bucket]]\nmatch = 'a'\nowner = '1'", "has an unknown key: owner"),
        (
            FLAGS,
            {},
            "[[gateway.bucket]]\nmatch = 'a'\naccount = '111122223333'\nbackend = 'b'",
            "[[gateway.bucket]] a: there is no backend b",
        ),
        (
            FLAGS,
            {},
            FILE.replace('backend = "ceph1"', ""),
            "[[gateway.bucket]] team-a-* needs backend: there are several backends",
        ),
        (FLAGS, {}, FILE.replace('"ceph1"', '"default"'), "the backend default is defined twice"),
        ({}, {}, "[gateway]\naudit_reads = 2", "it must be between 0 and 1"),
        ({**FLAGS, "identity_profile": "edge"}, {}, "", "--identity-profile needs --server"),
        ({**FLAGS, "domains": "s3 example"}, {}, "", "it must be a host name such as s3.example.com"),
        ({}, {}, "[gateway]\nself_check = 1", "it must be true or false"),
    ],
)
def test_a_wrong_setting_is_refused(
    flags: dict[str, str], environment: dict[str, str], toml: str, message: str
) -> None:
    """The message names the setting and what is valid."""
    with pytest.raises(ConfigurationError) as refused:
        check(load_settings(flags, environment, toml), load_config({}, environment, toml))
    assert message in str(refused.value)


def test_trusted_proxies_allow_a_listener_without_tls() -> None:
    """TLS then ends at the proxy."""
    config = load_config({}, {"DAYPASS_TRUSTED_PROXIES": "10.0.0.0/8"})
    check(load_settings({**FLAGS, "listen": "0.0.0.0:7880"}, {}, None), config)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:8333", BackendUrl(False, "127.0.0.1", 8333, "127.0.0.1:8333", "")),
        ("https://s3.example.com", BackendUrl(True, "s3.example.com", 443, "s3.example.com", "")),
        ("https://s3.example.com:443/", BackendUrl(True, "s3.example.com", 443, "s3.example.com", "")),
        ("http://[::1]:80/base/", BackendUrl(False, "::1", 80, "[::1]", "/base")),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: BackendUrl) -> None:
    """The Host header has the port only if it is not the scheme's."""
    assert parse_backend_url(BackendSetting("a", url, "k")) == parts


# ---- key files


@pytest.mark.parametrize(
    ("mode", "is_own", "refused"),
    [
        (0o600, True, False),
        (0o400, True, False),
        (0o640, True, True),  # the user can run chmod
        (0o440, False, False),  # Kubernetes: root's file, readable by fsGroup
        (0o460, False, True),
        (0o444, False, True),
        (0o604, True, True),
        (0o601, True, True),
        (0o602, True, True),
    ],
)
def test_permissions_of_key_files(mode: int, *, is_own: bool, refused: bool) -> None:
    """The table of INTERFACE: others never, the group only to read another owner's file."""
    assert bool(why_refused(stat.S_IFREG | mode, is_own=is_own)) is refused


def key_file(folder: Path, content: str, mode: int = 0o600) -> BackendSetting:
    """Return a backend with a key file of that content."""
    path = folder / "store.key"
    path.write_text(content)
    path.chmod(mode)
    return BackendSetting("a", "http://h", str(path))


def test_the_key_of_a_store_is_read_from_its_file(tmp_path: Path) -> None:
    """Its secret is not shown."""
    content = json.dumps({"AccessKeyId": "AK", "SecretAccessKey": "very-secret"})
    key = read_backend_key(key_file(tmp_path, content))
    assert (key.access_key_id, key.secret, key.region) == ("AK", "very-secret", "us-east-1")
    assert "very-secret" not in repr(key)


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ('{"AccessKeyId": "AK", "SecretAccessKey": "very-secret"}', 0o644, "is open to other users: run `chmod 600"),
        ('{"AccessKeyId": "AK", "SecretAccessKey": "very-secret"', 0o600, "must be JSON"),
        ('{"AccessKeyId": "AK", "SecretAccessKey": ""}', 0o600, "must be JSON"),
        ('{"SecretAccessKey": "very-secret"}', 0o600, "must be JSON"),
        ('["very-secret"]', 0o600, "must be JSON"),
        ("very-secret" * 1000, 0o600, "is too long"),
    ],
)
def test_a_wrong_key_file_is_refused(tmp_path: Path, content: str, mode: int, message: str) -> None:
    """No message repeats the content."""
    with pytest.raises(ConfigurationError) as refused:
        read_backend_key(key_file(tmp_path, content, mode))
    assert message in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A directory is not a key file either."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match=str(path)):
            read_backend_key(BackendSetting("a", "http://h", os.fspath(path)))


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:7880"),
        ({"DAYPASS_PUBLIC_URL": "https://sts.example.com"}, ""),
        ({"DAYPASS_PUBLIC_URL": "https://sts.example.com", "DAYPASS_S3_ENDPOINT_URL": "https://s3.x/"}, "https://s3.x"),
    ],
)
def test_new_profiles_get_the_gateway_that_clients_reach(environment: dict[str, str], url: str) -> None:
    """The default address counts only for a server that clients on the same machine use."""
    assert load_config({}, environment).s3_url == url


def test_the_url_of_the_gateway_cannot_contain_other_text() -> None:
    """It is printed in commands for shells."""
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT_URL"):
        load_config({}, {"DAYPASS_S3_ENDPOINT_URL": "https://x/$(id)"})
