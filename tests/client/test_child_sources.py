"""`daypass exec`: the command reaches the given credentials alone, whatever the files and the environment have."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.session
import pytest
from tests.client.inside import enter as enter_environment
from tests.client.inside import type_in
from tests.client.machine import ACCOUNT, Machine
from tests.components import find_program, node_packages

from daypass.client.credentials import Credentials, container_form, instant
from daypass.client.profiles.aws_files import TEMPORARY, Places
from daypass.client.profiles.profiles import load_profiles
from daypass.client.programs.child_environment import CLEARED, cleared, place, surroundings
from daypass.client.programs.child_files import child_config, own_files
from daypass.client.programs.container_endpoint import serving_credentials

GIVEN = "ASIAGIVENGIVENGIVEN0"
OTHER = "AKIAOTHEROTHEROTHER0"
KEYS = f"aws_access_key_id = {OTHER}\naws_secret_access_key = x\n"
PROCESS = '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "x"}' % OTHER  # noqa: UP031 - braces
ROLE = f"role_arn = arn:aws:iam::{ACCOUNT}:role/other\n"
CHOSEN = (
    "[profile chosen]\nregion = garage\noutput = text\nca_bundle = /ca.pem\nservices = mine\nretry_mode = adaptive\n"
    "s3 =\n  signature_version = s3v4\n  addressing_style = path\n"
    "credential_process = daypass\ndaypass_method = session\naws_access_key_id = no\n"
    "[services mine]\nsts =\n  endpoint_url = http://127.0.0.1:7/\ns3 =\n  endpoint_url = http://127.0.0.1:8/\n"
)

# What the person's machine has -> the files below the home, and the variables. {home} is the home.
FOUND: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nothing else": ({}, {}),
    "keys in the credentials file": ({".aws/credentials": f"[default]\n{KEYS}"}, {}),
    "keys in the config file": ({".aws/config": f"[default]\n{KEYS}"}, {}),
    "profile of the name default": ({".aws/config": f"[profile default]\n{KEYS}"}, {}),
    "role with a source": (
        {".aws/config": f"[default]\n{ROLE}source_profile = s\n", ".aws/credentials": f"[s]\n{KEYS}"},
        {},
    ),
    "role with MFA": (
        {
            ".aws/config": f"[default]\n{ROLE}source_profile = s\nmfa_serial = arn:aws:iam::{ACCOUNT}:mfa/m\n",
            ".aws/credentials": f"[s]\n{KEYS}",
        },
        {},
    ),
    "role of the environment": (
        {".aws/config": f"[default]\n{ROLE}credential_source = Environment\n"},
        {"AWS_ACCESS_KEY_ID": OTHER, "AWS_SECRET_ACCESS_KEY": "x"},
    ),
    "credential process": ({".aws/config": f"[default]\ncredential_process = echo '{PROCESS}'\n"}, {}),
    "web identity": (
        {".aws/config": f"[default]\n{ROLE}web_identity_token_file = {{home}}/token\n", "token": "e30.e30.e30"},
        {},
    ),
    "SSO": (
        {
            ".aws/config": "[default]\nsso_account_id = 1\nsso_role_name = r\nsso_session = s\n"
            "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://sso.example\n"
        },
        {},
    ),
    "login session": ({".aws/config": f"[default]\nlogin_session = arn:aws:iam::{ACCOUNT}:user/o\n"}, {}),
    "boto of the home": ({".boto": f"[Credentials]\n{KEYS}"}, {}),
    "BOTO_CONFIG": ({"b": f"[Credentials]\n{KEYS}"}, {"BOTO_CONFIG": "{home}/b"}),
    "AWS_CREDENTIAL_FILE": (
        {"legacy": f"AWSAccessKeyId={OTHER}\nAWSSecretKey=x\n"},
        {"AWS_CREDENTIAL_FILE": "{home}/legacy"},
    ),
    "files named by variables": (
        {"c": f"[default]\n{KEYS}", "d": f"[default]\n{KEYS}"},
        {"AWS_CONFIG_FILE": "{home}/c", "AWS_SHARED_CREDENTIALS_FILE": "{home}/d"},
    ),
    "AWS_PROFILE": ({".aws/credentials": f"[other]\n{KEYS}"}, {"AWS_PROFILE": "other"}),
    "AWS_DEFAULT_PROFILE": ({".aws/credentials": f"[other]\n{KEYS}"}, {"AWS_DEFAULT_PROFILE": "other"}),
    "keys of the environment": (
        {},
        {"AWS_ACCESS_KEY_ID": OTHER, "AWS_SECRET_ACCESS_KEY": "x", "AWS_SECURITY_TOKEN": "t"},
    ),
    "expiry of the environment": ({}, {"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z", "AWS_ACCOUNT_ID": "1"}),
    "web identity of the environment": (
        {"token": "e30.e30.e30"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": ROLE.split()[2]},
    ),
    "container": (
        {},
        {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/other",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token",
        },
    ),
    "metadata of the machine": ({}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/"}),
    "metadata that is on": ({}, {"AWS_EC2_METADATA_DISABLED": "false"}),
}
BY_KEYS = {"AWS_ACCESS_KEY_ID": GIVEN, "AWS_SECRET_ACCESS_KEY": "g", "AWS_SESSION_TOKEN": "t"}


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Return the function that makes an environment the one of this process."""
    return lambda environment: enter_environment(monkeypatch, {**environment, "HOME": str(tmp_path)})


