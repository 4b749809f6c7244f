"""The table of the operations of the JSON services.

Each operation of the three models is performed here, or refused by name with a reason. tests/project compares the table
and the members of each operation with the installed models.
"""

from collections.abc import Mapping

from daypass.operations.declared import declare
from daypass.sso.create_token import CreateToken
from daypass.sso.portal_api import GetRoleCredentials, ListAccountRoles, ListAccounts, Logout
from daypass.sso.register_client import RegisterClient
from daypass.sso.rest_action import AnyAction
from daypass.sso.signin_api import CreateOAuth2Token
from daypass.sso.start_device_authorization import StartDeviceAuthorization
from daypass.wire.supported import Declared

ACTIONS: tuple[AnyAction, ...] = (
    RegisterClient(),
    StartDeviceAuthorization(),
    CreateToken(),
    ListAccounts(),
    ListAccountRoles(),
    GetRoleCredentials(),
    Logout(),
    CreateOAuth2Token(),
)

_IDENTITY_CENTER = "Daypass has no IAM Identity Center, whose applications use it."
_CONSOLE = "Daypass has no console whose sessions it concerns."

# Operations of the models that are refused, and why.
REFUSED_ACTIONS: Mapping[tuple[str, str], str] = {
    ("sso-oidc", "CreateTokenWithIAM"): _IDENTITY_CENTER,
    ("signin", "BatchRevokeSessions"): _CONSOLE,
    ("signin", "CreateBearerToken"): _CONSOLE,
    ("signin", "CreateOAuth2TokenWithIAM"): _CONSOLE,
    ("signin", "CreateOAuth2TokenWithTokenExchange"): _CONSOLE,
    ("signin", "DeleteConsoleAuthorizationConfiguration"): _CONSOLE,
    ("signin", "DeleteResourcePermissionStatement"): _CONSOLE,
    ("signin", "GetConsoleAuthorizationConfiguration"): _CONSOLE,
    ("signin", "GetResourcePolicy"): _CONSOLE,
    ("signin", "GetSession"): _CONSOLE,
    ("signin", "IntrospectOAuth2TokenWithIAM"): _CONSOLE,
    ("signin", "ListResourcePermissionStatements"): _CONSOLE,
    ("signin", "ListSessions"): _CONSOLE,
    ("signin", "PutConsoleAuthorizationConfiguration"): _CONSOLE,
    ("signin", "PutResourcePermissionStatement"): _CONSOLE,
    ("signin", "RevokeOAuth2TokenWithIAM"): _CONSOLE,
}

# Members that are refused, and why: (service, operation, member).
REFUSED_REST_MEMBERS: Mapping[tuple[str, str, str], str] = {
    ("sso-oidc", "RegisterClient", "entitledApplicationArn"): _IDENTITY_CENTER,
}


def declared_members(action: AnyAction) -> Declared:
    """Return the members of the model that an operation reads."""
    members = declare(action.service, action.name, action.takes, {})
    return {action.payload: members} if action.payload else members
