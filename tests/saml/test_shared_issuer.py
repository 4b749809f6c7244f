"""Many tenants register a provider with the same entity ID.

None of them can block or slow down another tenant's sign-in.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.documents import document, trusting
from tests.saml.browser import JSON, Answer, Browser
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting, registered

from daypass.directory.entities.saml_entities import ProviderKey
from daypass.directory.saml_providers import delete_provider, find_provider, insert_provider
from daypass.federation.saml.candidates import BUDGET, VERIFY_EC, BudgetSpentError, read_candidates
from daypass.federation.saml.metadata import IdentityProviderMetadata, SamlSigningKey
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.verify import decode_response, verify_response
from daypass.portal.roles import proven_sign_ins
from daypass.sign_in import saml_roles
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import Encryption, KeyPair, make_key_pair
from daypass.testing.server import running_server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/people"
ELSEWHERE = "arn:aws:iam::555555555555:role/people"
BROWSER = Browser()
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared(keys: tuple[KeyPair, ...]) -> Iterator[Stage]:
    """Run a server with a provider that has a private key."""
    with running_server() as server:
        stage = registered(server, keys[0])
        stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, AddPrivateKey=keys[1].pem)
        stage.role("people")
        yield stage


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the providers for which the portal verifies a whole response."""
    asked: list[str] = []

    def noted(response: str, **how: Any) -> Any:
        asked.append(how["trust"].provider_arn)
        return verify_response(response, **how)

    monkeypatch.setattr(saml_roles, "verify_response", noted)
    return asked


@pytest.fixture
def squatters(shared: Stage, keys: tuple[KeyPair, ...], request: pytest.FixtureRequest) -> Iterator[None]:
    """Let accounts register the same entity ID.

    The parameter is `(accounts, providers in each)`. Each provider differs in its other values.
    """
    accounts, providers = request.param
    there, ends = shared.server.there, shared.server.clock.now() + timedelta(days=30)
    other = SamlIdentityProvider(shared.idp.entity_id, keys=[keys[2]])
    with there.store.write() as writer:
        victim = find_provider(writer, PROVIDER)
        assert victim is not None
        made = []
        for number in range(accounts * providers):
            account, name = divmod(number, providers)
            until = ends + timedelta(seconds=number)
            squatter = msgspec.structs.replace(
                victim,
                id=f"SAMLSP{number:016}",
                account=f"{account:012}" if account % 2 else f"{999_999_999_999 - account}",
                name=f"x{name}",
                metadata=other.metadata_xml(valid_until=until),
                valid_until=until,
                summary=None,
                encryption="Required" if number % 3 == 0 else None,
            )
            sealed = there.vault.encrypt(keys[2].pem.encode(), bound_to=squatter.key_name("k"))
            key = ProviderKey(id="k", created=victim.created, sealed=sealed)
            made.append(msgspec.structs.replace(squatter, keys=(key,)))
            insert_provider(writer, made[-1])
    yield
    with there.store.write() as writer:
        for each in made:
            delete_provider(writer, each)


def hand_in(stage: Stage, *roles: str, provider: str = PROVIDER, **how: Any) -> Answer:
    """Send a response of the victim's provider to the portal."""
    response = stage.response(granting(*roles, provider=provider), **how)
    return BROWSER.send(f"{stage.server.url}/saml", {"SAMLResponse": response}, accept=JSON)


@pytest.mark.parametrize("squatters", [(1, 20), (1, 100), (40, 5)], indirect=True)
@pytest.mark.usefixtures("squatters")
def test_whoever_registers_the_entity_id_shuts_nobody_out(
    shared: Stage, keys: tuple[KeyPair, ...], verified: list[str]
) -> None:
    """A response is verified once, by the provider that it names.

    An encrypted response is verified by the provider with the key that decrypts it.
    """
    answer = hand_in(shared, ROLE)
    assert [role["RoleArn"] for role in answer.document["Roles"]] == [ROLE]
    assert verified == [PROVIDER]
    hidden = Encryption(to=keys[1].certificate.public_key())  # type: ignore[arg-type] # RSA
    for signed in ("assertion", "both"):
        verified.clear()
        answer = hand_in(shared, ROLE, signed=signed, encryption=hidden)
        assert [role["RoleArn"] for role in answer.document["Roles"]] == [ROLE]
        assert verified == [PROVIDER]
    verified.clear()
    # A response for another STS does not name a provider of this one. It is verified, but does not open a role here.
    answer = hand_in(shared, ELSEWHERE, provider="arn:aws:iam::555555555555:saml-provider/idp")
    assert answer.document["Error"]["Code"] == "AccessDenied"
    assert verified == [PROVIDER]


