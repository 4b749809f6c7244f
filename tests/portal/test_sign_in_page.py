"""The sign-in page: the listed identity providers and their distinguishing texts."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import html
from tests.portal.oidc_scene import Errand

from daypass.config import ClientSetting, Config, ConfigurationError, load_config
from daypass.directory.saml_providers import find_provider, set_display
from daypass.testing.plugin import client_factory
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair, make_key_pair
from daypass.testing.server import RunningServer, running_server

KEY = make_key_pair()
TENANT, ACCOUNTS = "https://login.example.org/tenant-1/v2.0", "https://accounts.example.com"
OIDC = (ClientSetting(TENANT, "a"), ClientSetting(ACCOUNTS, "b"))


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server with two OpenID Connect providers."""
    with running_server(config=Config(oidc_clients=OIDC)) as running:
        yield running


def register(iam: Any, name: str, entity_id: str, *, location: str = "", key: KeyPair = KEY) -> None:
    """Register a SAML provider."""
    metadata = SamlIdentityProvider(entity_id, keys=[key]).metadata_xml()
    if location:
        metadata = metadata.replace(f'Location="{entity_id}/sso"', f'Location="{location}"')
    iam.create_saml_provider(Name=name, SAMLMetadataDocument=metadata)


def login_options(server: RunningServer) -> list[list[str]]:
    """Return the lines of the page about each provider."""
    with urllib.request.urlopen(f"{server.url}/login") as answer:  # noqa: S310 - the test's own server
        tree = html.fromstring(answer.read().decode())
    texts = [text for text in tree.iter("span") if text.get("class") == "login-option-text"]
    return [[line.strip() for line in map(str, text.itertext()) if line.strip()] for text in texts]


def test_providers_of_both_kinds_stand_by_their_hosts(server: RunningServer) -> None:
    """One line has the host, another the protocol and the accounts."""
    iam = client_factory(server)("iam")
    register(iam, "corp", "https://idp.example.net/saml")
    iam.create_account_alias(AccountAlias="acme")
    assert login_options(server) == [
        ["login.example.org", "OpenID Connect"],
        ["accounts.example.com", "OpenID Connect"],
        ["idp.example.net", "SAML · acme"],
    ]


def test_an_operator_names_a_saml_provider(server: RunningServer) -> None:
    """The label comes first, beside the host, and the order places it among all."""
    iam = client_factory(server)("iam")
    for name in ("one", "two"):
        register(iam, name, f"https://{name}.example.net/saml")
    with server.there.store.write() as writer:
        for name, order in (("one", 9), ("two", -1)):
            provider = find_provider(writer, f"arn:aws:iam::{server.root.account}:saml-provider/{name}")
            assert provider is not None
            set_display(writer, provider, label=f"Acme {name} <b>", order=order)
    found = [lines[:2] for lines in login_options(server)]
    assert found[0] == ["Acme two <b>", "two.example.net"]
    assert found[-1] == ["Acme one <b>", "one.example.net"]


def test_the_settings_name_providers_of_both_kinds() -> None:
    """They win over the values of `apply`, and a value that is not set stays."""
    corp, plain = "https://corp.example.net/saml", "https://plain.example.net/saml"
    options = load_config(
        {},
        {},
        f"""
        [[login_option]]
        issuer = "{ACCOUNTS}"
        label = "Guests <b>"
        order = 9
        [[login_option]]
        issuer = "{corp}"
        label = "Staff"
        logo = "/brand/staff.svg"
        order = -5
        [[login_option]]
        issuer = "{plain}/"
        label = "Another provider"
        """,
    ).login_option
    with running_server(config=Config(oidc_clients=OIDC, login_option=options)) as server:
        iam = client_factory(server)("iam")
        register(iam, "corp", corp)
        register(iam, "plain", plain)
        with server.there.store.write() as writer:
            provider = find_provider(writer, f"arn:aws:iam::{server.root.account}:saml-provider/corp")
            assert provider is not None
            set_display(writer, provider, label="By apply", order=99)
        found = login_options(server)
        page = Errand(server.url).get("/login")[2]
    account = server.root.account
    assert found == [
        ["Staff", "corp.example.net", f"SAML · {account}"],
        ["login.example.org", "OpenID Connect"],
        ["plain.example.net", f"SAML · {account}"],
        ["Guests <b>", "accounts.example.com", "OpenID Connect"],
    ]
    assert html.fromstring(page).xpath("//main//img/@src") == ["/brand/staff.svg"]


