"""From what is wanted to credentials: out of the cache, or from STS, one process at a time.

Owns the order. How STS is called is exchange.py's, which is imported only when the cache has no answer.
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
    """What there is to work with. `proof` is a token or an assertion that is already at hand."""

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
        """Return the means of this user."""
        profiles = load_profiles(Places.of(environment))
        given = {"prompt": Prompt(), **more}
        return cls(environment, profiles, Cache.of(environment), now=now, **given)  # type: ignore[arg-type] # checked by callers


def completed(wanted: Wanted, means: Means) -> Wanted:
    """Return what is wanted with its endpoint and region filled in."""
    at_hand = profile_at_hand(means.environment, wanted.profile or wanted.source_profile)
    endpoint = wanted.endpoint_url or find_endpoint(means.environment, means.profiles, at_hand)
    if not endpoint and wanted.source_profile:
        endpoint = find_endpoint(means.environment, means.profiles, wanted.source_profile)
    region = wanted.region or find_region(means.environment, means.profiles, at_hand)
    return replace(wanted, endpoint_url=endpoint, region=region)


def cache_key(wanted: Wanted, means: Means) -> str:
    """Return the key of a completed wish, or nothing where its answer may not be kept."""
    source = source_key(wanted, means.profiles, means.environment, proof=means.proof)
    return wanted.cache_key(source) if source else ""


def obtain(wanted: Wanted, means: Means) -> Entry:
    """Return credentials that last fifteen minutes at least, if STS gives such."""
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
        # Whoever held the lock has perhaps just done our work. What was kept after we were asked is fresh.
        kept = means.cache.find(key, now=means.now())
        if kept is not None and (not means.fresh or (kept.kept is not None and kept.kept >= begun)):
            return kept
        entry = _fetch(wanted, means, key)
        if entry.credentials.lasts(LEAST, now=means.now()):
            means.cache.keep(entry)
        return entry


def with_role_arns(wanted: Wanted, means: Means) -> Wanted:
    """Return what is wanted, completed, with every role by its ARN, as it is written into a profile."""
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
