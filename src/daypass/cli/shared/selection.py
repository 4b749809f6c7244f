"""Make the credential request and the client context of a command.

Owns how the options of a command for people and the profile make the request. It does not import click, so that
credentials from the cache can be printed without it. session_options.py has the options.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import BadUsageError, MisconfiguredError
from daypass.client.profiles.aws_files import Places, is_temporary
from daypass.client.profiles.endpoints import profile_at_hand
from daypass.client.profiles.role_profiles import find_request
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials
from daypass.client.sessions.source_keys import signing_profile


@dataclass(frozen=True, slots=True)
class Selection:
    """The credential request that the options make, and the client context."""

    request: CredentialRequest
    client_context: ClientContext

    def get_credentials(self) -> Any:
        """Return the cache entry with the credentials."""
        return get_credentials(self.request, self.client_context)

    @property
    def name(self) -> str:
        """Return the name for people: the role's or the profile's."""
        request = self.request
        if request.role_arn and not request.profile:
            return request.role_arn[-1].rpartition("/")[2]
        return request.profile or request.source_profile or "default"


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def select(method: str, given: dict[str, Any], roles: tuple[str, ...] = ()) -> Selection:
    """Return the credential request of a command's options."""
    client_context = means_of(given)
    roles = (*roles, *given.pop("roles", ()))
    place = {name: given[name] for name in ("endpoint_url", "region") if given[name]}
    fields = CredentialRequest.__dataclass_fields__
    further = {name: value for name, value in given.items() if name in fields and value and name not in place}
    further.pop("profile", None)
    if method in _WITHOUT_ROLE and not roles:
        request = _of_profile(given["profile"], client_context, {**place, **further}, _WITHOUT_ROLE[method])
        return Selection(request, client_context)
    method = "role" if method in _WITHOUT_ROLE else method
    request = CredentialRequest(method, source_profile=given["profile"], role_arn=roles, **place, **further)
    return Selection(_with_profile_mfa(request, client_context), client_context)


def with_session(selection: Selection) -> Selection:
    """Return the selection of a session, also for a long-term key.

    A session of such a key has MFA if the options or the profile name a device.
    """
    request, context = selection.request, selection.client_context
    if request.method != "keys":
        return selection
    if selection.get_credentials().credentials.session_token:
        if request.mfa_serial or request.mfa_command or context.mfa_code:
            raise BadUsageError("These credentials are a session already. Omit the --mfa options.")
        return selection
    session = replace(request, method="session", profile="")
    return replace(selection, request=_with_profile_mfa(session, context))


def means_of(given: dict[str, Any], **more: Any) -> ClientContext:
    """Return the client context, and remove its options from `given`."""
    from daypass.client.prompt import Prompt

    return ClientContext.of(
        os.environ,
        now,
        prompt=Prompt(allowed=not given.pop("no_input", False)),
        keeps=not given.pop("no_cache", False),
        fresh=given.pop("fresh", False),
        mfa_code=given.pop("mfa_code", ""),
        repairs=given.pop("repairs", False),
        **more,
    )


# The options that a command accepts without a role, for keys that are not Daypass's.
_WITHOUT_ROLE: Mapping[str, frozenset[str]] = {
    "role": frozenset({"endpoint_url", "region"}),
    "scope": frozenset({"endpoint_url", "region", "mfa_serial", "mfa_code", "mfa_command"}),
}


def _of_profile(
    name: str, client_context: ClientContext, further: dict[str, Any], accepted: frozenset[str]
) -> CredentialRequest:
    """Return a profile's own request, else one for AWS's credential search."""
    known = client_context.profiles.by_name
    if name and name not in known:
        if is_temporary(Places.of(client_context.environment).config):
            raise MisconfiguredError(
                f"Profile {name!r} does not exist for the command of `daypass exec` or `daypass shell`, which has no "
                "other credentials. Leave the command, and try again."
            )
        client_context.profiles.get(name)
    wanted = CredentialRequest("keys", source_profile=name)
    own = find_request(known.get(signing_profile(wanted, client_context.environment)))
    if own is not None:
        return replace(own, **further)
    given = {*further, *(["mfa_code"] if client_context.mfa_code else [])}
    strange = sorted(given - accepted)
    if strange:
        raise BadUsageError(f"--{strange[0].replace('_', '-')} needs a role. Name one with --role.")
    return replace(wanted, **further)


def _with_profile_mfa(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the request with the MFA device of the source profile's mfa_serial."""
    name = request.source_profile
    if not name and not client_context.environment.get("AWS_ACCESS_KEY_ID"):
        name = profile_at_hand(client_context.environment)
    source = client_context.profiles.by_name.get(name)
    if request.source_profile and source is None:
        raise MisconfiguredError(
            f"Profile {request.source_profile!r} does not exist. Run `daypass profile list` to see all profiles."
        )
    uses_mfa = request.method in {"role", "session"}
    if source is None or request.mfa_serial or source.options.get("role_arn") or not uses_mfa:
        return request
    return replace(request, mfa_serial=source.options.get("mfa_serial", ""))
