"""Get the credentials of a request: from the cache, or from STS, one process at a time.

Owns the order of these steps. exchange.py calls STS; it is imported only if the cache has no valid entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from daypass.client.aws_files import Places
from daypass.client.cache import LEAST, Cache, Entry
from daypass.client.endpoints import find_endpoint, find_region, profile_at_hand
from daypass.client.profiles import Profiles, load_profiles
from daypass.client.prompt import Prompt
from daypass.client.source_keys import source_key
from daypass.client.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Means:
    """The environment, profiles and cache of the client. `proof` is a token or assertion, if known."""

    environment: Mapping[str, str]
    profiles: Profiles
    cache: Cache
    prompt: Prompt
    now: Callable[[], datetime]
    mfa_code: str = ""
    proof: str = ""
    fresh: bool = False
    keeps: bool = True

    @classmethod
    def of(cls, environment: Mapping[str, str], now: Callable[[], datetime], **more: object) -> "Means":
        """Return the client context of this user."""
        profiles = load_profiles(Places.of(environment))
        given = {"prompt": Prompt(), **more}
        return cls(environment, profiles, Cache.of(environment), now=now, **given)  # type: ignore[arg-type] # checked by callers


def completed(wanted: Wanted, means: Means) -> Wanted:
    """Return the request with its endpoint and region set."""
    at_hand = profile_at_hand(means.environment, wanted.profile or wanted.source_profile)
    endpoint = wanted.endpoint_url or find_endpoint(means.environment, means.profiles, at_hand)
    if not endpoint and wanted.source_profile:
        endpoint = find_endpoint(means.environment, means.profiles, wanted.source_profile)
    region = wanted.region or find_region(means.environment, means.profiles, at_hand)
    return replace(wanted, endpoint_url=endpoint, region=region)


def cache_key(wanted: Wanted, means: Means) -> str:
    """Return the cache key of a completed request, or an empty string if it must not be cached."""
    source = source_key(wanted, means.profiles, means.environment, proof=means.proof)
    return wanted.cache_key(source) if source else ""


def obtain(wanted: Wanted, means: Means) -> Entry:
    """Return credentials that are valid for at least fifteen minutes, if STS issues such."""
    wanted = completed(wanted, means)
    if wanted.method == "keys" or not means.keeps:
        return _fetch(wanted, means, "")
    if wanted.method == "oidc" and wanted.token_command and not (wanted.token_file or means.proof):
        from daypass.client.mfa import run_for_text

        means = replace(means, proof=run_for_text(wanted.token_command, "--token-command"))
    key = cache_key(wanted, means)
    if not key:
        return _fetch(wanted, means, "")
    begun = means.now()
    kept = None if means.fresh else means.cache.find(key, now=begun)
    if kept is not None:
        return kept
    if not means.cache.can_keep():
        return _fetch(wanted, means, key)
    with means.cache.alone(key):
        # The previous holder of the lock may have stored the entry. One that is newer than our start is fresh.
        kept = means.cache.find(key, now=means.now())
        if kept is not None and (not means.fresh or (kept.kept is not None and kept.kept >= begun)):
            return kept
        entry = _fetch(wanted, means, key)
        if entry.credentials.lasts(LEAST, now=means.now()):
            means.cache.keep(entry)
        return entry


def with_role_arns(wanted: Wanted, means: Means) -> Wanted:
    """Return the completed request with each role as an ARN, for writing it to a profile."""
    from daypass.client.exchange import found_roles

    wanted = completed(wanted, means)
    return replace(wanted, role_arn=found_roles(wanted, means, lambda inner: obtain(inner, means).credentials))


def _fetch(wanted: Wanted, means: Means, key: str) -> Entry:
    from daypass.client.exchange import exchange

    found = exchange(wanted, means, lambda inner: obtain(inner, replace(means, fresh=False)).credentials)
    return Entry(
        key=key,
        credentials=found.credentials,
        profile=wanted.profile,
        arn=found.arn,
        endpoint_url=wanted.endpoint_url,
        issuer=found.issuer,
        subject=found.subject,
    )
