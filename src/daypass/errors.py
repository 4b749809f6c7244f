"""The errors of the API: one Fault class for each error code.

Owns the codes, their HTTP status and their type (Sender or Receiver). The refusing code writes the message; wire/
encodes a Fault.
Source: botocore's models of sts/2011-06-15 and iam/2010-05-08, "Common Errors" of both API references.
"""

from enum import Enum
from typing import ClassVar


class Blame(Enum):
    """The side that caused a Fault: the Query protocol's `Type` element."""

    SENDER = "Sender"
    RECEIVER = "Receiver"


class Fault(Exception):  # noqa: N818 - AWS calls them faults, and so do we
    """A refusal as the caller sees it.

    `detail` goes only to the audit event and never contains a secret. `encoded` is the encoded authorization message of
    a denial, if any. `names_known_key` and `key_account` are for the audit log too: an unauthenticated call names an
    access key id that exists here, in this account. `skew` is for the metrics: "behind" or "ahead" if the time of a
    signature is too far from this machine's.
    """

    code: ClassVar[str] = "InternalFailure"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.RECEIVER
    skew: str = ""

    def __init__(self, message: str = "", *, detail: str = "", encoded: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.encoded = encoded
        self.names_known_key = False
        self.key_account = ""


class SenderFault(Fault):
    """An error of the caller. Subclasses name the code."""

    status, blame = 400, Blame.SENDER


# The wire ---------------------------------------------------------------------------------------------------


class InvalidAction(SenderFault):
    """This version of the API has no such action."""

    code = "InvalidAction"


class MalformedInput(SenderFault):
    """A parameter cannot be parsed as its type. AWS sends no message."""

    code = "MalformedInput"


class ValidationError(SenderFault):
    """A parameter breaks a constraint of the service model."""

    code = "ValidationError"


class InvalidParameterValue(SenderFault):
    """A parameter breaks a rule that the service model cannot express."""

    code = "InvalidParameterValue"


class InvalidParameterCombination(SenderFault):
    """Parameters that exclude each other."""

    code = "InvalidParameterCombination"


class RequestEntityTooLarge(SenderFault):
    """The body is larger than the server's limit."""

    code, status = "RequestEntityTooLarge", 413


class QueryTooLong(SenderFault):
    """The query is longer than the server's limit.

    The response is empty, as for a body that is too large.
    """

    code = "QueryTooLong"


class MalformedQueryString(SenderFault):
    """The parameters cannot be parsed.

    They have broken escapes, are not UTF-8, too many, or contradictory.
    """

    code = "MalformedQueryString"


class MethodNotAllowed(SenderFault):
    """The API has no request with this method."""

    code, status = "MethodNotAllowed", 405


class MissingAction(SenderFault):
    """A browser's request for a page, without an action and a form.

    The browser is redirected to the sign-in page.
    """

    code, status = "MissingAction", 302


class Throttling(SenderFault):
    """Too many calls of one peer or one account.

    Unauthenticated calls of a peer, or large decisions or writes at a time of an account.
    """

    code = "Throttling"


class ServiceUnavailable(Fault):
    """The server cannot answer safely now.

    The database is down, or the queue full.
    """

    code, status = "ServiceUnavailable", 503


class InternalFailure(Fault):
    """A bug of Daypass. The caller gets only the request id."""

    code, status = "InternalFailure", 500


# Authentication ---------------------------------------------------------------------------------------------


class MissingAuthenticationToken(SenderFault):
    """The call must be signed, but is not."""

    code, status = "MissingAuthenticationToken", 403


class IncompleteSignature(SenderFault):
    """The parts of the signature cannot be parsed."""

    code = "IncompleteSignature"


class SignatureDoesNotMatch(SenderFault):
    """The signature, its scope or its time is wrong."""

    code, status = "SignatureDoesNotMatch", 403


class InvalidClientTokenId(SenderFault):
    """The access key or session token is unknown, inactive or mismatched."""

    code, status = "InvalidClientTokenId", 403


class ExpiredToken(SenderFault):
    """The session has expired."""

    code, status = "ExpiredToken", 403


# STS --------------------------------------------------------------------------------------------------------


class AccessDenied(SenderFault):
    """The caller does not have the permission."""

    code, status = "AccessDenied", 403


class ExpiredTokenException(SenderFault):
    """The web identity token or SAML assertion has expired."""

    code = "ExpiredTokenException"


class ExpiredTradeInToken(SenderFault):
    """The trade-in token of GetDelegatedAccessToken has expired."""

    code = "ExpiredTradeInTokenException"


class IDPCommunicationError(SenderFault):
    """The identity provider could not be reached. The caller may retry."""

    code = "IDPCommunicationError"


class IDPRejectedClaim(SenderFault):
    """The identity provider rejected the claim."""

    code, status = "IDPRejectedClaim", 403


class InvalidAuthorizationMessage(SenderFault):
    """The encoded authorization message cannot be decrypted."""

    code = "InvalidAuthorizationMessageException"


class InvalidContextAssertion(SenderFault):
    """A context assertion is not from a trusted context provider."""

    code = "InvalidContextAssertion"


class InvalidIdentityToken(SenderFault):
    """The assertion or token is not trusted."""

    code = "InvalidIdentityToken"


class JWTPayloadSizeExceeded(SenderFault):
    """The requested token would be too large."""

    code = "JWTPayloadSizeExceededException"


class MalformedPolicyDocument(SenderFault):
    """A policy does not follow the grammar of the policy language."""

    code = "MalformedPolicyDocument"


class OutboundWebIdentityFederationDisabled(SenderFault):
    """The account has not enabled outbound web identity federation."""

    code, status = "OutboundWebIdentityFederationDisabledException", 403


class PackedPolicyTooLarge(SenderFault):
    """Session policies and tags exceed the space that a session has for them."""

    code = "PackedPolicyTooLarge"


class RegionDisabled(SenderFault):
    """STS is not activated in the region."""

    code, status = "RegionDisabledException", 403


class InsufficientSessionLifetime(SenderFault):
    """The calling session ends before the requested duration."""

    code = "InsufficientSessionLifetime"


class InvalidSubjectCredentials(SenderFault):
    """The credentials are not those of a session that can be scoped down."""

    code = "InvalidSubjectCredentials"


class SessionDurationEscalation(SenderFault):
    """A token must not outlive the session that requests it."""

    code, status = "SessionDurationEscalationException", 403


# IAM --------------------------------------------------------------------------------------------------------


class NoSuchEntity(SenderFault):
    """The named entity does not exist."""

    code, status = "NoSuchEntity", 404


class EntityAlreadyExists(SenderFault):
    """An entity of that name exists."""

    code, status = "EntityAlreadyExists", 409


class DeleteConflict(SenderFault):
    """The entity still has parts that must be deleted first."""

    code, status = "DeleteConflict", 409


class LimitExceeded(SenderFault):
    """The account has reached a quota."""

    code, status = "LimitExceeded", 409


class OrganizationNotFound(SenderFault):
    """The account does not belong to an organization."""

    code = "OrganizationNotFoundException"


class AccountNotManagementOrDelegatedAdministrator(SenderFault):
    """Only the management account or the IAM administrator may do this."""

    code = "AccountNotManagementOrDelegatedAdministratorException"


class CallerIsNotManagementAccount(SenderFault):
    """Only the organization's management account may do this."""

    code = "CallerIsNotManagementAccountException"


class FeatureDisabled(SenderFault):
    """The account has not enabled the feature."""

    code, status = "FeatureDisabled", 404


class FeatureEnabled(SenderFault):
    """The account has enabled the feature already."""

    code, status = "FeatureEnabled", 409


class InvalidInput(SenderFault):
    """A parameter breaks a rule of IAM."""

    code = "InvalidInput"


class UnmodifiableEntity(SenderFault):
    """The service-linked role or AWS managed policy is read-only for callers."""

    code = "UnmodifiableEntity"


class ConcurrentModification(SenderFault):
    """Another request changed the entity at the same time."""

    code, status = "ConcurrentModification", 409


class EntityTemporarilyUnmodifiable(SenderFault):
    """The entity was created a moment ago."""

    code, status = "EntityTemporarilyUnmodifiable", 409


class InvalidAuthenticationCode(SenderFault):
    """The MFA codes do not belong to the device."""

    code, status = "InvalidAuthenticationCode", 403


class PolicyNotAttachable(SenderFault):
    """The policy cannot be attached to this type of entity."""

    code = "PolicyNotAttachable"


class InvalidCertificate(SenderFault):
    """The certificate cannot be parsed."""

    code = "InvalidCertificate"


class ServiceNotSupported(SenderFault):
    """Daypass does not support the call. The message says why."""

    code, status = "NotSupportedService", 404


class ReportNotPresent(SenderFault):
    """A credential report was never created."""

    code, status = "ReportNotPresent", 410


class ReportExpired(SenderFault):
    """The last credential report is older than four hours."""

    code, status = "ReportExpired", 410
