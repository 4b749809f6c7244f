"""Roles of a sign-in: the decision is made anew each time, with the proof of the sign-in."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from tests.sign_in.conftest import (
    ACCOUNT,
    CLIENT,
    ISSUER,
    OIDC_PROVIDER,
    OTHER,
    PROVIDER,
    Keys,
    Node,
    People,
    later,
    trusting,
)

from daypass.audit.sinks import NotRecordedError
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.store import WouldBlockError
from daypass.errors import AccessDenied, Fault, InvalidIdentityToken, ServiceUnavailable, ValidationError
from daypass.federation.oidc.claims import ROLES_CLAIM
from daypass.federation.oidc.identify import KeysNeededError
from daypass.sign_in import proofs
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.role_limits import end_for_role
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.tokens import SigningKey

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"
SECOND = f"arn:aws:iam::{ACCOUNT}:role/reader"
HOST = ISSUER.removeprefix("https://")


def signed_in(people: People, kind: str) -> Any:
    """Return a session of one kind for two roles."""
    people.role("developer")
    people.role("reader")
    if kind == "saml":
        return people.node.sign_in_by_saml(people.response(ROLE, SECOND))[0]
    return people.node.sign_in_by_oidc(people.token(), ROLE)[0]


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_one_sign_in_takes_every_role_many_times(people: People, kind: str) -> None:
    """Also long after the proof is too old for the API."""
    session = signed_in(people, kind)
    assert [role.arn for role in people.node.open_roles(session)] == [ROLE, SECOND]
    for role in (ROLE, SECOND, ROLE):
        taken = people.node.take(session, role)
        assert people.arn_of(taken) == f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/alice"
    later(people, hours=3)
    assert [role.arn for role in people.node.open_roles(session)] == [ROLE, SECOND]
    assert people.node.take(session, SECOND)["AssumedRoleUser"]["Arn"].endswith("/reader/alice")


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_the_answer_is_that_of_the_api(people: People, kind: str) -> None:
    """The members have the names and values of AssumeRoleWithSAML or AssumeRoleWithWebIdentity."""
    people.role("developer")
    if kind == "saml":
        response = people.response(ROLE, tags={"team": "blue"}, source_identity="alice")
        expected = people.client("sts").assume_role_with_saml(
            RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=response
        )
        session, _ = people.node.sign_in_by_saml(response)
    else:
        token = people.token()
        session, _ = people.node.sign_in_by_oidc(token, ROLE)
        expected = {"SubjectFromWebIdentityToken": "alice", "Audience": CLIENT, "Provider": OIDC_PROVIDER}
    taken = people.node.take(session, ROLE)
    varying = {"Credentials", "ResponseMetadata", "SessionTokenSize", "SessionTokenUtilization"}
    assert {name: taken[name] for name in expected if name not in varying} == {
        name: value for name, value in expected.items() if name not in varying
    }


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_the_identity_of_the_sign_in_is_propagated(people: People, kind: str) -> None:
    """As by the API; a change of the provider counts for the next role, and a missing subject closes every role."""
    session, iam = signed_in(people, kind), people.client("iam")
    source = "Subject/NameID" if kind == "saml" else "sub"
    subject = "alice@example.org" if kind == "saml" else "alice"
    member, change = (
        ({"SAMLProviderArn": PROVIDER}, iam.update_saml_provider)
        if kind == "saml"
        else ({"OpenIDConnectProviderArn": OIDC_PROVIDER}, iam.update_open_id_connect_provider)
    )
    assert "TrustedIdentityPropagationContext" not in people.node.take(session, ROLE)
    change(**member, ContextProvider={"SubjectSourceKey": source})
    policy = {
        "Effect": "Allow",
        "Action": "iam:ListAccountAliases",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:OriginIdentity/Subject": subject}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": policy})
    iam.put_role_policy(RoleName="developer", PolicyName="p", PolicyDocument=document)
    taken = people.node.take(session, ROLE)
    assert taken["TrustedIdentityPropagationContext"]["OriginIdentity"]["Subject"] == subject
    assert "AccountAliases" in people.client("iam", taken["Credentials"]).list_account_aliases()
    change(**member, ContextProvider={"SubjectSourceKey": "urn:missing"})
    with pytest.raises(InvalidIdentityToken, match="urn:missing"):
        people.node.take(session, ROLE)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_the_event_has_the_sign_in(people: People, kind: str) -> None:
    """The event is that of the API, with the sign-in's id and time, and without a proof."""
    session = signed_in(people, kind)
    people.node.take(session, ROLE, seconds=1_800, event="GetRoleCredentials")
    event = people.node.event()
    assert event["eventName"] == {"saml": "AssumeRoleWithSAML", "oidc": "AssumeRoleWithWebIdentity"}[kind]
    assert event["eventSource"] == "sts.amazonaws.com"
    assert event["sourceIPAddress"] == "192.0.2.7"
    assert event["requestParameters"]["roleArn"] == ROLE
    assert event["requestParameters"]["durationSeconds"] == 1_800
    assert event["userIdentity"]["type"] == {"saml": "SAMLUser", "oidc": "WebIdentityUser"}[kind]
    assert event["additionalEventData"] == {
        "SignInId": session.id,
        "SignInTime": session.proven_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SignInEvent": "GetRoleCredentials",
    }
    with pytest.raises(Fault):
        people.node.take(session, f"arn:aws:iam::{ACCOUNT}:role/none")
    refused = people.node.event()
    assert refused["errorCode"]
    assert refused["additionalEventData"]["SignInId"] == session.id


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_changed_trust_policy_counts_at_once(people: People, kind: str) -> None:
    """A role that does not trust the person any more is neither listed nor taken."""
    session = signed_in(people, kind)
    people.node.take(session, ROLE)
    policy = trusting(PROVIDER, OIDC_PROVIDER, condition={"StringEquals": {"saml:sub": "bob", f"{HOST}:sub": "bob"}})
    people.client("iam").update_assume_role_policy(RoleName="developer", PolicyDocument=policy)
    assert [role.arn for role in people.node.open_roles(session)] == [SECOND]
    with pytest.raises(AccessDenied):
        people.node.take(session, ROLE)
    people.client("iam").delete_role(RoleName="reader")
    assert people.node.open_roles(session) == ()
    with pytest.raises(AccessDenied):
        people.node.take(session, SECOND)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_removed_provider_counts_at_once(people: People, kind: str) -> None:
    """The credentials that were taken before last to their own end."""
    session = signed_in(people, kind)
    taken = people.node.take(session, ROLE)
    iam = people.client("iam")
    if kind == "saml":
        iam.delete_saml_provider(SAMLProviderArn=PROVIDER)
    else:
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER)
    with pytest.raises(SignInOverError):
        people.node.take(session, ROLE)
    assert people.arn_of(taken)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_sign_out_leaves_credentials_and_a_revocation_ends_them(people: People, kind: str) -> None:
    """A revocation ends also a role session that another role session issued."""
    session = signed_in(people, kind)
    people.role("chained")
    everyone = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": everyone})
    iam = people.client("iam")
    iam.update_assume_role_policy(RoleName="chained", PolicyDocument=document)
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="developer", PolicyName="p", PolicyDocument=document)
    taken = people.node.take(session, ROLE)
    chained = people.client("sts", taken["Credentials"]).assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/chained", RoleSessionName="xy"
    )
    people.node.end(session)
    assert people.arn_of(taken)
    assert people.arn_of(chained)
    people.node.revoke(session)
    for answer in (taken, chained):
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            people.arn_of(answer)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_role_session_ends_with_the_sign_in(people: People, kind: str) -> None:
    """The last minutes of a sign-in mint credentials for minutes."""
    people.server.clock.freeze()
    session = signed_in(people, kind)
    later(people, hours=7, minutes=50)
    taken = people.node.take(session, ROLE)
    assert taken["Credentials"]["Expiration"] == session.ends.replace(microsecond=0)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_role_session_ends_with_the_limit_of_the_role(people: People, kind: str) -> None:
    """A session that ends earlier for a role gives credentials that end then, and never later than the sign-in."""
    people.server.clock.freeze()
    session = signed_in(people, kind)
    people.client("iam").update_role(RoleName="developer", MaxSigninSessionDuration=3_600)
    with people.node.ctx() as ctx:
        limited = end_for_role(session, ROLE, ctx)
        assert end_for_role(session, ROLE + "-missing", ctx) == session
    assert limited.ends == session.proven_at + timedelta(hours=1)
    people.server.clock.freeze(limited.ends - timedelta(minutes=10))
    assert people.node.take(limited, ROLE)["Credentials"]["Expiration"] == limited.ends.replace(microsecond=0)
    prolonged = msgspec.structs.replace(session, ends=session.ends + timedelta(days=1))
    people.server.clock.freeze(session.ends - timedelta(minutes=10))
    assert people.node.take(prolonged, ROLE)["Credentials"]["Expiration"] == session.ends.replace(microsecond=0)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_session_that_ended_meanwhile_takes_no_role(people: People, kind: str) -> None:
    """A caller may hold the session of an earlier request."""
    session = signed_in(people, kind)
    people.node.take(session, ROLE)
    people.node.end(session)
    with pytest.raises(SignInOverError):
        people.node.take(session, ROLE)
    with pytest.raises(SignInOverError):
        people.node.open_roles(session)


