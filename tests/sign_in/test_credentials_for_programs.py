"""Programs of people who signed in with an ID token get credentials too."""

import pytest
from botocore.exceptions import ClientError
from tests.sign_in.conftest import ACCOUNT, ISSUER, People, later
from tests.sso.people.person import SCOPE, unsigned

from daypass.sign_in.token_families import begin_family


def access_token(people: People, role: str) -> str:
    """Sign a person in with an ID token, and return the access token of a program."""
    session, _ = people.node.sign_in_by_oidc(people.token(email="alice@example.org"), role)
    with people.node.ctx() as ctx:
        return begin_family(ctx, sign_in=session.id, kind="sso", client_id="program", scopes=(SCOPE,)).access


def test_accounts_roles_and_credentials_of_an_id_token(people: People) -> None:
    """The token was valid for minutes. The sign-in counts for hours."""
    role = people.role("developer")
    access, sso = access_token(people, role), unsigned("sso", people.server.url)
    later(people, minutes=50)
    assert [each["accountId"] for each in sso.list_accounts(accessToken=access)["accountList"]] == [ACCOUNT]
    roles = sso.list_account_roles(accessToken=access, accountId=ACCOUNT)["roleList"]
    assert roles == [{"roleName": "developer", "accountId": ACCOUNT}]
    found = sso.get_role_credentials(accessToken=access, accountId=ACCOUNT, roleName="developer")["roleCredentials"]
    assert found["accessKeyId"].startswith("ASIA")


def test_the_removal_of_the_provider_ends_the_tokens(people: People) -> None:
    """The next call is refused, and the client asks for a new sign-in."""
    role = people.role("developer")
    access, sso = access_token(people, role), unsigned("sso", people.server.url)
    name = ISSUER.removeprefix("https://")
    people.client("iam").delete_open_id_connect_provider(
        OpenIDConnectProviderArn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"
    )
    with pytest.raises(ClientError) as refused:
        sso.list_accounts(accessToken=access)
    assert refused.value.response["Error"]["Code"] == "UnauthorizedException"
