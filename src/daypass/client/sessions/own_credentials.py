"""The credentials of AWS's own search.

It searches the environment, a profile without a request, and the machine. Owns the order of the search, the run of a
`credential_process`, and the checks of the keys that are found. A profile with a request, Daypass's own or AWS's role
profile, is not searched here: exchange.py gets its credentials, so botocore never asks for a code and never reads
standard input.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from daypass.client.credentials import Credentials, verify_credentials
from daypass.client.problems import (
    BadUsageError,
    BrowserSignInError,
    ExpiredError,
    LockedError,
    MisconfiguredError,
    NoAnswerError,
    RefusedError,
    SignInNeededError,
    UserFacingError,
)
from daypass.client.profiles.endpoints import profile_at_hand
from daypass.client.profiles.own_keys import (
    CONFIG_FILE,
    CREDENTIALS_FILE,
    ENVIRONMENT,
    environment_keys,
    find_key_faults,
)
from daypass.client.profiles.role_profiles import PROVIDERS, its_own_source, source_without_credentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.sts_call import NO_CREDENTIALS, open_session, split_command, translated_search
from daypass.client.sign_in.token_claims import read_web_identity_file
from daypass.client.text_format import printable, sentence

# The profiles whose credential_process runs now, for the processes that it starts.
RUNNING_PROFILES = "DAYPASS_RUNNING_PROFILES"
_SEPARATOR = "\t"
_PROCESS = "custom-process"
_ROLE = "assume-role"
_WEB_IDENTITY = "assume-role-with-web-identity"
# The machine's providers, which AWS's tools do not search for the source of a role profile.
_OF_MACHINE = frozenset({"ec2-credentials-file", "boto-config", "container-role", "iam-role"})
_KEYS_OF_PERSON = frozenset({CREDENTIALS_FILE, CONFIG_FILE})
# Exit code of Daypass as a credential_process -> the error. cli/shared/exit_codes.py has the numbers.
_BY_CODE: Mapping[int, type[UserFacingError]] = MappingProxyType(
    {
        2: BadUsageError,
        3: SignInNeededError,
        4: RefusedError,
        5: ExpiredError,
        6: MisconfiguredError,
        7: NoAnswerError,
        8: BrowserSignInError,
        9: LockedError,
    }
)
_DAYPASS = "daypass: "


def own_credentials(profile: str, client_context: ClientContext, *, as_source: bool = False) -> tuple[Credentials, str]:
    """Return the credentials of a profile, or of AWS's search without one.

    The second value is botocore's name of the provider. `as_source`: the profile is the source of AWS's role profile,
    so the machine is not searched.
    """
    keys = None if profile else environment_keys(client_context.environment)
    if keys is not None:
        _refuse_faults(client_context, "", frozenset({ENVIRONMENT}))
        return keys, ENVIRONMENT
    at_hand = profile_at_hand(client_context.environment, profile)
    skipped = {_ROLE, ENVIRONMENT, *(_OF_MACHINE if as_source else ())}
    try:
        for provider in _providers(profile):
            if provider.METHOD in skipped:
                continue
            if provider.METHOD == _WEB_IDENTITY:
                _verify_token_file(profile, client_context)
            is_process = provider.METHOD == _PROCESS
            found = _of_process(at_hand, client_context) if is_process else _frozen(provider.load())
            if found is not None:
                return _checked(found, provider.METHOD, at_hand, client_context), provider.METHOD
    except UserFacingError:
        raise
    except Exception as error:
        _refuse_faults(client_context, at_hand, _KEYS_OF_PERSON)
        raise translated_search(error) from error
    if as_source:
        raise source_without_credentials(profile)
    raise SignInNeededError(NO_CREDENTIALS)


def _verify_token_file(profile: str, client_context: ClientContext) -> None:
    """Raise UserFacingError if the token file of the environment or the profile has no token.

    Botocore would name only the parameter. A named profile overrides the environment.
    """
    environment, at_hand = client_context.environment, profile_at_hand(client_context.environment, profile)
    known = client_context.profiles.by_name.get(at_hand)
    path = "" if profile else environment.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    path = path or (known.options.get("web_identity_token_file", "") if known else "")
    if path:
        read_web_identity_file(path)


def provided_credentials(source: str, profile: str, client_context: ClientContext) -> Credentials:
    """Return the credentials of the provider that a profile names."""
    if PROVIDERS[source] == ENVIRONMENT:
        keys = environment_keys(client_context.environment)
        if keys is not None:
            _refuse_faults(client_context, "", frozenset({ENVIRONMENT}))
            return keys
    else:
        method = PROVIDERS[source]
        try:
            providers = [each for each in _providers("") if method == each.METHOD]
            found = _frozen(providers[0].load())
        except Exception as error:
            raise translated_search(error) from error
        if found is not None:
            return _checked(found, PROVIDERS[source], "", client_context)
    raise MisconfiguredError(f"Profile {profile!r}: credential_source {source} has no credentials.")


def _providers(profile: str) -> Any:
    try:
        return open_session(profile).get_component("credential_provider").providers
    except Exception as error:
        raise translated_search(error) from error


def _frozen(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    return {
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "SessionToken": frozen.token,
        "Expiration": getattr(found, "_expiry_time", None),
    }


def _checked(unverified: dict[str, Any], method: str, profile: str, client_context: ClientContext) -> Credentials:
    if method in _KEYS_OF_PERSON:
        _refuse_faults(client_context, profile, frozenset({method}))
    try:
        return verify_credentials(unverified)
    except RefusedError as error:
        noun = str(error).partition("no valid ")[2].partition(".")[0]
        raise MisconfiguredError(
            f"{_say_method(method, profile)} returned no valid {noun}. Correct the source."
        ) from error


def _say_method(method: str, profile: str) -> str:
    return f"The credential_process of profile {profile!r}" if method == _PROCESS else f"The credential source {method}"


def _refuse_faults(client_context: ClientContext, profile: str, sources: frozenset[str]) -> None:
    """Raise the first fault of the keys of these sources."""
    faults = find_key_faults(client_context.environment, client_context.profiles, profile, now=client_context.now())
    for fault in faults:
        if fault.source in sources:
            raise (ExpiredError if fault.has_expired else MisconfiguredError)(f"{fault.words} {fault.remedy}")


def _of_process(name: str, client_context: ClientContext) -> dict[str, Any] | None:
    """Return the output of the credential_process of a profile, or None if it has none."""
    profile = client_context.profiles.by_name.get(name)
    process = profile.options.get("credential_process", "") if profile else ""
    if not process:
        return None
    running = os.environ.get(RUNNING_PROFILES, "").split(_SEPARATOR)
    if name in running:
        # Otherwise the processes start each other without end.
        raise its_own_source(name)
    noun = f"The credential_process of profile {name!r}"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own
            split_command(process),
            env={**os.environ, RUNNING_PROFILES: _SEPARATOR.join([*filter(None, running), name])},
            stdin=subprocess.DEVNULL,  # Our standard input may belong to the command of `daypass exec`.
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or "it is not a valid command"
        raise MisconfiguredError(f"{noun} cannot be run: {why}. Correct it, or install the program.") from error
    if done.returncode:
        raise _failed(noun, done.returncode, done.stderr.decode("utf-8", "replace"))
    try:
        found = json.loads(done.stdout)
        version = found["Version"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise MisconfiguredError(f"{noun} printed a document that is not valid JSON of AWS's format.") from error
    if version != 1:
        raise MisconfiguredError(f"{noun} printed a document whose Version is not 1.")
    return dict(found)


def _failed(noun: str, code: int, stderr: str) -> UserFacingError:
    words = printable(stderr.strip().replace("\n", "; ").replace(":;", ":"))
    if words.startswith(_DAYPASS):
        return _BY_CODE.get(code, MisconfiguredError)(words.removeprefix(_DAYPASS))
    reason = f": {sentence(words)}" if words else f" with exit code {code}."
    return SignInNeededError(f"{noun} failed{reason}")