@pytest.mark.parametrize("seconds", [899, 0, -1, 43_201, 3_601])
def test_durations_are_those_of_the_api(people: People, seconds: int) -> None:
    """A role's own maximum counts too."""
    session = signed_in(people, "saml")
    with pytest.raises(ValidationError):
        people.node.take(session, ROLE, seconds=seconds)


@pytest.mark.parametrize("role", [f"arn:aws:iam::{ACCOUNT}:role/", "developer", "", "arn:aws:iam::1:role/x", "\0"])
def test_a_malformed_role_is_refused(people: People, role: str) -> None:
    """It is a refusal of the API, not an error."""
    session = signed_in(people, "saml")
    with pytest.raises(ValidationError):
        people.node.take(session, role)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
@pytest.mark.parametrize("provider", ["nonsense", "arn:aws:iam::", f"arn:aws:iam::{ACCOUNT}:role/idp", "\0", "::::::"])
def test_a_malformed_provider_is_refused(people: People, kind: str, provider: str) -> None:
    """It is a refusal of the API, not an error."""
    session = signed_in(people, kind)
    with pytest.raises(ValidationError if kind == "saml" else InvalidIdentityToken):
        people.node.take(session, ROLE, provider)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_warm_role_needs_no_worker(people: People, kind: str) -> None:
    """The event loop answers from the cache alone. Before, it has no effect."""
    session, recorded = signed_in(people, kind), len(people.node.audit.audit_records)
    with pytest.raises(WouldBlockError):
        people.node.take(session, ROLE, waits=False)
    assert len(people.node.audit.audit_records) == recorded
    people.node.take(session, ROLE)
    assert people.arn_of(people.node.take(session, ROLE, waits=False))


