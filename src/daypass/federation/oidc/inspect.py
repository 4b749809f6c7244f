"""Report, check by check, how STS would verify a token.

Owns the report behind `daypass token inspect`. It runs the operation's own checks, but goes on after a failed one, and
never raises for any input. cli/ prints the report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from daypass.errors import Fault, ValidationError
from daypass.federation.oidc.claims import ROLES_CLAIM, UNNAMED_ROLES, read_identity, require_any_role
from daypass.federation.oidc.extra_claims import Value
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import ProviderTerms
from daypass.federation.oidc.token import BAD_ALGORITHM, UnverifiedToken, read_segment, read_token, without_line_end
from daypass.federation.oidc.verify import CLAIM_CHECKS, verify_signature, verify_token
from daypass.federation.proof_length import WEB_IDENTITY_TOKEN
from daypass.federation.report import CheckOutcome, CheckResult, InspectionReport

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MISSING = "its input is missing"

# The first place to look when a check fails.
HINTS: Mapping[str, str] = {
    "form": "Pass the ID token alone: three parts with dots, no Bearer, no line break, not an opaque access token.",
    "provider": "Create an OpenID Connect provider whose URL is the token's iss, to the character.",
    "signature": "The key set at the issuer's jwks_uri must contain the token's kid, with use sig and a fitting alg.",
    "required claims": "The issuer must put iss, sub, aud, iat and exp into the token.",
    "purpose": "This is a logout or event token; ask the issuer for an ID token.",
    "issuer": "The provider's URL and iss must be equal, with or without the slash at the end.",
    "subject": "sub must be a string of 1 to 255 characters without control characters.",
    "audience": "Add the token's audience (azp if there is one, else aud) to the provider's client ids.",
    "timestamps": "iat, exp and nbf must be whole seconds since 1970.",
    "issued at": "The issuer's clock is more than five minutes ahead of ours. Synchronise both (NTP).",
    "not before": "Wait until nbf. If the issuer's clock is ahead of ours, synchronise both (NTP).",
    "expiry": "The token expired more than five minutes ago. Get a new one, or check both clocks.",
    "claims for STS": (
        "See the tags, roles and source_identity claims under https://aws.amazon.com/, and the claims that the "
        "ContextProvider of the provider names."
    ),
}

# These replace those above if the cause is clear: one error of STS may have different remedies.
CLOSER_HINTS: Mapping[str, str] = {
    BAD_ALGORITHM: "Let the issuer sign this client's tokens with RS256 or ES256, not with its secret.",
    UNNAMED_ROLES: f"Let the issuer put ARNs of this account's roles into {ROLES_CLAIM}, or omit it.",
}
_LENGTH = "STS takes 4 to 20,000 characters: let the issuer omit claims that STS does not read, such as groups."


@dataclass(frozen=True, slots=True)
class MissingInput:
    """Why a report has no provider or no keys, and STS's answer to that."""

    why_no_provider: str = "no provider was given"
    provider_refusal: Fault | None = None
    why_no_keys: str = _MISSING
    keys_refusal: Fault | None = None


NOT_GIVEN = MissingInput()


def inspect_token(
    text: str, *, provider: ProviderTerms | None, keys: KeySet | None, now: datetime, missing: MissingInput = NOT_GIVEN
) -> InspectionReport:
    """Report on a token, as a caller would send it.

    Checks without their provider or keys are skipped. `missing` says why there are no keys.
    """
    try:
        WEB_IDENTITY_TOKEN.require(text)  # STS counts the end of the line too.
        found = read_token(without_line_end(text))
    except Fault as fault:
        return _unreadable(text, fault)
    checks = [CheckResult("form", CheckOutcome.PASSED), _provider_check(provider, missing)]
    checks.append(_signature_check(found, keys, missing))
    checks.extend(_claim_checks(found, provider, now))
    condition_keys: Mapping[str, Value] = {}
    tags: Mapping[str, str] = {}
    if provider is not None and keys is not None and all(check.outcome is CheckOutcome.PASSED for check in checks):
        last, condition_keys, tags = _understand(found, provider, keys, now)
        checks.append(last)
    header = _decode(text.partition(".")[0])
    return replace(_report(checks, header, found.unverified_claims, condition_keys), tags=tags)