@pytest.mark.parametrize("squatters", [(1, 100)], indirect=True)
@pytest.mark.usefixtures("squatters")
def test_a_bad_response_is_verified_once(shared: Stage, keys: tuple[KeyPair, ...], verified: list[str]) -> None:
    """If no key matches, one provider gives the reason.

    The hundred others do not cost a verification.
    """
    forger = SamlIdentityProvider(shared.idp.entity_id, keys=[make_key_pair("p-256")])
    response = forger.response(granting(ROLE), now=shared.server.clock.now())
    answer = BROWSER.send(f"{shared.server.url}/saml", {"SAMLResponse": response}, accept=JSON)
    assert answer.document["Error"]["Message"] == "Response signature invalid"
    assert verified == [PROVIDER]


def test_one_accounts_sign_ins_leave_room_for_anothers(
    shared: Stage, keys: tuple[KeyPair, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verified sign-in is stored until a role is chosen.

    The users of one account have a limited number of places.
    """
    monkeypatch.setattr(proven_sign_ins, "_MOST_OF_ACCOUNT", 1)
    (one, arn, role), (other, *rest) = (_tenant(shared, name, keys) for name in ("one", "other"))
    assert hand_in(one, role, provider=arn).status == 200
    for _ in range(2):
        assert hand_in(one, role, provider=arn).document["Error"]["Code"] == "Throttling"
    assert hand_in(other, rest[1], provider=rest[0]).status == 200


def _tenant(shared: Stage, name: str, keys: tuple[KeyPair, ...]) -> tuple[Stage, str, str]:
    """Create an account with a provider and a role of its own."""
    own = Stage(shared.server, SamlIdentityProvider(f"https://{name}.example.org", keys=keys[2:]))
    iam = shared.client("iam", shared.server.new_account(standing="standalone"))
    arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=own.idp.metadata_xml())["SAMLProviderArn"]
    trust = document(trusting({"Federated": arn}, "sts:AssumeRoleWithSAML"))
    return own, arn, iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


def test_either_order_of_a_role_value_names_the_provider(shared: Stage) -> None:
    """AWS accepts `role,provider` and `provider,role`."""
    assertion = granting(ROLE)
    turned = shared.idp.response(type(assertion)(roles=(f"{PROVIDER},{ROLE}",)), now=shared.server.clock.now())
    for response in (turned, shared.response(assertion)):
        assert read_candidates(decode_response(response)).named == (PROVIDER,)


def test_choosing_has_a_limit() -> None:
    """A response is compared with a limited number of keys, whatever is registered."""
    idp = SamlIdentityProvider(keys=[make_key_pair("p-256")])
    found = read_candidates(decode_response(idp.response(granting(ROLE), now=NOW)))
    for _ in range(BUDGET // VERIFY_EC):
        assert found.find_alike(_other_trust(idp), NOW) is None
    with pytest.raises(BudgetSpentError):
        found.find_alike(_other_trust(idp), NOW)
    assert found.spent == BUDGET


def _other_trust(idp: SamlIdentityProvider) -> Trust:
    """Return a provider with the same entity ID and another key."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    signing = SamlSigningKey(key, "", NOW - timedelta(days=1), NOW + timedelta(days=1))
    metadata = IdentityProviderMetadata(idp.entity_id, (signing,), (), None, wants_signed_requests=False)
    return Trust(ACCOUNT, "other", metadata)