def test_an_account_cannot_take_the_name_of_a_provider() -> None:
    """An entity ID with two addresses has no name of the settings, and has it again when one is gone."""
    entity_id = "https://corp.example.net/saml"
    options = load_config({}, {}, f'[[login_option]]\nissuer = "{entity_id}"\nlabel = "Staff"').login_option
    with running_server(config=Config(login_option=options)) as server:
        make = client_factory(server)
        register(make("iam"), "corp", entity_id)
        tenant = make("iam", server.new_account("5" * 12, name="tenant"))
        register(tenant, "corp", entity_id, location="https://evil.example.org/sso")
        assert [lines[0] for lines in login_options(server)] == ["corp.example.net", "evil.example.org"]
        tenant.delete_saml_provider(SAMLProviderArn=f"arn:aws:iam::{'5' * 12}:saml-provider/corp")
        assert [lines[0] for lines in login_options(server)] == ["Staff"]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        (f"{ACCOUNTS}/realms/acme", "Guests"),
        ("https://evil.example.org/sso", "evil.example.org"),
        (f"{ACCOUNTS}.evil.example.org/sso", "accounts.example.com.evil.example.org"),
    ],
)
def test_a_saml_provider_cannot_take_the_name_of_an_issuer(location: str, name: str) -> None:
    """An entity ID that is an issuer too has its name only for an address below it, as Keycloak's realms have."""
    options = load_config({}, {}, f'[[login_option]]\nissuer = "{ACCOUNTS}"\nlabel = "Guests"').login_option
    with running_server(config=Config(oidc_clients=OIDC, login_option=options)) as server:
        register(client_factory(server)("iam"), "corp", ACCOUNTS, location=location)
        assert login_options(server)[-1][0] == name


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('label = "x"', "issuer"),
        ('issuer = ""', "issuer"),
        ("issuer = 7", "issuer"),
        ('issuer = "x"\nname = "y"', "name"),
        (f'issuer = "x"\nlabel = "{"y" * 65}"', "label"),
        ('issuer = "x"\nlabel = "a\\nb"', "label"),
        ('issuer = "x"\nlabel = "\\u202e"', "label"),
        ('issuer = "x"\nlabel = 7', "label"),
        ('issuer = "x"\nlogo = "https://cdn.example.com/logo.png"', "logo"),
        ('issuer = "x"\nlogo = false', "logo"),
        ('issuer = "x"\norder = "1"', "order"),
        ('issuer = "x"\norder = true', "order"),
        ('issuer = "x"\norder = 10000', "order"),
        ('issuer = "x"\n[[login_option]]\nissuer = "x"', "twice"),
    ],
)
def test_a_wrong_login_option_is_refused(table: str, named: str) -> None:
    """The message names the table and the key."""
    with pytest.raises(ConfigurationError, match=rf"login_option.*{named}"):
        load_config({}, {}, f"[[login_option]]\n{table}")


def test_a_login_option_is_an_array_of_tables() -> None:
    """A single table is refused, because a second one would be an error of TOML."""
    with pytest.raises(ConfigurationError, match=r"\[\[login_option\]\]"):
        load_config({}, {}, '[login_option]\nissuer = "x"')


