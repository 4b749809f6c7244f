"""Read profiles, and write profiles that AWS tools can use.

Owns the meaning of sections. aws_files.py reads and replaces files. ini_edit.py, which edits the text, is imported only
to write, since a credential process that returns cached credentials must be quick.
Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files" and "Service-specific endpoints".
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daypass.client.credential_request import CredentialRequest, request_from
from daypass.client.operating_system import join_command
from daypass.client.problems import BadUsageError, MisconfiguredError
from daypass.client.profiles.aws_files import Edit, Places, edit, read_sections
from daypass.client.sha256 import sha256_hex

if TYPE_CHECKING:
    from daypass.client.profiles.ini_edit import Value

_NAME = re.compile(r"[A-Za-z0-9._@:/+=,-]{1,128}")
SECRETS = frozenset({"aws_secret_access_key", "aws_session_token", "aws_security_token"})
KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile.

    It has settings in both files.
    """

    name: str
    config: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def options(self) -> dict[str, str]:
        """All settings. The credentials file has priority."""
        return {**self.config, **self.credentials}

    @property
    def request(self) -> CredentialRequest | None:
        """The credential request of the profile, or None.

        Returns None if Daypass does not manage the profile.
        """
        return request_from(self.name, self.config)

    def fingerprint(self) -> str:
        """Return a digest that changes with any setting of the profile."""
        content = json.dumps([self.name, self.options], sort_keys=True).encode("utf-8", "surrogatepass")
        return sha256_hex(content)


@dataclass(frozen=True, slots=True)
class ServerEndpoints:
    """The services section of a server: its name and the URLs in it.

    `s3_url` is the URL of the server's S3 gateway, or empty to keep the one in the section. With `signs_in` the section
    also has the services with which AWS's own tools sign in.
    """

    section: str
    url: str
    s3_url: str = ""
    signs_in: bool = False

    @property
    def block(self) -> "dict[str, Value]":
        """The settings of the section."""
        urls = {"sts": self.url, "iam": self.url, "s3": self.s3_url}
        if self.signs_in:
            urls |= dict.fromkeys(("sso", "sso_oidc", "signin"), self.url)
        return {service: {"endpoint_url": url} for service, url in urls.items() if url}


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles, the service sections and the SSO sessions."""

    by_name: Mapping[str, Profile]
    services: Mapping[str, Mapping[str, str]]
    sso_sessions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def get(self, name: str) -> Profile:
        """Return a profile. Raises MisconfiguredError if it does not exist."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise MisconfiguredError(
                f"Profile {name!r} does not exist. Known profiles: {known}. Run `daypass profile add` to create one."
            )
        return self.by_name[name]

    def service_endpoint(self, profile: Profile, service: str) -> str:
        """Return the service's URL in the profile's services section.

        It is empty if it is not there.
        """
        return self.named_endpoint(profile.options.get("services", ""), service)

    def named_endpoint(self, name: str, service: str) -> str:
        """Return the service's URL in a services section, or an empty string."""
        block = self.services.get(name, {}).get(service, "")
        match = re.search(r"^\s*endpoint_url\s*=\s*(\S+)", block, re.MULTILINE)
        return match[1] if match else ""


def load_profiles(places: Places, *, strict: bool = False) -> Profiles:
    """Read both files.

    With `strict` a file that AWS's own tools cannot read raises MisconfiguredError. The commands that repair profiles
    read it nevertheless.
    """
    config, services, sso_sessions = {}, {}, {}
    for header, options in read_sections(places.config, strict=strict).items():
        kind, name = section_kind(header)
        if kind == "profile":
            config[name] = options
        elif kind == "services":
            services[name] = options
        elif kind == "sso-session":
            sso_sessions[name] = options
    credentials = read_sections(places.credentials, strict=strict)
    names = [*config, *(name for name in credentials if name not in config)]
    by_name = {name: Profile(name, config.get(name, {}), credentials.get(name, {})) for name in names}
    return Profiles(by_name, services, sso_sessions)


