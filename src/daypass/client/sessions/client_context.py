"""The context of the commands for people.

Owns the value (environment, profiles, cache, prompt and clock) and how it is built for this user.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.profiles import Profiles, load_profiles
from daypass.client.prompt import Prompt
from daypass.client.sessions.cache import CredentialCache


@dataclass(frozen=True, slots=True)
class ClientContext:
    """The environment, profiles and cache of the client.

    `proof` is a token or assertion, if known. `visited` are the profiles whose source is wanted.
    """

    environment: Mapping[str, str]
    profiles: Profiles
    cache: CredentialCache
    prompt: Prompt
    now: Callable[[], datetime]
    mfa_code: str = ""
    proof: str = ""
    fresh: bool = False
    keeps: bool = True
    visited: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str], now: Callable[[], datetime], **more: object) -> "ClientContext":
        """Return the client context of this user.

        With `repairs` it reads files that AWS's own tools cannot read too, for the commands that change profiles.
        """
        profiles = load_profiles(Places.of(environment), strict=not more.pop("repairs", False))
        given = {"prompt": Prompt(), **more}
        return cls(environment, profiles, CredentialCache.of(environment), now=now, **given)  # type: ignore[arg-type] # checked by callers
