"""Genuine tokens are accepted: without this, a refusal elsewhere would prove little."""

import json

import jwt as pyjwt
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from tests.federation.oidc.setting import AUDIENCE, EPOCH, claims, header, judge, jwks, key, token, trusting

from daypass.testing.tokens import compact


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_each_algorithm_of_aws_is_accepted(alg: str) -> None:
    """AWS accepts RS256/384/512 and ES256/384/512."""
    identity = judge(token(alg=alg))
    assert (identity.subject, identity.audience) == ("user-1", AUDIENCE)


def test_a_token_without_type_is_accepted() -> None:
    """The header's typ is optional."""
    assert judge(compact(header(typ=None), claims(), key("RS256"))).subject == "user-1"


def test_unknown_header_members_are_ignored() -> None:
    """Only members that change how the token is read are refused (RFC 7515 section 4)."""
    assert judge(compact(header(x_note="hello", x5t="abc"), claims(), key("RS256"))).subject == "user-1"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("jku", "https://uaa.example/token_keys"),
        ("jku", "file:///etc/passwd"),
        ("jku", 7),
        ("x5u", "https://attacker.example/chain.pem"),
        ("x5c", ["MIIB"]),
        ("x5c", None),
        ("jwk", {"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        ("jwk", "key"),
    ],
)
def test_members_that_name_a_key_are_ignored(member: str, value: object) -> None:
    """Tokens of SAP and Cloud Foundry carry jku. The provider's keys verify the token, whatever the header says."""
    text = compact(json.dumps({**header(), member: value}).encode(), claims(), key("RS256"))
    assert judge(text).subject == "user-1"


@pytest.mark.parametrize("name", ["nbf", "azp", "amr", "email", "events", "https://aws.amazon.com/source_identity"])
def test_a_claim_that_is_null_is_absent(name: str) -> None:
    """Some issuers write null for a claim without a value."""
    text = compact(header(), json.dumps({**claims(), name: None}).encode(), key("RS256"))
    assert judge(text) == judge(token())


def test_the_authorized_party_wins_over_several_audiences() -> None:
    """With azp, several audiences are allowed, and azp becomes the audience."""
    identity = judge(token(aud=["first", "other"], azp="second-client"))
    assert identity.audience == "second-client"


def test_a_list_of_one_audience_is_that_audience() -> None:
    """Many issuers always write aud as a list."""
    assert judge(token(aud=[AUDIENCE])).audience == AUDIENCE


def test_a_token_without_key_id_finds_the_only_key_that_fits() -> None:
    """A key id is a hint. A single fitting key does not need one."""
    text = compact(header(kid=None), claims(), key("RS256"))
    assert judge(text, keys=jwks(key("RS256").jwk(), key("ES256").jwk())).subject == "user-1"


def test_a_nameless_key_serves_a_token_that_names_one() -> None:
    """An issuer with a single key may leave its id out of the set."""
    assert judge(token(), keys=jwks(key("RS256").jwk(kid=None))).subject == "user-1"


def test_tokens_of_other_signers_are_accepted() -> None:
    """Two libraries that share no code with ours make tokens that we accept."""
    text = pyjwt.encode(claims(), key("RS256").pem, algorithm="RS256", headers={"kid": "RS256-good"})
    assert judge(text).subject == "user-1"
    signer = RSAKey.import_key(key("RS256").pem)
    text = jws.serialize_compact(header(), json.dumps(claims()), signer)
    assert judge(text).subject == "user-1"


def test_our_test_signer_is_believed_by_another_verifier() -> None:
    """The simulator's tokens are real: PyJWT verifies them too."""
    text = token(alg="ES256", exp=EPOCH + 10**9)
    found = pyjwt.decode(text, key("ES256").public_pem, ["ES256"], audience=AUDIENCE)
    assert found["sub"] == "user-1"


def test_a_provider_may_have_many_clients() -> None:
    """Each registered client id is accepted, and no other."""
    assert judge(token(aud="b"), provider=trusting("a", "b")).audience == "b"