# SAML ---------------------------------------------------------------------------------------------------------


def test_a_role_that_the_assertion_lacks_is_refused(people: People) -> None:
    """The trust policy alone does not open it."""
    people.role("reader")
    session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    for provider in ("", PROVIDER):
        with pytest.raises(Fault):
            people.node.take(session, SECOND, provider)


@pytest.mark.parametrize("path", ["team/", "/", "team//"])
def test_a_value_that_is_not_a_role_is_ignored(people: People, path: str) -> None:
    """A path without a name does not hide the other roles."""
    people.role("developer")
    odd = f"arn:aws:iam::{ACCOUNT}:role/{path}"
    session, _ = people.node.sign_in_by_saml(people.response(f"{odd},{PROVIDER}", f"{PROVIDER},{odd}", ROLE))
    assert [role.arn for role in people.node.open_roles(session)] == [ROLE]
    assert people.arn_of(people.node.take(session, ROLE))


def test_new_metadata_without_the_old_key_ends_the_roles(people: People) -> None:
    """The proof is verified with the provider of today."""
    session = signed_in(people, "saml")
    people.node.take(session, ROLE)
    rotated = SamlIdentityProvider(people.idp.entity_id, keys=[make_key_pair("p-256")])
    people.client("iam").update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=rotated.metadata_xml())
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, ROLE)


