"""What Daypass says when it refuses: one Fault a code.

Owns AWS's error codes, their HTTP status and whose fault they are. The words of one refusal belong to the
place that refuses; how a Fault becomes bytes is wire/'s work.
Source: botocore's models of sts/2011-06-15 and iam/2010-05-08, "Common Errors" of both API references.
"""

from enum import Enum
from typing import ClassVar


class Blame(Enum):
    """Whose fault a Fault is, in the words of the Query protocol's `Type` element."""

    SENDER = "Sender"
    RECEIVER = "Receiver"


class Fault(Exception):  # noqa: N818 - AWS calls them faults, and so do we
    """A refusal as the caller sees it.

    `message` goes to the caller. `detail` goes to the audit event alone and never holds a secret.
    `encoded` is the encoded authorization message of a denial, when there is one. `names_known_key` and `key_account`
    are for the audit alone too: the caller was not proven, but the access key id that the call names exists here, and
    is the account's.
    """

    code: ClassVar[str] = "InternalFailure"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.RECEIVER

    def __init__(self, message: str = "", *, detail: str = "", encoded: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.encoded = encoded
        self.names_known_key = False
        self.key_account = ""


class SenderFault(Fault):
    """A fault of the caller. Subclasses name the code."""

    status, blame = 400, Blame.SENDER


# The wire ---------------------------------------------------------------------------------------------------


class InvalidAction(SenderFault):
    """No such action in this version of the API."""

    code = "InvalidAction"


class MalformedInput(SenderFault):
    """A parameter cannot be read as its type. AWS gives no message."""

    code = "MalformedInput"


class ValidationError(SenderFault):
    """A parameter breaks a constraint of the service model."""

    code = "ValidationError"


class InvalidParameterValue(SenderFault):
    """A parameter breaks a rule that the service model cannot express."""

    code = "InvalidParameterValue"


class InvalidParameterCombination(SenderFault):
    """Parameters that do not go together."""

    code = "InvalidParameterCombination"


class RequestEntityTooLarge(SenderFault):
    """The body is larger than the server reads."""

    code, status = "RequestEntityTooLarge", 413


class QueryTooLong(SenderFault):
    """The query is longer than the server reads. Like a body that is too large, it gets an empty answer."""

    code = "QueryTooLong"


class MalformedQueryString(SenderFault):
    """The parameters cannot be read: broken escapes, no UTF-8, too many of them, or two that contradict."""

    code = "MalformedQueryString"


class NoActionGiven(SenderFault):
    """No action is named and no form is sent: a browser, which is sent to the sign-in page."""

    code, status = "MissingAction", 302


class Throttling(SenderFault):
    """Too many calls from one peer without a proven caller, or too many large decisions of one account at a time."""

    code = "Throttling"


class ServiceUnavailable(Fault):
    """The server cannot safely answer now: its database is away or its queue is full."""

    code, status = "ServiceUnavailable", 503


class InternalFailure(Fault):
    """Our own bug. The caller learns the request id and nothing else."""

    code, status = "InternalFailure", 500


# Authentication ---------------------------------------------------------------------------------------------


class MissingAuthenticationToken(SenderFault):
    """The call must be signed and is not."""

    code, status = "MissingAuthenticationToken", 403


class IncompleteSignature(SenderFault):
    """The signature's parts cannot be read."""

    code = "IncompleteSignature"


class SignatureDoesNotMatch(SenderFault):
    """The signature is not the one we calculate, or its scope or time is wrong."""

    code, status = "SignatureDoesNotMatch", 403


class InvalidClientTokenId(SenderFault):
    """The access key or session token is unknown, inactive, or not of this pair."""

    code, status = "InvalidClientTokenId", 403


class ExpiredToken(SenderFault):
    """The session has ended."""

    code, status = "ExpiredToken", 403


# STS --------------------------------------------------------------------------------------------------------


class AccessDenied(SenderFault):
    """The caller may not do this."""

    code, status = "AccessDenied", 403


class ExpiredTokenException(SenderFault):
    """The web identity token or the SAML assertion is past its end."""

    code = "ExpiredTokenException"


class ExpiredTradeInToken(SenderFault):
    """The trade-in token of GetDelegatedAccessToken is past its end."""

    code = "ExpiredTradeInTokenException"


class IDPCommunicationError(SenderFault):
    """The identity provider could not be reached. The caller may try again."""

    code = "IDPCommunicationError"


class IDPRejectedClaim(SenderFault):
    """The identity provider said no."""

    code, status = "IDPRejectedClaim", 403


class InvalidAuthorizationMessage(SenderFault):
    """The encoded authorization message cannot be opened."""

    code = "InvalidAuthorizationMessageException"


class InvalidIdentityToken(SenderFault):
    """The assertion or token is not one we can believe."""

    code = "InvalidIdentityToken"


class JWTPayloadSizeExceeded(SenderFault):
    """The token asked for would be too large."""

    code = "JWTPayloadSizeExceededException"


class MalformedPolicyDocument(SenderFault):
    """A policy is not in the policy language."""

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


class SessionDurationEscalation(SenderFault):
    """A token may not outlive the session that asks for it."""

    code, status = "SessionDurationEscalationException", 403


# IAM --------------------------------------------------------------------------------------------------------


class NoSuchEntity(SenderFault):
    """The named thing does not exist."""

    code, status = "NoSuchEntity", 404


class EntityAlreadyExists(SenderFault):
    """A thing of that name exists."""

    code, status = "EntityAlreadyExists", 409


class DeleteConflict(SenderFault):
    """The thing still has parts that must go first."""

    code, status = "DeleteConflict", 409


class LimitExceeded(SenderFault):
    """A quota of the account is used up."""

    code, status = "LimitExceeded", 409


class OrganizationNotFound(SenderFault):
    """The account belongs to no organization."""

    code = "OrganizationNotFoundException"


class AccountNotManagementOrDelegatedAdministrator(SenderFault):
    """Only the organization's management account, or its administrator of IAM, may do this."""

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
    """The service-linked role or AWS managed policy cannot be changed by hand."""

    code = "UnmodifiableEntity"


class ConcurrentModification(SenderFault):
    """Another change came in between."""

    code, status = "ConcurrentModification", 409


class EntityTemporarilyUnmodifiable(SenderFault):
    """The thing was made a moment ago."""

    code, status = "EntityTemporarilyUnmodifiable", 409


class InvalidAuthenticationCode(SenderFault):
    """The MFA codes do not belong to the device."""

    code, status = "InvalidAuthenticationCode", 403


class PolicyNotAttachable(SenderFault):
    """The policy cannot be attached to this kind of thing."""

    code = "PolicyNotAttachable"


class InvalidCertificate(SenderFault):
    """The certificate cannot be read."""

    code = "InvalidCertificate"


class ServiceNotSupported(SenderFault):
    """The call makes no sense here, and the message says why."""

    code, status = "NotSupportedService", 404


class NoSuchAWSService(SenderFault):
    """A service name that does not exist."""

    code = "InvalidInput"


class ReportNotPresent(SenderFault):
    """No credential report was ever made."""

    code, status = "ReportNotPresent", 410


class ReportExpired(SenderFault):
    """The last credential report is older than four hours."""

    code, status = "ReportExpired", 410
