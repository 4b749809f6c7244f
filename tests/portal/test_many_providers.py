"""The sign-in page with many providers: its cost does not depend on the registrations of other accounts."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, TypeVarTuple

import pytest
from tests.portal.test_sign_in_page import register

from daypass.directory.store import Reader
from daypass.portal.login.login_options import SamlLoginOptions
from daypass.storage.cache import StoreCache
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class CountedViews:
    """Store views that count their loads."""

    def __init__(self, server: RunningServer) -> None:
        self._views = StoreCache(server.there.store).loading
        self.asked: list[str] = []

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Forward a load and count it."""
        self.asked.append(loader.__name__)
        return self._views.get(loader, *args)


@pytest.mark.parametrize("accounts", [1, 6])
def test_a_request_costs_the_same_however_many_providers_there_are(accounts: int) -> None:
    """Page and link make one load; a change in one account reloads only the providers of that account."""
    with running_server() as server:
        make, options, views = client_factory(server), SamlLoginOptions(), CountedViews(server)
        roots = [server.new_account() for _ in range(accounts)]
        for root in roots:
            for number in range(3):
                iam = make("iam", root)
                register(iam, f"p{number}", f"https://idp-{number}.example.net/{root.account}")
        first = options.listed(views)
        assert len(first) == 3 * accounts
        views.asked.clear()
        assert options.listed(views) is first
        assert [options.find(views, option.key) for option in first] == list(first)
        assert views.asked == ["load_sign_of_change"] * (1 + len(first))
        make("iam", roots[0]).delete_saml_provider(SAMLProviderArn=f"arn:aws:iam::{roots[0].account}:saml-provider/p0")
        after = options.listed(views)
        assert [option.entity_id for option in set(first) - set(after)] == [
            f"https://idp-0.example.net/{roots[0].account}"
        ]
        others = [option for option in after if roots[0].account not in option.accounts]
        assert {id(option) for option in others} <= {id(option) for option in first}


def test_a_provider_shared_by_accounts_keeps_its_order_when_one_leaves() -> None:
    """The accounts of a provider are sorted by registration time, also after a change."""
    with running_server() as server:
        make, options, views = client_factory(server), SamlLoginOptions(), CountedViews(server)
        roots = [server.new_account() for _ in range(3)]
        for root in roots:
            register(make("iam", root), "corp", "https://idp.example.net/saml")
            server.clock.move(timedelta(seconds=2))
        assert [option.accounts for option in options.listed(views)] == [tuple(root.account for root in roots)]
        arn = f"arn:aws:iam::{roots[1].account}:saml-provider/corp"
        make("iam", roots[1]).delete_saml_provider(SAMLProviderArn=arn)
        assert [option.accounts for option in options.listed(views)] == [(roots[0].account, roots[2].account)]
        for root in (roots[0], roots[2]):
            arn = f"arn:aws:iam::{root.account}:saml-provider/corp"
            make("iam", root).delete_saml_provider(SAMLProviderArn=arn)
        assert options.listed(views) == ()
