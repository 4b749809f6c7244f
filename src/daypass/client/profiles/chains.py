"""Find the fault in a chain of source profiles.

Pure. A chain is what `source_profile`, `daypass_source_profile` and Daypass's own `credential_process` lead to. Owns
the rule that it ends at credentials: a profile that is its own source, a source that does not exist, and a source
without credentials are faults. Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider".
"""

from dataclasses import dataclass

from daypass.client.operating_system import split_command
from daypass.client.problems import UserFacingError
from daypass.client.profiles.profiles import Profile, Profiles
from daypass.client.profiles.role_profiles import find_request
from daypass.client.text_format import printable

_COMMAND = "credential-process"
# A setting of a profile that AWS's tools take as its own credentials.
_OWN = ("aws_access_key_id", "web_identity_token_file", "sso_session", "sso_start_url", "login_session")


@dataclass(frozen=True, slots=True)
class SourceLink:
    """The setting by which a profile names its source, and that source."""

    setting: str
    source: str


def find_source_link(profile: Profile, *, is_source: bool = False) -> SourceLink | None:
    """Return the link to the source of a profile, or None if it has none.

    Keys override a credential process, and in a source they override a role too, as in AWS's tools.
    """
    options = profile.options
    if is_source and options.get("aws_access_key_id"):
        return None
    if options.get("role_arn") and options.get("source_profile") and not options.get("web_identity_token_file"):
        source = options["source_profile"]
        # AWS's tools allow a role whose own profile has the keys that assume it.
        if source == profile.name and options.get("aws_access_key_id"):
            return None
        return SourceLink("source_profile", source)
    if any(options.get(name) for name in _OWN):
        return None
    return _link_of_ours(profile)


def _link_of_ours(profile: Profile) -> SourceLink | None:
    try:
        request = profile.request
    except UserFacingError:
        return None
    if request is not None:
        needs_keys = request.method in {"role", "session", "federation"} and request.source_profile
        return SourceLink("daypass_source_profile", request.source_profile) if needs_keys else None
    named = profile_of_process(profile.options.get("credential_process", ""))
    return SourceLink("credential_process", named) if named else None


def profile_of_process(process: str) -> str:
    """Return the profile for which a credential process runs Daypass.

    It is empty for another program, and for Daypass without a profile.
    """
    try:
        words = split_command(process)
    except ValueError:
        return ""
    if not words or words[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") != "daypass":
        return ""
    if _COMMAND not in words:
        return ""
    for position, word in enumerate(words):
        if word == "--profile" and position + 1 < len(words):
            return words[position + 1]
        if word.startswith("--profile="):
            return word.partition("=")[2]
    after = words[words.index(_COMMAND) + 1 :]
    return after[0] if after and not after[0].startswith("-") else ""


def find_chain_fault(profiles: Profiles, name: str) -> str:
    """Return the fault in the chain of a profile as a sentence.

    It is empty if the chain ends at credentials.
    """
    seen: list[str] = []
    setting = ""
    while True:
        profile = profiles.by_name.get(name)
        if profile is None:
            return _missing(seen, setting, name) if seen else ""
        if name in seen:
            return _loop(seen[seen.index(name) :], setting)
        if seen and not _has_credentials(profile):
            return (
                f"Profile {_quoted(seen[-1])} uses {_quoted(name)} as its source ({setting}), which has no "
                f"credentials. Add its keys with `daypass profile add`, or change {setting}."
            )
        fault = "" if seen and profile.options.get("aws_access_key_id") else _own_fault(profile)
        if fault:
            return fault
        link = find_source_link(profile, is_source=bool(seen))
        seen.append(name)
        if link is None:
            return ""
        name, setting = link.source, link.setting


def _quoted(name: str) -> str:
    return repr(printable(name))


def _missing(seen: list[str], setting: str, name: str) -> str:
    return (
        f"Profile {_quoted(seen[-1])} uses {_quoted(name)} as its source ({setting}). Profile {printable(name)} does "
        f"not exist. Add it, or change {setting}."
    )


def _loop(names: list[str], setting: str) -> str:
    last = names[-1]
    if len(names) == 1:
        return (
            f"Profile {_quoted(last)} uses itself as its source ({setting}). Change its {setting} to a profile with "
            "credentials."
        )
    path = " > ".join(printable(each) for each in [*names, names[0]])
    return (
        f"Profile {_quoted(names[0])} uses itself as its source: {path}. Change the {setting} of {printable(last)} to "
        "a profile with credentials."
    )


def _has_credentials(profile: Profile) -> bool:
    options = profile.options
    if any(options.get(each) for each in (*_OWN, "credential_process", "credential_source")):
        return True
    if options.get("role_arn") and options.get("source_profile"):
        return True
    try:
        return profile.request is not None
    except UserFacingError:
        return True  # Its own finding names the setting.


def _own_fault(profile: Profile) -> str:
    """Return the fault of the profile's own request, such as a role that has no source or two."""
    try:
        find_request(profile)
    except UserFacingError as problem:
        return str(problem)
    return ""