def _report(
    checks: Sequence[CheckResult],
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    condition_keys: Mapping[str, Value] = _NOTHING,
) -> InspectionReport:
    # In the order of STS, which stops at the first failure. It also fails where an input is missing.
    first = next((check for check in checks if check.code), None)
    code, message = ("", "") if first is None else (first.code, first.message)
    found = partial(
        InspectionReport,
        "token",
        tuple(checks),
        unverified_header=header,
        unverified_claims=claims,
        condition_keys=condition_keys,
    )
    outcomes = {check.outcome for check in checks}
    if CheckOutcome.FAILED in outcomes:
        return found("refused", code, message)
    return found("unknown" if CheckOutcome.SKIPPED in outcomes else "accepted", code, message)


def _signature_check(found: UnverifiedToken, keys: KeySet | None, missing: MissingInput) -> CheckResult:
    if keys is None:
        return _skipped("signature", missing.why_no_keys, missing.keys_refusal)
    try:
        verify_signature(found, keys)
    except Fault as fault:
        return _failed("signature", fault)
    return CheckResult("signature", CheckOutcome.PASSED)


def _claim_checks(found: UnverifiedToken, provider: ProviderTerms | None, now: datetime) -> list[CheckResult]:
    # Without the required claims the later checks have no input.
    checks: list[CheckResult] = []
    possible = provider is not None
    for name, check in CLAIM_CHECKS.items():
        result = _run(name, possible, partial(_apply, check, found, provider, now))
        checks.append(result)
        if name in {"required claims", "timestamps"} and result.outcome is CheckOutcome.FAILED:
            possible = False
    return checks


def _apply(
    check: Callable[[Mapping[str, Any], ProviderTerms, int], None],
    found: UnverifiedToken,
    provider: ProviderTerms | None,
    now: datetime,
) -> None:
    if provider is not None:
        check(found.unverified_claims, provider, int(now.timestamp()))


def _understand(
    found: UnverifiedToken, provider: ProviderTerms, keys: KeySet, now: datetime
) -> tuple[CheckResult, Mapping[str, Value], Mapping[str, str]]:
    try:
        identity = read_identity(verify_token(found, keys=keys, provider=provider, now=now), provider)
        require_any_role(identity)
    except Fault as fault:
        return _failed("claims for STS", fault), {}, {}
    propagated = {} if identity.propagated is None else identity.propagated.condition_keys
    shown = {**identity.condition_keys, **propagated}
    return CheckResult("claims for STS", CheckOutcome.PASSED), shown, dict(identity.tags)


def _provider_check(provider: ProviderTerms | None, missing: MissingInput) -> CheckResult:
    if provider is None:
        return _skipped("provider", missing.why_no_provider, missing.provider_refusal, HINTS["provider"])
    return CheckResult("provider", CheckOutcome.PASSED)


def _skipped(name: str, why: str, refusal: Fault | None, hint: str = "") -> CheckResult:
    """Return a check without its input. `refusal` is STS's answer, if it is known."""
    code, message = ("", "") if refusal is None else (refusal.code, refusal.message)
    return CheckResult(name, CheckOutcome.SKIPPED, code, message, why, hint)


def _run(name: str, possible: bool, check: Callable[[], None]) -> CheckResult:  # noqa: FBT001 - a fact, not a switch
    if not possible:
        return CheckResult(name, CheckOutcome.SKIPPED, why=_MISSING)
    try:
        check()
    except Fault as fault:
        return _failed(name, fault)
    return CheckResult(name, CheckOutcome.PASSED)


def _failed(name: str, fault: Fault) -> CheckResult:
    hint = CLOSER_HINTS.get(fault.detail) or HINTS.get(name, "")
    return CheckResult(name, CheckOutcome.FAILED, fault.code, fault.message, fault.detail, hint)


def _unreadable(text: str, fault: Fault) -> InspectionReport:
    parts = text.split(".", 3) if len(text) <= WEB_IDENTITY_TOKEN.most else []
    header = _decode(parts[0]) if parts else _NOTHING
    claims = _decode(parts[1]) if len(parts) > 1 else _NOTHING
    check = _failed("form", fault)
    return _report((replace(check, hint=_LENGTH) if isinstance(fault, ValidationError) else check,), header, claims)


def _decode(segment: str) -> Mapping[str, Any]:
    try:
        return read_segment(segment, "segment")
    except Fault:
        return _NOTHING
