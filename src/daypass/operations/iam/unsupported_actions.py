"""Actions of IAM that Daypass does not support.

They are authorized like any other call, then refused with the reason. Owns the table REFUSED. Daypass does not have
passwords, a console, SSH keys or certificates: a create action never pretends to succeed, and a list action returns an
empty list.
Source: IAM API Reference; the first sentences of NoSuchEntity are AWS's.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.errors import NoSuchEntity, ServiceNotSupported
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.self_service import find_owner, get_owner, owner_arn, owner_context
from daypass.operations.operation import Parameters
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys
from daypass.wire.supported import Declared

PASSWORDS = "Daypass has no passwords: people sign in through an identity provider, or with access keys."
SSH = "Daypass does not store SSH public keys: its services do not use SSH."
CERTIFICATES = "Daypass does not store server certificates: it has no load balancer that would use them."
SIGNING = "Daypass does not support X.509 signing certificates: requests are signed with access keys."
SERVICES = "Daypass does not issue service-specific credentials: it has no service that accepts them."
ACCESSED = "Daypass does not record which services were used: it only receives calls of STS and IAM."
TEMPLATES = "Daypass has no role templates."
PROPERTIES = "Daypass does not support account properties."

# Action: the reason why it is refused.
REFUSED: Mapping[str, str] = {
    "AcquireRole": TEMPLATES,
    "ChangePassword": PASSWORDS,
    "CreateLoginProfile": PASSWORDS,
    "CreateServiceSpecificCredential": SERVICES,
    "GenerateOrganizationsAccessReport": ACCESSED,
    "GenerateServiceLastAccessedDetails": ACCESSED,
    "GetAccountProperties": PROPERTIES,
    "GetRoleTemplateVersion": TEMPLATES,
    "PutAccountProperties": PROPERTIES,
    "UploadSSHPublicKey": SSH,
    "UploadServerCertificate": CERTIFICATES,
    "UploadSigningCertificate": SIGNING,
}

# Action: the entity in AWS's message "… cannot be found.", and the reason why it does not exist.
ABSENT: Mapping[str, tuple[str, str]] = {
    "DeleteLoginProfile": ("Login Profile for User {UserName}", PASSWORDS),
    "DeleteSSHPublicKey": ("The Public Key with id {SSHPublicKeyId}", SSH),
    "DeleteServerCertificate": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "DeleteServiceSpecificCredential": ("The credential {ServiceSpecificCredentialId}", SERVICES),
    "DeleteSigningCertificate": ("The Certificate with id {CertificateId}", SIGNING),
    "GetLoginProfile": ("Login Profile for User {UserName}", PASSWORDS),
    "GetOrganizationsAccessReport": ("Job {JobId}", ACCESSED),
    "GetSSHPublicKey": ("The Public Key with id {SSHPublicKeyId}", SSH),
    "GetServerCertificate": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "GetServiceLastAccessedDetails": ("Job {JobId}", ACCESSED),
    "GetServiceLastAccessedDetailsWithEntities": ("Job {JobId}", ACCESSED),
    "ListServerCertificateTags": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "ResetServiceSpecificCredential": ("The credential {ServiceSpecificCredentialId}", SERVICES),
    "TagServerCertificate": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "UntagServerCertificate": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "UpdateLoginProfile": ("Login Profile for User {UserName}", PASSWORDS),
    "UpdateSSHPublicKey": ("The Public Key with id {SSHPublicKeyId}", SSH),
    "UpdateServerCertificate": ("The Server Certificate with name {ServerCertificateName}", CERTIFICATES),
    "UpdateServiceSpecificCredential": ("The credential {ServiceSpecificCredentialId}", SERVICES),
    "UpdateSigningCertificate": ("The Certificate with id {CertificateId}", SIGNING),
}

# Action: its list, which is empty. Terraform reads these lists before it deletes a user.
EMPTY: Mapping[str, str] = {
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListServerCertificates": "ServerCertificateMetadataList",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
    "ListSigningCertificates": "Certificates",
}

_ABOUT_USERS = ("LoginProfile", "Password", "SSHPublicKey", "ServiceSpecificCredential", "SigningCertificate")


class _Unperformed(IamParams, frozen=True):
    """The parameters. They only determine the user or resource of the call."""

    members: dict[str, Any]

    @property
    def user_name(self) -> str | None:
        """The user name of the request, or None."""
        name: str | None = self.members.get("UserName")
        return name


class Unperformed(IamAction[_Unperformed]):
    """An action that is authorized but not performed."""

    def __init__(self, action: str) -> None:
        self.action = action
        self._about_user = any(noun in action for noun in _ABOUT_USERS)

    @property
    def declared(self) -> Declared | None:
        """None: every member is accepted, because the action has no effect."""
        return None

    def parse(self, parameters: Parameters) -> _Unperformed:
        """Return the parameters without checks."""
        return _Unperformed(dict(parameters))

    def resource(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the action's user or resource."""
        if self._about_user:
            return owner_arn(params.user_name, caller, ctx)
        certificate = params.members.get("ServerCertificateName")
        if certificate:
            path = params.members.get("Path", "/")
            return iam_arn(caller.account, "server-certificate", path, certificate)
        return str(params.members.get("Arn", "*"))

    def context(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags of the action's user."""
        return owner_context(find_owner(params.user_name, caller, ctx)) if self._about_user else {}

    def require_user(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> None:
        """Refuse a user that does not exist, with AWS's message."""
        if params.user_name is not None:
            get_owner(params.user_name, caller, ctx)


class UnsupportedIamAction(Unperformed):
    """A create or update action, which is refused."""

    def perform(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> NoReturn:
        """Raise ServiceNotSupported with the reason."""
        self.require_user(params, caller, ctx)
        raise ServiceNotSupported(REFUSED[self.action])


class Absent(Unperformed):
    """An action about one entity, which cannot exist here."""

    def perform(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> NoReturn:
        """Raise NoSuchEntity with the reason."""
        self.require_user(params, caller, ctx)
        noun, reason = ABSENT[self.action]
        named = noun.format_map({"UserName": "", **params.members})
        raise NoSuchEntity(f"{named} cannot be found. {reason}")


class Empty(Unperformed):
    """A list action, whose list is always empty."""

    def perform(self, params: _Unperformed, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the empty list."""
        self.require_user(params, caller, ctx)
        return {EMPTY[self.action]: [], "IsTruncated": False}


OPERATIONS: tuple[Unperformed, ...] = (
    *(UnsupportedIamAction(action) for action in REFUSED),
    *(Absent(action) for action in ABSENT),
    *(Empty(action) for action in EMPTY),
)
