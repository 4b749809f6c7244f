"""Report, check by check, how STS would verify a SAML response.

Owns the report behind `saml inspect`, with a remedy for each failed check. It runs the functions and tables of the
verification, but continues after a failure if possible, and so reads unverified values: the report is for an operator,
never for a decision. Its verdict comes from the real verification.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import TypeVar

from lxml import etree

from daypass.errors import Fault
from daypass.federation.report import CheckOutcome, CheckResult, InspectionReport
from daypass.federation.saml.assertion import ParsedAssertion, read_assertion
from daypass.federation.saml.attributes import ROLE, RULES, find_role_pair, gather, require_provider
from daypass.federation.saml.condition_keys import Values
from daypass.federation.saml.conditions import CHECKS, ValidationContext
from daypass.federation.saml.encryption import AssertionDecryptionError, decrypt_assertion
from daypass.federation.saml.envelope import Envelope, read_envelope, require_success
from daypass.federation.saml.identity import find_propagated, identify
from daypass.federation.saml.metadata import IdentityProviderMetadata
from daypass.federation.saml.saml_faults import as_answered, bad_signature, not_encrypted, not_signed
from daypass.federation.saml.schema_checks import ShapedResponse, is_signed, shape_assertion, shape_response
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.federation.saml.signature import check_signature
from daypass.federation.saml.verify import decode_response, trusted_keys, verify_envelope
from daypass.federation.saml.xml_names import ds

_Result = TypeVar("_Result")


_DECODE = (
    "Pass the value of the SAMLResponse form field as it is: base64, not URL-encoded, whole. "
    "In a browser's developer tools it is in the POST to the /saml address."
)
_SHAPE = "The provider must send one Response with one Assertion in it, as the web browser SSO profile has it."
_STATUS = "The provider itself refused the sign-in; its own log says why."
_KEYS = (
    "Register the provider's present metadata (UpdateSAMLProvider): its signing certificate may have been rotated. "
    "Sign with RSA or ECDSA and SHA-256 or better. If that does not help, something changed the message on its way."
)
_SHA1 = (
    "Let the provider sign with SHA-256, digest and signature (pysaml2: signing_algorithm and digest_algorithm). "
    "Where it cannot, `daypass saml set ARN --allow-sha1` accepts SHA-1 from this provider."
)
_SIGN = "Let the provider sign the assertion, not only the response."
_OPEN = "Give the provider the certificate of a private key that is registered here (AddPrivateKey), and use OAEP."
_GRANT = (
    "Send Role values with the ARN of this provider. It contains the account and the name under which the provider is "
    "registered here."
)
_PROPAGATE = (
    "Send the attributes of the provider's ContextProvider. The subject is required, and a value has at most 128 "
    "characters."
)
_READ = "A required part is missing or written in another way; 'why' names it."


def inspect_response(
    unverified_response: str, *, trust: Trust | None, settings: SamlSettings, now: datetime, provider: str | None = None
) -> InspectionReport:
    """Return the report on a base64 SAMLResponse. Never raises for any string.

    Without `trust` the checks that need a provider are skipped, and a response that passes the others has no verdict.
    `provider` is the ARN under which `trust` is registered, if it is.
    """
    walk = _Walk(trust, settings, now, provider)
    walk.through(unverified_response)
    found, assertion = tuple(walk.findings), walk.assertion
    if trust is None:
        first = next((check for check in found if check.outcome is CheckOutcome.FAILED), None)
        if first is not None:
            return InspectionReport("response", found, "refused", first.code, first.message, assertion)
        message = "No provider was given, so no signature could be verified."
        return InspectionReport("response", found, "unknown", message=message, unverified_statement=assertion)
    try:
        identity = identify(unverified_response, trust=trust, settings=settings, now=now, request_id="-")
        if provider is not None:
            require_provider(identity.roles, provider)
    except Fault as fault:
        return InspectionReport("response", found, "refused", fault.code, fault.message, assertion)
    return InspectionReport("response", found, "accepted", unverified_statement=assertion, tags=dict(identity.tags))


class _Walk:
    """The steps of one report, which collect results as they go."""

    def __init__(self, trust: Trust | None, settings: SamlSettings, now: datetime, provider: str | None) -> None:
        self.trust, self.settings, self.now, self.provider = trust, settings, now, provider
        self.findings: list[CheckResult] = []
        self.assertion: ParsedAssertion | None = None
        self.envelope: Envelope | None = None

    def through(self, text: str) -> None:
        root = self._try("decoding", lambda: decode_response(text), _DECODE)
        if root is None:
            return
        self._try("status", lambda: require_success(root), _STATUS)
        response = self._try("shape", lambda: shape_response(root), _SHAPE)
        if response is None:
            return
        self.envelope = self._try("response", lambda: read_envelope(root), _READ)
        self._response_signature(response)
        assertion = self._opened(response)
        if assertion is None:
            return
        self._assertion_signature(assertion)
        self.assertion = self._try("assertion", lambda: read_assertion(assertion), _READ)
        if self.assertion is not None and self.envelope is not None:
            self.findings.extend(self._meaning(self.assertion, self.envelope))
        if self.assertion is not None:
            self._attributes(self.assertion)

    def _response_signature(self, response: ShapedResponse) -> None:
        name, trust = "response signature", self.trust
        if not response.signed:
            self._skip(name, "the Response does not have its own signature; it need not be signed")
        elif trust is None:
            self._skip(name, "no provider was given")
        else:
            self._try(name, lambda: verify_envelope(response, trusted_keys(trust, self.now), trust), _KEYS)

    def _opened(self, response: ShapedResponse) -> etree._Element | None:
        name, trust = "decryption", self.trust
        if not response.encrypted:
            if trust is not None and trust.require_encryption:
                self._fail(name, not_encrypted(), _OPEN)
            else:
                self._skip(name, "the assertion is not encrypted; it need not be")
            return response.unverified_assertion
        if trust is None:
            self._skip(name, "no provider was given, so no key can decrypt the assertion")
            return None
        return self._try(name, lambda: _decrypted(response, trust), _OPEN)

    def _assertion_signature(self, assertion: etree._Element) -> None:
        name, trust = "assertion signature", self.trust
        if not is_signed(assertion):
            self._fail(name, not_signed(), _SIGN)
        elif trust is None:
            self._skip(name, "no provider was given")
        else:
            keys = self._try("provider's keys", lambda: trusted_keys(trust, self.now), _KEYS)
            if keys is not None:
                self._try(name, lambda: check_signature(assertion, keys, allow_sha1=trust.allow_sha1), _KEYS)
            self._shown_certificates(assertion, trust)

    def _shown_certificates(self, assertion: etree._Element, trust: Trust) -> None:
        """Report the certificates in the message that are not registered.

        They are the usual reason for a bad signature.
        """
        registered = {key.fingerprint for key in trust.metadata.signing_keys}
        for shown in _fingerprints(assertion):
            if shown not in registered:
                self._skip(
                    "certificate in the message",
                    f"SHA-256 {shown} is not a registered certificate; registered: {', '.join(sorted(registered))}",
                )

    def _meaning(self, assertion: ParsedAssertion, envelope: Envelope) -> Iterator[CheckResult]:
        trust = self.trust or _claimed(assertion)
        validation = ValidationContext(assertion, envelope, trust, self.settings, self.now)
        for check in CHECKS:
            if check.of_provider and self.trust is None:
                yield CheckResult(check.name, CheckOutcome.SKIPPED, why="no provider was given")
            elif check.is_waived(trust):
                yield CheckResult(
                    check.name, CheckOutcome.SKIPPED, why="the provider is registered as lax: STS does not check this"
                )
            else:
                yield _finding(check.name, partial(check.verify, validation), check.hint)

    def _attributes(self, assertion: ParsedAssertion) -> None:
        values = gather(assertion.attributes)
        self.findings.extend(_finding(rule.name, partial(rule.read, values), rule.hint) for rule in RULES)
        self._granting_provider(values)
        trust = self.trust
        if trust is not None and trust.context_provider is not None:
            self._try("identity propagation", lambda: find_propagated(assertion, "", trust), _PROPAGATE)
        for name, given in values.items():
            if name == ROLE:
                ignored = [value for value in given if find_role_pair(value) is None]
                self.findings.extend(
                    CheckResult(
                        "Role value",
                        CheckOutcome.SKIPPED,
                        why=f"{value!r} is ignored: it is not ROLE_ARN,PROVIDER_ARN of one account",
                    )
                    for value in ignored
                )

    def _granting_provider(self, values: Values) -> None:
        """Check that a Role value names the provider, as a caller must."""
        name, provider = "provider in Role", self.provider
        roles = [pair for value in values.get(ROLE, ()) if (pair := find_role_pair(value)) is not None]
        if provider is None:
            self._skip(name, "the ARN of the provider is not known")
        elif roles:
            self._try(name, lambda: require_provider(roles, provider), _GRANT)

    def _try(self, name: str, step: Callable[[], _Result], hint: str) -> _Result | None:
        try:
            result = step()
        except Fault as fault:
            self._fail(name, fault, hint)
            return None
        self.findings.append(CheckResult(name, CheckOutcome.PASSED))
        return result

    def _skip(self, name: str, why: str) -> None:
        self.findings.append(CheckResult(name, CheckOutcome.SKIPPED, why=why))

    def _fail(self, name: str, fault: Fault, hint: str) -> None:
        if hint is _KEYS and "sha1' is not allowed" in fault.detail:
            hint = _SHA1
        self.findings.append(_failed(name, fault, hint))


def _decrypted(response: ShapedResponse, trust: Trust) -> etree._Element:
    try:
        assertion = decrypt_assertion(response.unverified_assertion, trust.decryption_keys)
    except AssertionDecryptionError as problem:
        raise bad_signature(str(problem)) from None
    shape_assertion(assertion)
    return assertion


def _fingerprints(assertion: etree._Element) -> list[str]:
    shown = assertion.findall(f"{ds('Signature')}/{ds('KeyInfo')}/{ds('X509Data')}/{ds('X509Certificate')}")
    texts = ["".join((certificate.text or "").split()) for certificate in shown]
    try:
        return [hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest() for text in texts]
    except ValueError:
        return []


def _finding(name: str, step: Callable[[], object], hint: str) -> CheckResult:
    try:
        step()
    except Fault as fault:
        return _failed(name, fault, hint)
    return CheckResult(name, CheckOutcome.PASSED)


def _failed(name: str, fault: Fault, hint: str) -> CheckResult:
    why = fault.detail or fault.message
    answer = as_answered(fault, request_id="-")
    return CheckResult(name, CheckOutcome.FAILED, answer.code, answer.message, why, hint)


def _claimed(assertion: ParsedAssertion) -> Trust:
    """Return a provider with the issuer that the assertion claims.

    The other checks use it.
    """
    metadata = IdentityProviderMetadata(assertion.issuer, (), (), None, wants_signed_requests=False)
    return Trust("000000000000", "unknown", metadata)