def dirty(home: Path, kind: str) -> dict[str, str]:
    """Write the files of a kind, and return its variables."""
    files, variables = FOUND[kind]
    for name, text in {".aws/config": "", **files}.items():
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("{home}", str(home)))
    with (home / ".aws/config").open("a") as config:
        config.write(CHOSEN)
    return {name: value.replace("{home}", str(home)) for name, value in variables.items()}


def config_of(home: Path) -> str:
    """Return the config file of a command that runs with the profile `chosen`."""
    profiles = load_profiles(Places(home / ".aws/config", home / "none"))
    return child_config(profiles.by_name["chosen"].options, profiles.services)


@pytest.mark.parametrize("served", [False, True], ids=["keys", "server"])
@pytest.mark.parametrize("kind", FOUND)
def test_a_program_finds_the_given_credentials_alone(
    kind: str, *, served: bool, tmp_path: Path, enter: Callable[[dict[str, str]], None]
) -> None:
    """The search of botocore ends at the given ones, and without them it finds none."""
    inherited = dirty(tmp_path, kind)
    form = {"AccessKeyId": GIVEN, "SecretAccessKey": "g", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    with own_files(config_of(tmp_path), mark=TEMPORARY) as files, serving_credentials(lambda: form, "token") as url:
        container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token"}
        added = {**(container if served else BY_KEYS), **files, "DAYPASS_SESSION": "chosen"}
        enter(surroundings(inherited, added))
        found = botocore.session.Session().get_credentials()
        assert found is not None
        assert found.get_frozen_credentials()[:3] == (GIVEN, "g", "t")
        assert found.method == ("container-role" if served else "env")
        enter(surroundings(inherited, dict(files)))
        assert botocore.session.Session().get_credentials() is None
        assert botocore.session.Session().available_profiles == ["default"]
    assert not Path(files["AWS_CONFIG_FILE"]).exists()


def test_keys_without_an_expiry_are_served_too(tmp_path: Path, enter: Callable[[dict[str, str]], None]) -> None:
    """Botocore and other clients need an expiry from an endpoint: it is an hour later."""
    at = datetime.now(UTC)
    form = container_form(Credentials(GIVEN, "g"), now=at)
    assert form["Expiration"] == instant(at + timedelta(hours=1))
    assert form["Token"] == ""
    dirty(tmp_path, "keys in the credentials file")
    with own_files(config_of(tmp_path), mark=TEMPORARY) as files, serving_credentials(lambda: form, "token") as url:
        container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token"}
        enter(surroundings({}, {**container, **files}))
        found = botocore.session.Session().get_credentials()
        assert found is not None
        assert found.get_frozen_credentials()[:3] == (GIVEN, "g", "")


def test_a_program_gets_the_other_settings_of_the_profile(
    tmp_path: Path, enter: Callable[[dict[str, str]], None]
) -> None:
    """Region, endpoints, certificates and nested blocks, as botocore reads them."""
    dirty(tmp_path, "keys in the config file")
    with own_files(config_of(tmp_path), mark=TEMPORARY) as files:
        enter({**BY_KEYS, **files})
        session = botocore.session.Session()
        assert session.get_config_variable("region") == "garage"
        assert session.get_config_variable("ca_bundle") == "/ca.pem"
        assert session.get_scoped_config()["output"] == "text"
        assert session.get_scoped_config()["s3"] == {"signature_version": "s3v4", "addressing_style": "path"}
        assert not {"credential_process", "daypass_method", "aws_access_key_id"} & set(session.get_scoped_config())
        assert session.full_config["services"]["mine"]["s3"]["endpoint_url"] == "http://127.0.0.1:8/"
        assert session.create_client("sts", verify=False).meta.endpoint_url == "http://127.0.0.1:7/"


@pytest.mark.parametrize(
    ("name", "url", "stays"),
    [
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "http://127.0.0.1:7", False),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "", True),
        ("AWS_BEARER_TOKEN_NEWSERVICE", "", False),
        ("AWS_SSO_SESSION", "", False),
        ("DAYPASS_RUNNING_PROFILES", "", False),
        ("AWS_CA_BUNDLE", "", True),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:7", True),
    ],
)
def test_a_variable_stays_unless_it_leads_elsewhere(name: str, url: str, *, stays: bool) -> None:
    """A given session never goes to an endpoint that it is not for."""
    added = place(endpoint_url=url, s3_url="", region="eu-west-1", name="x")
    assert (name in surroundings({name: "true"}, added)) == stays


