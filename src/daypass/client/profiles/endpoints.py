"""Find the endpoint URL and the region as AWS's SDKs do.

The URL is part of the cache key. Pure. Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints", order
of precedence.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from daypass.client.profiles.profiles import Profiles


def find_endpoint(environment: Mapping[str, str], profiles: Profiles, profile: str, service: str = "sts") -> str:
    """Return the configured URL, or an empty string for AWS itself."""
    own = profiles.by_name.get(profile)
    if own and own.options.get("daypass_endpoint_url"):
        return own.options["daypass_endpoint_url"]
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    candidates = (
        environment.get(f"AWS_ENDPOINT_URL_{service.upper()}"),
        profiles.service_endpoint(own, service) if own else "",
        environment.get("AWS_ENDPOINT_URL"),
        own.options.get("endpoint_url") if own else "",
    )
    return next((url for url in candidates if url), "")


def find_s3_endpoint(environment: Mapping[str, str], profiles: Profiles, profile: str) -> str:
    """Return the S3 gateway of a profile's services section.

    It is empty without such a gateway, and if the environment states the endpoint: every tool sees that by itself.
    """
    own = profiles.by_name.get(profile)
    if own is None or environment.get("AWS_ENDPOINT_URL_S3"):
        return ""
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    return profiles.service_endpoint(own, "s3")


def known_servers(environment: Mapping[str, str], profiles: Profiles) -> tuple[str, ...]:
    """Return the servers in the profiles that are not AWS's.

    They are sorted, without duplicates.
    """
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ()
    return tuple(sorted({url.rstrip("/") for url in _every_endpoint(profiles) if url and not _is_of_aws(url)}))


def _every_endpoint(profiles: Profiles) -> Iterator[str]:
    for name in profiles.services:
        yield profiles.named_endpoint(name, "sts")
    for profile in profiles.by_name.values():
        yield profile.options.get("daypass_endpoint_url", "")
        yield profile.options.get("endpoint_url", "")


def _is_of_aws(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False  # List the malformed URL, so that the person sees it.
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def is_http_url(url: str) -> bool:
    """Return whether an endpoint is a URL that clients can use."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.query:  # STS would read it as parameters of the call
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)


def profile_at_hand(environment: Mapping[str, str], profile: str = "") -> str:
    """Return the given profile, else the environment's, else `default`."""
    return profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"


def named_at_hand(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the profile of the environment as a tuple.

    It is empty if the variable is not set.
    """
    named = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    return (named,) if named else ()


def find_region(environment: Mapping[str, str], profiles: Profiles, profile: str) -> str:
    """Return the configured region, or us-east-1.

    Every signature needs a region.
    """
    own = profiles.by_name.get(profile)
    candidates = (
        environment.get("AWS_REGION"),
        environment.get("AWS_DEFAULT_REGION"),
        own.options.get("region") if own else "",
    )
    return next((region for region in candidates if region), "us-east-1")
