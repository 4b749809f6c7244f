"""Test sign-ins: a round trip at the real provider, inspected.

Owns who may test a provider, and the page with the report. A response to a test begins no session, whatever it
contains, and takes no role: the pages of login give it to this module instead. The report is shown to the browser that
began the test; its pending login is bound to that browser.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.directory.entities.oidc_entities import provider_arn
from daypass.directory.saml_providers import find_provider
from daypass.errors import Fault, NoSuchEntity
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.inspect import MissingInput, inspect_token
from daypass.federation.oidc.issuers.client import Client, require_nonce
from daypass.federation.oidc.issuers.known_issuers import find_terms, load_issuers
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import SCHEME, NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import read_token
from daypass.federation.report import CheckOutcome, CheckResult, InspectionReport
from daypass.federation.saml.attributes import find_role_pair
from daypass.federation.saml.inspect import inspect_response
from daypass.operations.oidc_clients import find_client
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_trust import find_trust
from daypass.operations.sts.inspected_tags import check_tags
from daypass.portal import pages
from daypass.portal.operator.oidc_client_calls import OidcClientCalls
from daypass.portal.operator.operator_sessions import OperatorSessions
from daypass.portal.sign_in_tests import SignInTest
from daypass.wire.visible_text import visible

ADDRESS = "/operator/providers/test"
_EVENT = "TestSignIn"
_KEY = re.compile(r"[0-9a-f]{32}")
_NAME, _LONG = 200, 600
_MOST_VALUES = 200
_MISSING = MissingInput(
    why_no_keys="the keys of the issuer could not be fetched or used; the reason is in the server's audit log"
)
_HIDDEN = (
    "On a machine that has access to the store, `daypass saml inspect` shows the details of an encrypted response."
)
_VERDICTS: Mapping[str, str] = {
    "accepted": "The sign-in would be accepted",
    "refused": "The sign-in would be refused",
    "unknown": "The test has no result",
}


@dataclass(frozen=True, slots=True)
class OperatorInspections:
    """The start of a test, and the reports on responses."""

    sessions: OperatorSessions
    calls: OidcClientCalls

    def plan_saml(self, request: Request, arn: str, request_id: str) -> SignInTest:
        """Return the test of a SAML provider that the operator may read.

        Raises the Fault of IAM, or NotEnteredError.
        """
        held = self.sessions.require(request, request_id)
        self.sessions.iam(request, held, "GetSAMLProvider", {"SAMLProviderArn": arn}, request_id)
        return SignInTest(held.account, arn)

    def plan_oidc(self, request: Request, key: str, request_id: str) -> SignInTest:
        """Return the test of a client of the account or of the settings.

        Raises the Fault of the list of clients, or NotEnteredError.
        """
        held = self.sessions.require(request, request_id)
        with self.sessions.site.ctx() as ctx:
            client = find_client(key, ctx) if _KEY.fullmatch(key) else None
        if client is not None and client.account:
            own = {each.key for each in self.calls.list_clients(request, held, request_id)}
            client = client if client.account == held.account and key in own else None
        if client is None:
            raise NoSuchEntity("This client does not exist.")
        return SignInTest(held.account, key)

    def saml_report(
        self, request: Request, test: SignInTest, login_id: str, unverified_response: str, request_id: str
    ) -> Response:
        """Return the page about a SAML response, which begins no session.

        `login_id` is the ID of the request that the response must answer.
        """
        with self.sessions.site.ctx() as ctx:
            trust, settings = find_trust(test.provider, ctx), ctx.settings.for_saml()
            report = inspect_response(
                unverified_response, trust=trust, settings=settings, now=ctx.now, provider=test.provider
            )
            name = _provider_name(test.provider, ctx)
        report = _visible_part(_for_login(check_tags(report), login_id))
        return self._report(request, report, name, test.provider, request_id)

    def require_keys(self, test: SignInTest, client: Client) -> None:
        """Raise KeysNeededError if the keys of an issuer must be fetched first."""
        with self.sessions.site.ctx() as ctx:
            terms = find_terms(ctx.views.get(load_issuers, test.account), client.issuer)
            if terms is not None and isinstance(ctx.issuer_keys.cached_keys(terms, ctx.now), NeedsFetch):
                raise KeysNeededError(terms)

    def oidc_report(
        self, request: Request, test: SignInTest, client: Client, unverified_token: str, nonce: str, request_id: str
    ) -> Response:
        """Return the page about an ID token, which begins no session."""
        with self.sessions.site.ctx() as ctx:
            terms = find_terms(ctx.views.get(load_issuers, test.account), client.issuer)
            keys = None if terms is None else _keys(terms, ctx)
            report = inspect_token(unverified_token, provider=terms, keys=keys, now=ctx.now, missing=_MISSING)
            extra = _client_checks(unverified_token, client, nonce)
        report = check_tags(report)
        failed = next((each for each in extra if each.outcome is CheckOutcome.FAILED), None)
        if failed is not None:
            report = _refused(report, failed)
        arn = provider_arn(test.account, client.issuer.removeprefix(SCHEME))
        return self._report(request, report, client.label or client.host, arn, request_id, extra=extra)

    def _report(
        self,
        request: Request,
        report: InspectionReport,
        provider: str,
        name: str,
        request_id: str,
        *,
        extra: tuple[CheckResult, ...] = (),
    ) -> Response:
        parameters = {"PrincipalArn": name, "Outcome": report.verdict}
        self.sessions.site.record(_EVENT, request, request_id, parameters=parameters)
        values = {
            "provider": visible(provider, _NAME),
            "verdict": report.verdict,
            "heading": _VERDICTS[report.verdict],
            "answer": visible(f"{report.code}: {report.message}" if report.code else report.message, _LONG),
            "checks": [_shown(check) for check in (*report.checks, *extra)],
            "content": list(_content(report)),
            "conditions": [(visible(key, _NAME), _value(value)) for key, value in report.condition_keys.items()],
        }
        return pages.page("operator_test.html", values)


def _for_login(report: InspectionReport, login_id: str) -> InspectionReport:
    """Return a report with the check that a response answers the request of the test."""
    statement = report.unverified_statement
    if statement is None:
        return report
    answers = statement.confirmation.in_response_to
    if answers == login_id:
        return replace(report, checks=(*report.checks, CheckResult("request", CheckOutcome.PASSED)))
    why = f"InResponseTo is {answers!r:.100}, and this browser's request is {login_id!r}"
    failed = CheckResult("request", CheckOutcome.FAILED, why=why, hint="The provider must copy the ID of the request.")
    # The response may be another person's: its content is not for this browser.
    report = replace(report, checks=(*report.checks, failed), unverified_statement=None)
    return _refused(report, failed) if report.verdict == "accepted" else report


def _visible_part(report: InspectionReport) -> InspectionReport:
    """Return a report that is not an oracle for the decryption of assertions.

    The author of a changed ciphertext must not learn why it does not decrypt (XML Encryption 1.1 section 6.1.2).
    """
    names = [check.name for check in report.checks]
    at = names.index("decryption") if "decryption" in names else len(names)
    is_encrypted = at < len(names) and report.checks[at].outcome is not CheckOutcome.SKIPPED
    if not is_encrypted or report.verdict == "accepted":
        return report
    hidden = CheckResult("encrypted content", CheckOutcome.FAILED, hint=_HIDDEN)
    return replace(report, checks=(*report.checks[:at], hidden), unverified_statement=None)


def _provider_name(arn: str, ctx: RequestContext) -> str:
    """Return the name of a SAML provider, or that in its ARN."""
    with ctx.snapshot() as reader:
        found = find_provider(reader, arn)
    return arn.rpartition("/")[2] if found is None else found.name


def _keys(terms: ProviderTerms, ctx: RequestContext) -> KeySet | None:
    with suppress(Fault):
        found = ctx.issuer_keys.cached_keys(terms, ctx.now)
        return None if isinstance(found, NeedsFetch) else found
    return None


def _client_checks(unverified_token: str, client: Client, nonce: str) -> tuple[CheckResult, ...]:
    """Return the checks of the sign-in page that the API does not have."""
    try:
        claims = read_token(unverified_token).unverified_claims
        require_nonce(claims, nonce)
    except Fault as fault:
        return (CheckResult("nonce", CheckOutcome.FAILED, fault.code, fault.message, why=fault.detail),)
    audience = claims.get("azp", claims.get("aud"))
    is_ours = client.client_id in (audience if isinstance(audience, list) else [audience])
    why = "" if is_ours else f"the token is for {audience!r:.200}, not for this client"
    outcome = CheckOutcome.PASSED if is_ours else CheckOutcome.FAILED
    return CheckResult("nonce", CheckOutcome.PASSED), CheckResult("client", outcome, why=why)


def _refused(report: InspectionReport, failed: CheckResult) -> InspectionReport:
    return replace(report, verdict="refused", code=failed.code, message=failed.message or failed.why)


def _shown(check: CheckResult) -> dict[str, str]:
    return {
        "name": check.name,
        "outcome": check.outcome.value,
        "answer": visible(f"{check.code}: {check.message}" if check.code else check.message, _LONG),
        "why": visible(check.why, _LONG),
        "hint": check.hint,
    }


def _content(report: InspectionReport) -> Iterator[tuple[str, str]]:
    """Yield what the provider said, as strings that are safe to display."""
    statement = report.unverified_statement
    if statement is not None:
        yield "Issuer", visible(statement.issuer, _LONG)
        yield "Subject", visible(statement.subject.value or "", _LONG)
        yield "Recipient", visible(statement.confirmation.recipient or "", _LONG)
        values = [(attribute.name, value) for attribute in statement.attributes for value in attribute.values]
        for name, value in values[:_MOST_VALUES]:
            pair = find_role_pair(value)
            yield "Role" if pair is not None else visible(name, _NAME), visible(value or "", _LONG)
    for name, value in list(report.unverified_claims.items())[:_MOST_VALUES]:
        yield visible(str(name), _NAME), _value(value)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode(errors="replace")
    return visible(text, _LONG)
