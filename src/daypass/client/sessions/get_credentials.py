"""Get the credentials of a request from the cache or from STS.

One process does this at a time. Owns the order of the steps. exchange.py, which calls STS, is imported only if the
cache has no valid entry.
"""

from dataclasses import replace
from datetime import datetime

from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import MisconfiguredError
from daypass.client.profiles.chains import find_chain_fault
from daypass.client.profiles.endpoints import find_endpoint, find_region, profile_at_hand
from daypass.client.sessions.cache import LEAST, CachedCredentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.role_accounts import with_accounts
from daypass.client.sessions.source_keys import long_term_key, source_key


def with_endpoint(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the request with its endpoint and region set."""
    at_hand = profile_at_hand(client_context.environment, request.profile or request.source_profile)
    endpoint = request.endpoint_url or find_endpoint(client_context.environment, client_context.profiles, at_hand)
    if not endpoint and request.source_profile:
        endpoint = find_endpoint(client_context.environment, client_context.profiles, request.source_profile)
    region = request.region or find_region(client_context.environment, client_context.profiles, at_hand)
    return replace(request, endpoint_url=endpoint, region=region)


def cache_key(request: CredentialRequest, client_context: ClientContext) -> str:
    """Return the cache key of a completed request.

    It is empty if the request must not be cached.
    """
    source = _source_of(request, client_context)
    key_id = long_term_key(request, client_context.profiles, client_context.environment)
    if source and key_id and request.method in {"role", "session", "federation"}:
        # A key identifies its owner, whether it is in the environment or in a profile of any name.
        source = f"key {key_id}"
    return request.cache_key(source) if source else ""


def _former_key(request: CredentialRequest, client_context: ClientContext) -> str:
    source = _source_of(request, client_context)
    return request.former_cache_key(source) if source else ""


def _source_of(request: CredentialRequest, client_context: ClientContext) -> str:
    return source_key(request, client_context.profiles, client_context.environment, proof=client_context.proof)


def get_credentials(request: CredentialRequest, client_context: ClientContext) -> CachedCredentials:
    """Return credentials that are valid for at least fifteen minutes.

    They last less if STS does not issue such credentials.
    """
    _verify_chain(request, client_context)
    request = with_endpoint(request, client_context)
    if request.method == "keys" or not client_context.keeps:
        return _fetch(request, client_context, "")
    if request.method == "oidc" and request.token_command and not (request.token_file or client_context.proof):
        from daypass.client.sign_in.mfa import token_of_command

        client_context = replace(client_context, proof=token_of_command(request.token_command))
    if request.method == "portal":
        return _of_sign_in(request, client_context)
    started = client_context.now()
    former = _former_key(request, client_context)
    if not former:
        return _fetch(request, client_context, "")
    kept = None if client_context.fresh else client_context.cache.find(former, now=started)
    if kept is not None:
        return kept
    request = with_accounts(request, client_context, lambda named: _role_arns(named, client_context))
    key = cache_key(request, client_context)
    kept = None if client_context.fresh else client_context.cache.find(key, now=started)
    if kept is not None:
        return _shared(kept, request, client_context)
    return _refresh(request, client_context, key, started)


def find_cached(request: CredentialRequest, client_context: ClientContext) -> CachedCredentials | None:
    """Return the credentials that get_credentials would find cached, or None.

    It only reads files. It also returns None if get_credentials might do more than that: run a program, unlock the
    keyring, ask STS for an account, or record a profile that uses the entry of another.
    """
    _verify_chain(request, client_context)
    request = with_endpoint(request, client_context)
    runs_a_program = request.method in {"keys", "oidc"} or client_context.cache.keyring
    if runs_a_program or not client_context.keeps or client_context.fresh:
        return None
    now = client_context.now()
    if request.method == "portal":
        from daypass.client.sessions.server_sign_in import SignInStore

        signed_in = SignInStore(client_context.cache).find_id(request.endpoint_url)
        return _find_own(request, client_context, request.cache_key(f"sign-in {signed_in}"), now) if signed_in else None
    former = _former_key(request, client_context)
    if not former:
        return None
    kept = client_context.cache.find(former, now=now)
    if kept is not None:
        return kept
    try:
        request = with_accounts(request, client_context, _unresolved)
    except _UnresolvedError:
        return None
    return _find_own(request, client_context, cache_key(request, client_context), now)


def _find_own(
    request: CredentialRequest, client_context: ClientContext, key: str, now: datetime
) -> CachedCredentials | None:
    """Return an entry that the requested profile uses already."""
    kept = client_context.cache.find(key, now=now)
    is_own = kept is not None and (not request.profile or request.profile in kept.profiles)
    return kept if is_own else None


class _UnresolvedError(Exception):
    """Only STS knows the account of a role."""


def _unresolved(request: CredentialRequest) -> tuple[str, ...]:  # noqa: ARG001 - the form of a resolver
    raise _UnresolvedError


def _verify_chain(request: CredentialRequest, client_context: ClientContext) -> None:
    """Raise MisconfiguredError if the chain of the signing profile does not end at credentials."""
    name = request.profile or request.source_profile
    if not name and not client_context.environment.get("AWS_ACCESS_KEY_ID"):
        name = profile_at_hand(client_context.environment)
    fault = find_chain_fault(client_context.profiles, name)
    if fault:
        raise MisconfiguredError(fault)


def _of_sign_in(request: CredentialRequest, client_context: ClientContext) -> CachedCredentials:
    from daypass.client.sessions.server_sign_in import SignInStore

    started = client_context.now()
    signed_in = SignInStore(client_context.cache).find_id(request.endpoint_url)
    if not signed_in:
        return _fetch(request, client_context, "")
    key = request.cache_key(f"sign-in {signed_in}")
    kept = None if client_context.fresh else client_context.cache.find(key, now=started)
    return _refresh(request, client_context, key, started) if kept is None else _shared(kept, request, client_context)


def _refresh(
    request: CredentialRequest, client_context: ClientContext, key: str, started: datetime
) -> CachedCredentials:
    if request.mfa_command:
        from daypass.client.sign_in.mfa import refuse_running

        refuse_running(request.mfa_command, "--mfa-command")  # before the lock, which the other process has
    if not client_context.cache.can_keep():
        return _fetch(request, client_context, key)
    with client_context.cache.alone(key):
        # The lock's previous holder may have stored it: an entry newer than our start is fresh.
        kept = client_context.cache.find(key, now=client_context.now())
        if kept is not None and (not client_context.fresh or (kept.kept is not None and kept.kept >= started)):
            return _shared(kept, request, client_context)
        entry = _fetch(request, client_context, key)
        if entry.credentials.lasts(LEAST, now=client_context.now()):
            client_context.cache.keep(entry)
        return entry


def _shared(entry: CachedCredentials, request: CredentialRequest, client_context: ClientContext) -> CachedCredentials:
    """Return the entry, which the requested profile uses from now on."""
    if request.profile and request.profile not in entry.profiles:
        client_context.cache.share(entry.key, request.profile)
    return entry


def with_role_arns(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the completed request with each role as an ARN."""
    request = with_endpoint(request, client_context)
    return replace(request, role_arn=_role_arns(request, client_context))


def _role_arns(request: CredentialRequest, client_context: ClientContext) -> tuple[str, ...]:
    from daypass.client.sessions.exchange import found_roles

    return found_roles(request, client_context, get_credentials)


def _fetch(request: CredentialRequest, client_context: ClientContext, key: str) -> CachedCredentials:
    if request.method == "portal" and len(request.role_arn) == 1:
        # Without botocore, whose import takes longer than the call.
        from daypass.client.sessions.server_sign_in import from_sign_in

        return from_sign_in(request, client_context, key)
    from daypass.client.sessions.exchange import exchange

    found = exchange(request, client_context, get_credentials)
    return CachedCredentials(
        key=key,
        credentials=found.credentials,
        profile=request.profile or (request.source_profile if request.method == "session" else ""),
        arn=found.arn,
        endpoint_url=request.endpoint_url,
        issuer=found.issuer,
        subject=found.subject,
        source=_signer_of(request, client_context),
    )


def _signer_of(request: CredentialRequest, client_context: ClientContext) -> str:
    """Return the key ID that signs a request, else its source profile, else an empty string."""
    if request.method not in {"role", "session", "federation"}:
        return ""
    key_id = long_term_key(request, client_context.profiles, client_context.environment)
    return key_id or request.source_profile