def test_a_provider_of_another_account_verifies_for_itself(people: People) -> None:
    """A response may grant roles of several accounts, each through its own provider."""
    root = people.server.new_account(OTHER)
    iam = people.client("iam", root)
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=people.idp.metadata_xml())
    theirs = people.role("theirs", iam=iam, account=OTHER)
    people.role("developer")
    pair = f"{theirs},arn:aws:iam::{OTHER}:saml-provider/idp"
    session, _ = people.node.sign_in_by_saml(people.response(ROLE, pair))
    assert [role.arn for role in people.node.open_roles(session)] == [ROLE, theirs]
    assert people.node.take(session, theirs)["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{OTHER}:")
    iam.delete_saml_provider(SAMLProviderArn=f"arn:aws:iam::{OTHER}:saml-provider/idp")
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, theirs)
    assert [role.arn for role in people.node.open_roles(session)] == [ROLE]


@pytest.mark.parametrize("first", ["sign-in", "API"])
def test_an_assertion_of_one_use_serves_the_sign_in_or_the_api(people: People, first: str) -> None:
    """The roles of the sign-in do not use it up again."""
    people.role("developer")
    response = people.response(ROLE, conditions_xml="<saml:OneTimeUse/>")
    redeem = people.client("sts").assume_role_with_saml
    if first == "API":
        redeem(RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=response)
        with pytest.raises(InvalidIdentityToken, match="already been used"):
            people.node.sign_in_by_saml(response)
        return
    session, _ = people.node.sign_in_by_saml(response)
    for _ in range(2):
        assert people.node.take(session, ROLE)
    with pytest.raises(ClientError, match="already been used"):
        redeem(RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=response)


# OpenID Connect -----------------------------------------------------------------------------------------------


def test_the_issuers_key_may_be_rotated(people: People) -> None:
    """The token stays proven by the key that verified it at the sign-in."""
    session = signed_in(people, "oidc")
    people.keys.published = [SigningKey.generate("ES256", "k2")]
    assert people.node.take(session, ROLE)
    people.keys.fetched = False
    other = Node.start(people.server.there, people.keys)
    assert other.take(session, SECOND)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384", "ES512"])
def test_the_key_of_every_algorithm_is_kept(people: People, algorithm: str) -> None:
    """Also if the token names no key."""
    people.role("developer")
    people.keys.published = [SigningKey.generate(algorithm, None)]
    session, _ = people.node.sign_in_by_oidc(people.token(), ROLE)
    people.keys.fetched = False
    assert people.node.take(session, ROLE)


def test_pinned_keys_and_thumbprints_of_today_count(people: People) -> None:
    """An account that pins keys, or an operator who enforces thumbprints, trusts no other key."""
    session = signed_in(people, "oidc")
    people.keys.enforces_thumbprints = True
    assert people.node.take(session, ROLE)
    people.keys.fetched = False
    with pytest.raises(KeysNeededError):
        people.node.take(session, ROLE)
    people.keys.fetched, people.keys.published = True, [SigningKey.generate("ES256", "k2")]
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, ROLE)


def test_a_client_id_that_was_removed_counts_at_once(people: People) -> None:
    """The audience is compared with the client ids of today."""
    session = signed_in(people, "oidc")
    people.node.take(session, ROLE)
    iam = people.client("iam")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER, ClientID=CLIENT)
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, ROLE)