def test_env_unset_names_what_exec_removes(machine: Machine) -> None:
    """Both use the same table."""
    lines = machine.good("env", "--unset", "--shell", "sh", AWS_BEARER_TOKEN_NEWSERVICE="x").out.splitlines()
    assert {f"unset {name}" for name in (*CLEARED, "AWS_BEARER_TOKEN_NEWSERVICE")} == set(lines)
    assert cleared(["AWS_CREDENTIAL_FILE", "PATH"], {}) == ["AWS_CREDENTIAL_FILE"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("credential-process", "--profile", "ann"), "Leave the command"),
        (("profile", "set", "default", "region=eu-west-1"), "is removed when its command ends"),
    ],
)
def test_daypass_in_a_command_says_why_profiles_are_missing(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A profile that was added there would be lost."""
    dirty(tmp_path, "nothing else")
    with own_files(config_of(tmp_path), mark=TEMPORARY) as files:
        enter_environment(monkeypatch, surroundings({}, {**BY_KEYS, **files, "HOME": str(tmp_path)}))
        done = type_in(words, monkeypatch, capfd)
    assert (done.code, said in done.err) == (6, True), done


BOTO3 = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
JAVASCRIPT = (
    "import('@aws-sdk/client-sts').then(async ({STSClient, GetCallerIdentityCommand}) =>"
    " console.log((await new STSClient({}).send(new GetCallerIdentityCommand({}))).Arn))"
)


@pytest.mark.slow
@pytest.mark.parametrize("server", [(), ("--server",)], ids=["keys", "server"])
def test_real_clients_are_the_role_and_not_the_default_profile(machine: Machine, server: tuple[str, ...]) -> None:
    """With keys in [default], boto's own file and an old variable: all are of the user, and the command is the role."""
    keys = machine.credentials.read_text().replace("[ann]", "[default]")
    with machine.credentials.open("a") as credentials:
        credentials.write(keys)
    (machine.home / ".boto").write_text(keys.replace("[default]", "[Credentials]"))
    clients = [f'python3 -c "{BOTO3}"', "aws sts get-caller-identity --query Arn --output text"]
    if find_program("node") and (node_packages() / "node_modules/@aws-sdk/client-sts").is_dir():
        clients.append(f'cd {node_packages()}; node -e "{JAVASCRIPT}"')
    words = ("exec", "--profile", "ann", "--role", "deploy", *server, "--", "sh", "-c", "; ".join(clients))
    done = machine.good(*words, AWS_PROFILE="ann", BOTO_CONFIG=str(machine.home / ".boto"))
    deploy = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"
    assert [line.startswith(deploy) for line in done.out.splitlines()] == [True] * len(clients), done
