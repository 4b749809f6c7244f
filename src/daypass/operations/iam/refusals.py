"""Actions of IAM that make no sense here: refused with the reason, signed and authorized like any other call.

Owns the table REFUSED. Daypass has no passwords, no console, no SSH keys, no certificates of its own: it never says
it made what it did not make. What only asks is answered with the truth: there is none of it.
Source: IAM API Reference; the first sentences of NoSuchEntity are AWS's.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.errors import NoSuchEntity, ServiceNotSupported
from daypass.operations.iam.action import Asked, Context, IamAction
from daypass.operations.iam.self_service import find_owner, get_owner, owner_arn, owner_context
from daypass.operations.operation import Params
from daypass.operations.world import World
from daypass.wire.supported import Declared

PASSWORDS = "Daypass has no passwords: people sign in through an identity provider, or with access keys."
SSH = "Daypass does not store SSH public keys: its services do not use SSH."
CERTIFICATES = "Daypass does not store server certificates: it has no load balancer that would use them."
SIGNING = "Daypass does not support X.509 signing certificates: requests are signed with access keys."
SERVICES = "Daypass does not issue service-specific credentials: it has no service that accepts them."
ACCESSED = "Daypass does not record which services were used: it only receives calls of STS and IAM."
TEMPLATES = "Daypass has no role templates."
PROPERTIES = "Daypass does not support account properties."
PROPAGATION = "Daypass does not support trusted identity propagation: a provider has no context to change."

# Action: why it is refused.
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
    "UpdateOpenIDConnectProvider": PROPAGATION,
    "UploadSSHPublicKey": SSH,
    "UploadServerCertificate": CERTIFICATES,
    "UploadSigningCertificate": SIGNING,
}

# Action: the thing it names, in AWS's sentence "… cannot be found.", and why there is none.
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

# Action: the list it answers, which is empty. Terraform asks before it deletes a user.
EMPTY: Mapping[str, str] = {
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListServerCertificates": "ServerCertificateMetadataList",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
    "ListSigningCertificates": "Certificates",
}

_ABOUT_USERS = ("LoginProfile", "Password", "SSHPublicKey", "ServiceSpecificCredential", "SigningCertificate")


class _Unperformed(Asked, frozen=True):
    """Whatever the action was given. Nothing is done with it but to say whom or what it was about."""

    members: dict[str, Any]

    @property
    def user_name(self) -> str | None:
        """The user that is named, if one is."""
        name: str | None = self.members.get("UserName")
        return name


class Unperformed(IamAction[_Unperformed]):
    """An action that nothing comes of."""

    def __init__(self, action: str) -> None:
        self.action = action
        self._about_user = any(noun in action for noun in _ABOUT_USERS)

    @property
    def declared(self) -> Declared | None:
        """Every member: nothing comes of any."""
        return None

    def parse(self, params: Params) -> _Unperformed:
        """Return the parameters as they are."""
        return _Unperformed(dict(params))

    def resource(self, asked: _Unperformed, caller: Caller, world: World) -> str:
        """Return the ARN of what the action is about."""
        if self._about_user:
            return owner_arn(asked.user_name, caller, world)
        certificate = asked.members.get("ServerCertificateName")
        if certificate:
            path = asked.members.get("Path", "/")
            return iam_arn(caller.account, "server-certificate", path, certificate)
        return str(asked.members.get("Arn", "*"))

    def context(self, asked: _Unperformed, caller: Caller, world: World) -> Context:
        """Return the tags of the user that the action is about."""
        return owner_context(find_owner(asked.user_name, caller, world)) if self._about_user else {}

    def require_user(self, asked: _Unperformed, caller: Caller, world: World) -> None:
        """Refuse a user that is not there, in the usual words."""
        if asked.user_name is not None:
            get_owner(asked.user_name, caller, world)


class Refused(Unperformed):
    """Would make something that there is no place for here."""

    def perform(self, asked: _Unperformed, caller: Caller, world: World) -> NoReturn:
        """Say why not."""
        self.require_user(asked, caller, world)
        raise ServiceNotSupported(REFUSED[self.action])


class Absent(Unperformed):
    """Is about one thing of a kind of which there is none."""

    def perform(self, asked: _Unperformed, caller: Caller, world: World) -> NoReturn:
        """Say that it is not there, and why it cannot be."""
        self.require_user(asked, caller, world)
        noun, reason = ABSENT[self.action]
        named = noun.format_map({"UserName": "", **asked.members})
        raise NoSuchEntity(f"{named} cannot be found. {reason}")


class Empty(Unperformed):
    """Lists things of which there are none."""

    def perform(self, asked: _Unperformed, caller: Caller, world: World) -> dict[str, Any]:
        """Return the empty list."""
        self.require_user(asked, caller, world)
        return {EMPTY[self.action]: [], "IsTruncated": False}


OPERATIONS: tuple[Unperformed, ...] = (
    *(Refused(action) for action in REFUSED),
    *(Absent(action) for action in ABSENT),
    *(Empty(action) for action in EMPTY),
)
