"""The names of test sign-ins, which no session ever begins with.

Owns the name in the cookie of a pending login: a response to such a login is inspected, and nothing else. The operator
console begins test sign-ins, the pages of login receive their responses.
"""

from typing import NamedTuple

PREFIX = "test:"


class SignInTest(NamedTuple):
    """The account of the operator, and the provider under test.

    `provider` is the ARN of a SAML provider, or the key of an OpenID Connect client.
    """

    account: str
    provider: str

    @property
    def name(self) -> str:
        """The name in the cookie of the pending login."""
        return f"{PREFIX}{self.account}:{self.provider}"


def find_test(name: str) -> SignInTest | None:
    """Return the test that a pending login belongs to, or None."""
    if not name.startswith(PREFIX):
        return None
    account, _, provider = name.removeprefix(PREFIX).partition(":")
    return SignInTest(account, provider)