def section_kind(header: str) -> tuple[str, str]:
    """Return the kind and the name of a section header of the config file."""
    if header == "default":
        return "profile", "default"
    try:
        words = shlex.split(header)
    except ValueError:
        return "", header
    if len(words) == 2:  # noqa: PLR2004 - a kind and a name
        return words[0], words[1]
    return "", header


def checked_name(name: str) -> str:
    """Return the name of a new profile if it is valid. Raises BadUsageError."""
    if not _NAME.fullmatch(name):
        raise BadUsageError(f"{name!r} is not a valid profile name; use letters, digits and . _ - @ : / + = ,")
    return name


def config_header(text: str, name: str) -> str:
    """Return the header of a profile in the config file.

    It may be a new one.
    """
    from daypass.client.profiles.ini_edit import section_names

    for header in section_names(text):
        if section_kind(header) == ("profile", name):
            return header
    return "default" if name == "default" else f"profile {checked_name(name)}"


def write_config(
    places: Places, name: str, options: Mapping[str, "Value"], *, server: ServerEndpoints | None = None, dry_run: bool
) -> Edit:
    """Set options of a profile in the config file.

    With a server, the profile gets the server's services section, which is written too, and Signature Version 4 for
    S3: some clients presign with version 2 in old regions, and the gateway refuses that. A profile that states its
    version keeps it.
    """
    from daypass.client.profiles.ini_edit import set_options

    profile = load_profiles(places).by_name.get(name)
    added: dict[str, Value] = {}
    if server is not None:
        added["services"] = server.section
        if not re.search(r"^\s*signature_version\s*=", profile.config.get("s3", "") if profile else "", re.MULTILINE):
            added["s3"] = {"signature_version": "s3v4"}

    def change(text: str) -> str:
        if server is not None:
            text = set_options(text, f"services {server.section}", server.block)
        return set_options(text, config_header(text, name), {**options, **added})

    return edit(places.config, change, dry_run=dry_run)


def write_keys(places: Places, name: str, options: Mapping[str, "Value"], *, dry_run: bool) -> Edit:
    """Set options of a profile in the credentials file."""
    from daypass.client.profiles.ini_edit import set_options

    header = name if name == "default" else checked_name(name)
    return edit(places.credentials, lambda text: set_options(text, header, options), dry_run=dry_run)


def remove(places: Places, name: str, *, dry_run: bool = False) -> list[Edit]:
    """Remove a profile from both files."""
    from daypass.client.profiles.ini_edit import remove_section

    return [
        edit(places.config, lambda text: remove_section(text, config_header(text, name)), dry_run=dry_run),
        edit(places.credentials, lambda text: remove_section(text, name), dry_run=dry_run),
    ]


def rename(places: Places, old: str, new: str, *, dry_run: bool = False) -> list[Edit]:
    """Rename a profile in both files, and in the settings that refer to it."""
    from daypass.client.profiles.ini_edit import rename_section, set_options

    profiles = load_profiles(places)
    profiles.get(old)
    if new in profiles.by_name:
        raise BadUsageError(f"Profile {new!r} already exists. Remove it first, or choose another name.")
    header = "default" if new == "default" else f"profile {checked_name(new)}"

    def in_config(text: str) -> str:
        text = rename_section(text, config_header(text, old), header)
        for profile in profiles.by_name.values():
            changes = _renamed_references(profile, old, new)
            if changes:
                name = new if profile.name == old else profile.name
                text = set_options(text, config_header(text, name), changes)
        return text

    return [
        edit(places.config, in_config, dry_run=dry_run),
        edit(places.credentials, lambda text: rename_section(text, old, new), dry_run=dry_run),
    ]


def _renamed_references(profile: Profile, old: str, new: str) -> dict[str, "Value"]:
    changes: dict[str, Value] = {
        key: new for key in ("source_profile", "daypass_source_profile") if profile.config.get(key) == old
    }
    process = profile.config.get("credential_process", "")
    suffix = f" {join_command(('--profile', old))}"
    if profile.name == old and "credential-process" in process and process.endswith(suffix):
        changes["credential_process"] = f"{process.removesuffix(suffix)} {join_command(('--profile', new))}"
    return changes