def test_a_tenants_pinned_key_opens_no_other_account(people: People) -> None:
    """A tenant who pins a key of their own can sign tokens of the issuer for their own account only."""
    forged = SigningKey.generate("ES256", "k1")
    root = people.server.new_account(OTHER)
    iam = people.client("iam", root)
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=[CLIENT])
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=people.idp.metadata_xml())
    own = people.role("own", iam=iam, account=OTHER)
    people.role("developer")
    with people.server.there.store.write() as writer:
        provider = records.find(writer, OidcProvider, OTHER, HOST)
        assert provider is not None
        pinned = json.dumps({"keys": [forged.jwk()]})
        records.replace(writer, msgspec.structs.replace(provider, pinned_keys=pinned))
    session, _ = people.node.sign_in_by_oidc(people.token("victim", key=forged), own)
    assert [role.arn for role in people.node.open_roles(session)] == [own]
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, ROLE)
    other = Node.start(people.server.there, Keys(people.keys.published, fetched=False))
    with pytest.raises(KeysNeededError):
        other.take(session, ROLE)


def test_a_provider_of_another_name_is_refused(people: People) -> None:
    """The named provider must be that of the role's account."""
    session = signed_in(people, "oidc")
    assert people.node.take(session, ROLE, OIDC_PROVIDER)["Provider"] == OIDC_PROVIDER
    for provider in (PROVIDER, f"{OIDC_PROVIDER}/x", OIDC_PROVIDER.replace(ACCOUNT, OTHER)):
        with pytest.raises(InvalidIdentityToken):
            people.node.take(session, ROLE, provider)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_repeated_role_verifies_no_signature(people: People, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity is in the cache until the session or the provider changes."""
    session, verified = signed_in(people, kind), list[str]()
    for name in ("identify_saml", "identify"):
        real = getattr(proofs, name)

        def noted(*arguments: Any, real: Any = real, **named: Any) -> Any:
            verified.append("once")
            return real(*arguments, **named)

        monkeypatch.setattr(proofs, name, noted)
    for role in (ROLE, SECOND, ROLE):
        people.node.take(session, role)
        people.node.open_roles(session)
    assert verified == ["once"]
    iam = people.client("iam")
    if kind == "saml":
        iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=people.idp.metadata_xml())
    else:
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER, ClientID="more")
    people.node.take(session, ROLE)
    assert verified == ["once", "once"]


def test_a_token_with_a_list_of_roles_opens_no_other(people: People) -> None:
    """The list is enforced for each role, as by the API."""
    people.role("developer")
    people.role("reader")
    claims: dict[str, Any] = {ROLES_CLAIM: [SECOND]}
    token = people.token(**claims)
    session, _ = people.node.sign_in_by_oidc(token, SECOND)
    assert [role.arn for role in people.node.open_roles(session)] == [SECOND]
    assert people.node.take(session, SECOND)
    with pytest.raises(InvalidIdentityToken):
        people.node.take(session, ROLE)


def test_a_refusal_of_the_cache_is_new_for_each_caller(people: People) -> None:
    """A shared exception would keep the requests of other people in memory."""
    session = signed_in(people, "saml")
    other = SamlIdentityProvider(people.idp.entity_id, keys=[make_key_pair("p-256")])
    people.client("iam").update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=other.metadata_xml())
    faults = []
    for _ in range(2):
        with pytest.raises(InvalidIdentityToken) as refused:
            people.node.take(session, ROLE)
        faults.append(refused.value)
    assert faults[0] is not faults[1]
    assert (faults[0].message, faults[0].detail) == (faults[1].message, faults[1].detail)


def test_a_required_log_has_the_event_before_the_credentials(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the event cannot be written, there are no credentials. The event loop does not wait for a disk."""
    session = signed_in(people, "saml")
    node = Node.start(people.server.there, people.keys, audit_log_required=True)
    assert node.take(session, ROLE)
    assert node.event()["additionalEventData"]["SignInId"] == session.id
    with pytest.raises(WouldBlockError):
        node.take(session, ROLE, waits=False)

    def fail(_record: Any, /) -> None:
        raise NotRecordedError("the disk is full")

    monkeypatch.setattr(node.audit, "record_now", fail)
    with pytest.raises(ServiceUnavailable):
        node.take(session, ROLE)
