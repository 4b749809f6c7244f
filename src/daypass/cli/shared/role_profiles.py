"""Write a profile for each role of a sign-in.

Owns the two forms of such a profile: a credential process, and AWS's own sso_session, which needs no daypass program.
Profiles that Daypass did not write for the server are never changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from daypass.cli.shared.profile_writer import places, process_command, server_endpoints
from daypass.client.credential_request import PREFIX, SETTINGS, CredentialRequest, options_of
from daypass.client.problems import BadUsageError
from daypass.client.profiles.aws_files import Edit
from daypass.client.profiles.aws_files import edit as edit_file
from daypass.client.profiles.ini_edit import Value, section_names, set_options
from daypass.client.profiles.profiles import (
    Profile,
    Profiles,
    ServerEndpoints,
    checked_name,
    config_header,
    section_kind,
)
from daypass.client.sessions.server_sign_in import server_name
from daypass.client.sign_in.sso_api import SCOPE, PortalRole

Form = Literal["process", "sso"]
_OF_SSO = ("sso_session", "sso_account_id", "sso_role_name")


@dataclass(frozen=True, slots=True)
class RoleProfile:
    """A profile of a role, and its state in a run.

    A profile is gone if the person no longer has its role, and taken if all names for it belong to other profiles.
    """

    name: str
    role: PortalRole
    state: Literal["added", "kept", "changed", "gone", "taken"]


@dataclass(frozen=True, slots=True)
class ProfileForm:
    """The settings that all profiles of a server have in common.

    `start_url` is only for sso_session.
    """

    kind: Form
    server: str
    region: str
    s3_url: str = ""
    start_url: str = ""

    @property
    def endpoints(self) -> ServerEndpoints:
        """The services section of the server."""
        found = server_endpoints(self.server, self.s3_url)
        if found is None:
            raise BadUsageError("Name the server with --endpoint-url.")
        return replace(found, signs_in=self.kind == "sso")


def plan_profiles(form: ProfileForm, roles: Sequence[PortalRole], profiles: Profiles) -> tuple[RoleProfile, ...]:
    """Return the profile of each role, and the profiles whose roles are gone."""
    ours = _ours(form, profiles)
    by_role = {role: name for name, role in sorted(ours.items(), reverse=True)}
    taken = set(profiles.by_name)
    counts = Counter(role.name for role in roles)
    found: list[RoleProfile] = []
    for role in roles:
        if role in by_role:
            is_alike = _kind_of(profiles.by_name[by_role[role]]) == form.kind
            found.append(RoleProfile(by_role[role], role, "kept" if is_alike else "changed"))
            continue
        names = (role.name, f"{role.name}-{role.account}")[counts[role.name] > 1 :]
        free = next((name for name in names if name not in taken), "")
        taken.add(free)
        found.append(RoleProfile(free or names[-1], role, "added" if free else "taken"))
    offered = set(roles)
    gone = [RoleProfile(name, role, "gone") for name, role in sorted(ours.items()) if role not in offered]
    return (*found, *gone)


def write_profiles(form: ProfileForm, planned: Sequence[RoleProfile], profiles: Profiles, *, dry_run: bool) -> Edit:
    """Write the profiles in one replacement of the config file."""

    def change(text: str) -> str:
        return _with_profiles(text, form, planned, profiles)

    return edit_file(places().config, change, dry_run=dry_run)


def profile_text(form: ProfileForm, role: PortalRole) -> str:
    """Return the finished profile of a role, with the sections that it needs."""
    return _with_profiles("", form, [RoleProfile(checked_name(role.name), role, "added")], Profiles({}, {}))


def _with_profiles(text: str, form: ProfileForm, planned: Sequence[RoleProfile], profiles: Profiles) -> str:
    endpoints = form.endpoints
    text = set_options(text, f"services {endpoints.section}", endpoints.block)
    if form.kind == "sso":
        session: Mapping[str, Value] = {
            "sso_start_url": form.start_url,
            "sso_region": form.region,
            "sso_registration_scopes": SCOPE,
        }
        header = f"sso-session {endpoints.section}"
        is_there = header in section_names(text)
        text = set_options(text, header, {"sso_start_url": form.start_url} if is_there else session)
    added: list[str] = []
    there = {section_kind(header) for header in section_names(text)}
    for each in planned:
        known = profiles.by_name.get(each.name)
        options = _options(form, each, endpoints.section, known)
        if each.state == "added" and ("profile", each.name) not in there:
            added.append(set_options("", config_header("", each.name), options))
        elif each.state in {"changed", "kept"} and known is not None and not _has(known, options):
            text = set_options(text, config_header(text, each.name), options)
    return _appended(text, added)


def _has(profile: Profile, options: Mapping[str, Value]) -> bool:
    return all(profile.config.get(key) == value for key, value in options.items())


def _appended(text: str, added: Sequence[str]) -> str:
    """Return the text with further sections, in the line ends of the file.

    One edit for each would scan the whole file for each, which takes seconds for hundreds of roles.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    pieces = [text if text.endswith(("\n", "\r")) else text + end] if text else []
    return end.join([*pieces, *(each.replace("\n", end) for each in added)])


def _options(form: ProfileForm, each: RoleProfile, section: str, known: Profile | None) -> dict[str, Value]:
    options: dict[str, Value] = {f"{PREFIX}{setting}": None for setting in SETTINGS} | dict.fromkeys(_OF_SSO)
    options |= {"credential_process": None, "region": form.region, "services": section}
    if known is not None and known.config.get("region"):
        options["region"] = known.config["region"]
    if known is None or "s3" not in known.config:
        options["s3"] = {"signature_version": "s3v4"}
    if form.kind == "sso":
        values = (section, each.role.account, each.role.name)
        return options | dict(zip(_OF_SSO, values, strict=True))
    request = CredentialRequest("portal", endpoint_url=form.server, role_arn=(each.role.arn,))
    return options | {"credential_process": process_command(each.name)} | options_of(request)


def _ours(form: ProfileForm, profiles: Profiles) -> dict[str, PortalRole]:
    """Return the profiles that Daypass wrote for roles of the server."""
    found: dict[str, PortalRole] = {}
    for name, profile in profiles.by_name.items():
        role = _role_of(profile, form)
        if role is not None and not profile.credentials:
            found[name] = role
    return found


def _role_of(profile: Profile, form: ProfileForm) -> PortalRole | None:
    config = profile.config
    if config.get("sso_session") == form.endpoints.section:
        return PortalRole(config.get("sso_account_id", ""), config.get("sso_role_name", ""))
    request = profile.request
    if request is None or request.method != "portal" or len(request.role_arn) != 1:
        return None
    if server_name(request.endpoint_url) != server_name(form.server):
        return None
    parts = request.role_arn[0].split(":")
    return PortalRole(parts[4], parts[-1].rpartition("/")[2]) if len(parts) > 5 else None  # noqa: PLR2004 - of an ARN


def _kind_of(profile: Profile) -> Form:
    return "sso" if profile.config.get("sso_session") else "process"
