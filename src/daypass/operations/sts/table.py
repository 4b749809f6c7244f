"""The actions of STS that Daypass performs."""

from daypass.operations.operation import AnyOperation
from daypass.operations.sts.assume_role import AssumeRole
from daypass.operations.sts.assume_role_with_saml import AssumeRoleWithSAML
from daypass.operations.sts.assume_role_with_web_identity import AssumeRoleWithWebIdentity
from daypass.operations.sts.assume_root import AssumeRoot
from daypass.operations.sts.decode_authorization_message import DecodeAuthorizationMessage
from daypass.operations.sts.get_access_key_info import GetAccessKeyInfo
from daypass.operations.sts.get_caller_identity import GetCallerIdentity
from daypass.operations.sts.get_delegated_access_token import GetDelegatedAccessToken
from daypass.operations.sts.get_federation_token import GetFederationToken
from daypass.operations.sts.get_scoped_credentials import GetScopedCredentials
from daypass.operations.sts.get_session_token import GetSessionToken
from daypass.operations.sts.get_web_identity_token import GetWebIdentityToken

OPERATIONS: tuple[AnyOperation, ...] = (
    AssumeRole(),
    AssumeRoleWithSAML(),
    AssumeRoleWithWebIdentity(),
    AssumeRoot(),
    DecodeAuthorizationMessage(),
    GetAccessKeyInfo(),
    GetCallerIdentity(),
    GetDelegatedAccessToken(),
    GetFederationToken(),
    GetScopedCredentials(),
    GetSessionToken(),
    GetWebIdentityToken(),
)