def test_the_last_provider_stands_first(server: RunningServer) -> None:
    """The browser remembers it with a cookie that has only its key; a forged one changes nothing."""
    register(client_factory(server)("iam"), "corp", "https://idp.example.net/saml")
    browser = Errand(server.url)

    def links() -> list[str]:
        found = html.fromstring(browser.get("/login")[2]).iter("a")
        return [each.get("href", "") for each in found if each.get("class") == "login-option"]

    link = links()[-1]
    assert browser.get(link)[0] == 303
    assert links()[0] == link
    assert browser.get("/login")[2].count("Last used") == 1
    browser.cookies["__Host-daypass-provider"] = "<script>"
    assert "Last used" not in browser.get("/login")[2]


def test_realms_and_tenants_of_one_host_are_told_apart(server: RunningServer) -> None:
    """The page adds the rest of the address, which a tenant cannot imitate."""
    iam = client_factory(server)("iam")
    register(iam, "acme", "https://keycloak.example.net/realms/acme")
    register(iam, "beta", "https://keycloak.example.net/realms/beta")
    register(iam, "entra", "https://sts.example.org/1/", location="https://login.example.org/tenant-1/saml2?a=1")
    account = server.root.account
    assert login_options(server) == [
        ["login.example.org", "/tenant-1/v2.0", "OpenID Connect"],
        ["accounts.example.com", "OpenID Connect"],
        ["keycloak.example.net", "/realms/acme/sso", f"SAML · {account}"],
        ["keycloak.example.net", "/realms/beta/sso", f"SAML · {account}"],
        ["login.example.org", "/tenant-1/saml2?a=1", f"SAML · {account}"],
    ]


def test_one_provider_of_many_accounts_stands_there_once(server: RunningServer) -> None:
    """It has the accounts' names, or their numbers without a name, and at most three of them."""
    make = client_factory(server)
    others = [server.new_account(f"{number}" * 12, name=f"team-{number}") for number in range(5, 9)]
    for root in (None, *others):
        register(make("iam", root) if root else make("iam"), "corp", "https://idp.example.net/saml")
    [*_, option] = login_options(server)
    assert option == ["idp.example.net", "SAML · 123456789012, team-5, team-6 and 2 more"]


@pytest.mark.parametrize(
    "location",
    [
        "javascript:alert(1)",
        "http://idp.example.net/sso",
        "https://idp.example.net;a/sso",
        "//idp.example.net",
        "https://[x/",
        "https://idp.example.net/s so",
    ],
)
def test_an_address_that_no_browser_should_go_to_is_not_offered(server: RunningServer, location: str) -> None:
    """Only https is accepted, and plain http on this machine."""
    register(client_factory(server)("iam"), "corp", "https://idp.example.net/saml", location=location)
    assert len(login_options(server)) == len(OIDC)


def test_an_address_adds_no_directive_to_the_policy_of_its_page(server: RunningServer) -> None:
    """The policy has the origin of the provider only, also if a query follows the host."""
    iam, browser = client_factory(server)("iam"), Errand(server.url)
    document = SamlIdentityProvider("https://idp.example.net/saml", keys=[KEY]).metadata_xml()
    document = document.replace("HTTP-Redirect", "SOAP").replace("/saml/sso", "?a;script-src-elem")
    iam.create_saml_provider(Name="corp", SAMLMetadataDocument=document)
    page: Any = html.fromstring(browser.get("/login")[2])
    [link] = page.xpath("//a[starts-with(@href, '/login/saml/')]/@href")
    status, headers, _ = browser.get(link)
    assert status == 200
    assert "form-action 'self' https://idp.example.net https:;" in headers["content-security-policy"]
    assert "elem" not in headers["content-security-policy"]


def test_without_providers_the_page_says_how_to_have_some() -> None:
    """The page describes the setup of both kinds, with the values for the administrator."""
    with running_server() as server, urllib.request.urlopen(f"{server.url}/login") as answer:  # noqa: S310 - our own
        page = answer.read().decode()
        for needed in ("create-saml-provider", f"{server.url}/saml", "DAYPASS_OIDC_CLIENTS", "/login/oidc/callback"):
            assert needed in page
