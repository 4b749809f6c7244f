"""The output formats of credentials: four shells, the AWS files, and JSON.

Owns the table FORMS and the quoting in each format. Values must match the pattern of our own credentials, so that a
form cannot insert other text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from daypass.errors import InvalidParameterValue

_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
_SECRET = re.compile(r"[A-Za-z0-9+/]{40}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{1,16000}")
_ENDS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|\+00:00)")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLAIN_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=./-]+")
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]/_~-]+")


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """Temporary credentials of one role, their profile name and their server.

    `region` is a served one: AWS tools need a region. `s3_endpoint` is the URL of the S3 gateway, or empty.
    """

    key_id: str
    secret: str
    token: str
    ends: str
    name: str
    endpoint: str
    region: str = "us-east-1"
    s3_endpoint: str = ""

    def __post_init__(self) -> None:
        checks = (
            (_KEY_ID, self.key_id),
            (_SECRET, self.secret),
            (_TOKEN, self.token),
            (_ENDS, self.ends),
            (_NAME, self.name),
            (_URL, self.endpoint),
            (_REGION, self.region),
            (_URL, self.s3_endpoint or self.endpoint),
        )
        if not all(pattern.fullmatch(text) for pattern, text in checks):
            raise InvalidParameterValue("These are not credentials of this server.")

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables.

        Only STS and IAM use this endpoint, and S3 that of the gateway.
        """
        found = {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_STS": self.endpoint,
            "AWS_ENDPOINT_URL_IAM": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class CredentialFormat:
    """One output format: its label, its file name and its writer."""

    label: str
    file: str
    write: Callable[[RoleCredentials], str]


def _each(line: str) -> Callable[[RoleCredentials], str]:
    # Checked above: values contain no quote, blank or character that a shell expands.
    def write(credentials: RoleCredentials) -> str:
        return "".join(line.format(name, value) + "\n" for name, value in credentials.variables.items())

    return write


def _profile(credentials: RoleCredentials) -> str:
    return (
        f"# until {credentials.ends}\n[{credentials.name}]\n"
        f"aws_access_key_id = {credentials.key_id}\n"
        f"aws_secret_access_key = {credentials.secret}\n"
        f"aws_session_token = {credentials.token}\n"
    )


def _json(credentials: RoleCredentials) -> str:
    document = {
        "Version": 1,
        "AccessKeyId": credentials.key_id,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.token,
        "Expiration": credentials.ends,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def sign_in_command(credentials: RoleCredentials, role: str, method: str) -> str:
    """Return the `daypass login` command for these credentials.

    It works in every shell: a role whose path a shell would expand is omitted, and chosen on the page.
    """
    which = f" --role {role}" if _PLAIN_ROLE.fullmatch(role) else ""
    return f"daypass login {method} --endpoint-url {credentials.endpoint}{which}"


def _services_block(credentials: RoleCredentials) -> str:
    """Return the ~/.aws/config sections with the endpoint of this server.

    The services section is named after the server, as by `daypass login`: people may use several.
    """
    server = server_section(credentials.endpoint)
    urls = {"sts": credentials.endpoint, "iam": credentials.endpoint, "s3": credentials.s3_endpoint}
    return (
        f"[profile {credentials.name}]\nregion = {credentials.region}\nservices = {server}\n"
        f"s3 =\n  signature_version = s3v4\n\n[services {server}]\n"
        + "".join(f"{service} =\n  endpoint_url = {url}\n" for service, url in urls.items() if url)
    )


SHELLS: Mapping[str, CredentialFormat] = {
    "sh": CredentialFormat("sh, bash, zsh", "aws.sh", _each("export {}='{}'")),
    "fish": CredentialFormat("fish", "aws.fish", _each("set -gx {} '{}'")),
    "powershell": CredentialFormat("PowerShell", "aws.ps1", _each("$Env:{} = '{}'")),
    "cmd": CredentialFormat("cmd", "aws.cmd", _each('set "{}={}"')),
}
FORMS: Mapping[str, CredentialFormat] = {
    **SHELLS,
    "profile": CredentialFormat("credentials file", "credentials", _profile),
    "config": CredentialFormat("config file", "config", _services_block),
    "json": CredentialFormat("JSON", "credentials.json", _json),
}


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """A profile for AWS's clients, which get the credentials themselves."""

    role: str
    account: str
    start_url: str
    region: str


def server_section(endpoint: str) -> str:
    """Return the name of a server's sections in ~/.aws/config.

    People may use several servers.
    """
    return "daypass-" + re.sub(r"[^a-z0-9.-]+", "-", urlsplit(endpoint).netloc.lower()).strip("-")


def client_profile(profile: ClientProfile, *, endpoint: str, s3_endpoint: str) -> str:
    """Return the ~/.aws/config sections of a profile for `aws sso login`.

    Source: AWS CLI User Guide, "Configuring IAM Identity Center authentication with the AWS CLI"; AWS SDKs and Tools
    Reference Guide, "Service-specific endpoints".
    """
    server = server_section(endpoint)
    services = ("sso_oidc", "sso", "signin", "sts", "iam")
    urls = {**dict.fromkeys(services, endpoint), "s3": s3_endpoint}
    return (
        f"[profile {profile.role}]\nsso_session = {server}\nsso_account_id = {profile.account}\n"
        f"sso_role_name = {profile.role}\nregion = {profile.region}\nservices = {server}\n\n"
        f"[sso-session {server}]\nsso_region = {profile.region}\nsso_start_url = {profile.start_url}\n"
        f"sso_registration_scopes = sso:account:access\n\n[services {server}]\n"
        + "".join(f"{service} =\n  endpoint_url = {url}\n" for service, url in urls.items() if url)
    )
