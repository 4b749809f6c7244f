"""Attacks by providers and token holders on the whole server.

Each test first shows the legitimate call, then the attack.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.documents import document
from tests.refusals import refused
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting, registered
from tests.web_identity.conftest import (
    AUDIENCE,
    Account,
    Fleet,
    name_of,
    not_taken,
    open_account,
    reaching,
    take,
    unsigned_client,
)

from daypass.audit.event import to_event
from daypass.testing.certificates import Authority
from daypass.testing.oidc import OidcIssuer
from daypass.testing.saml import AWS_ATTRIBUTE, SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

TAGS = "https://aws.amazon.com/tags"
DENIED = "AccessDenied"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Return the factory of issuers."""
    return Fleet(Authority.create())


@pytest.fixture(scope="module")
def issuer(fleet: Fleet) -> Iterator[OidcIssuer]:
    """Run an issuer."""
    with fleet.issuer() as running:
        yield running


@pytest.fixture(scope="module")
def server(fleet: Fleet, issuer: OidcIssuer) -> Iterator[RunningServer]:
    """Run a server that may fetch the issuer's keys."""
    with running_server(config=reaching(issuer)) as running:
        fleet.server = running
        yield running


@pytest.fixture(scope="module")
def stage(server: RunningServer) -> Stage:
    """Register a SAML provider in the server's first account."""
    return registered(server, make_key_pair())


@pytest.fixture
def account(server: RunningServer) -> Account:
    """Make an account for this test alone."""
    return open_account(server)


@pytest.fixture(scope="module")
def sts(server: RunningServer) -> Any:
    """Return a client without credentials."""
    return unsigned_client(server)


# Whose provider, whose role ------------------------------------------------------------------------------------


def test_a_provider_s_twin_in_another_account_opens_nothing_of_the_first(stage: Stage, account: Account) -> None:
    """A provider and its role must be in the same account, even if both accounts trust the same identity provider."""
    account.iam.create_saml_provider(Name="idp", SAMLMetadataDocument=stage.idp.metadata_xml())
    twin = f"arn:aws:iam::{account.id}:saml-provider/idp"
    mine = stage.role("twin")
    # The other account's role even trusts the first account's provider.
    theirs = account.role("twin", document(_saml_trust(PROVIDER, twin)))
    assert stage.redeem(stage.response(granting(mine)), mine)
    assert stage.redeem(stage.response(granting(theirs, provider=twin)), theirs, provider=twin)
    for role, pair, asked in (
        (mine, PROVIDER, twin),
        (mine, twin, twin),
        (theirs, twin, PROVIDER),
        (theirs, PROVIDER, PROVIDER),
    ):
        code, status, _ = stage.refused(stage.response(granting(role, provider=pair)), role, provider=asked)
        assert (code, status) == ("InvalidIdentityToken", 400)


def test_a_role_paired_with_one_provider_is_not_had_through_another(stage: Stage) -> None:
    """A role paired with one provider is not available through another: each provider signs only for itself."""
    other = SamlIdentityProvider("https://other.example.org")
    stage.iam.create_saml_provider(Name="other", SAMLMetadataDocument=other.metadata_xml())
    second = f"arn:aws:iam::{ACCOUNT}:saml-provider/other"
    statement = _saml_trust(PROVIDER, second)
    role = stage.iam.create_role(RoleName="paired", AssumeRolePolicyDocument=document(statement))["Role"]["Arn"]
    now = stage.server.clock.now()
    assert stage.redeem(other.response(granting(role, provider=second), now=now), role, provider=second)
    # One that signs for the other's pair, one with the other's name, and one through the other.
    for response, asked in (
        (other.response(granting(role), now=now), PROVIDER),
        (other.response(granting(role), now=now), second),
        (other.response(granting(role, issuer=stage.idp.entity_id), now=now), PROVIDER),
        (stage.response(granting(role, provider=second)), PROVIDER),
        (stage.response(granting(role, provider=second)), second),
    ):
        assert stage.refused(response, role, provider=asked)[:2] == ("InvalidIdentityToken", 400)


def _saml_trust(*providers: str, **more: Any) -> dict[str, Any]:
    actions = ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"]
    return {"Effect": "Allow", "Principal": {"Federated": list(providers)}, "Action": actions, **more}


@pytest.mark.parametrize(
    ("bend", "expected"),
    [
        (str.upper, "ValidationError"),
        (lambda arn: arn.replace("/idp", "/IDP"), "InvalidIdentityToken"),
        (lambda arn: arn + "/", "InvalidIdentityToken"),
    ],
)
def test_a_provider_s_arn_has_one_spelling(stage: Stage, bend: Callable[[str], str], expected: str) -> None:
    """An ARN is compared exactly. Other strings are refused before that."""
    role = f"arn:aws:iam::{ACCOUNT}:role/spelling"
    code, status, _ = stage.refused(stage.response(granting(role)), role, provider=bend(PROVIDER))
    assert (code, status) == (expected, 400)


def test_a_provider_that_was_replaced_speaks_no_more_with_its_old_key(stage: Stage) -> None:
    """A provider with a new key refuses the old key at once.

    Name and entity ID are the same.
    """
    old = SamlIdentityProvider("https://swapped.example.org")
    arn = stage.iam.create_saml_provider(Name="swapped", SAMLMetadataDocument=old.metadata_xml())["SAMLProviderArn"]
    role = stage.role("swapped", provider=arn)
    response = old.response(granting(role, provider=arn), now=stage.server.clock.now())
    session = stage.redeem(response, role, provider=arn)
    stage.iam.delete_saml_provider(SAMLProviderArn=arn)
    assert stage.refused(response, role, provider=arn)[0] == "InvalidIdentityToken"
    new = SamlIdentityProvider("https://swapped.example.org")
    stage.iam.create_saml_provider(Name="swapped", SAMLMetadataDocument=new.metadata_xml())
    assert stage.refused(response, role, provider=arn)[0] == "InvalidIdentityToken"
    assert stage.redeem(new.response(granting(role, provider=arn), now=stage.server.clock.now()), role, provider=arn)
    # The session is one of the role, not of the provider.
    assert stage.client("sts", session["Credentials"]).get_caller_identity()["Account"] == ACCOUNT


def test_an_issuer_that_was_replaced_has_its_new_terms_at_once(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """A new issuer with another audience refuses the old token at once.

    It accepts a token for the new audience.
    """
    role = account.role("r", account.trust(issuer))
    provider = f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}"
    token = issuer.token()
    assert take(sts, role, token)
    account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert not_taken(sts, role, token)[0] == "InvalidIdentityToken"
    account.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["another"])
    assert not_taken(sts, role, token)[0] == "InvalidIdentityToken"
    assert take(sts, role, issuer.token(aud="another"))


def test_a_saml_provider_s_role_is_not_had_by_a_token_and_the_other_way_round(stage: Stage, sts: Any) -> None:
    """A trust policy with every action still names one provider.

    Assertions and tokens cannot replace each other.
    """
    role = stage.role("by-saml-alone", "sts:*")
    with OidcIssuer(now=lambda: stage.server.clock.now().timestamp()) as other_issuer:
        stage.iam.create_open_id_connect_provider(Url=other_issuer.url, ClientIDList=[AUDIENCE])
        assert not_taken(sts, role, other_issuer.token())[:2] == ("InvalidIdentityToken", 400)
    assert stage.redeem(stage.response(granting(role)), role)


# Keys that only the server may set -----------------------------------------------------------------------------

SERVERS_OWN = (
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalTag/team",
    "aws:SourceVpc",
    "aws:MultiFactorAuthPresent",
    "aws:FederatedProvider",
    "aws:RequestTag/team",
    "aws:username",
    "sts:ExternalId",
    "sts:SourceIdentity",
    "saml:uid",
)


@pytest.mark.parametrize("key", SERVERS_OWN)
def test_no_claim_is_a_key_of_the_server_s(account: Account, issuer: OidcIssuer, sts: Any, key: str) -> None:
    """A claim with the name of a condition key does not set that key.

    Case and nesting have no effect.
    """
    role = account.role("r", account.trust(issuer, StringEquals={key: "true"}))
    owner, _, name = key.partition(":")
    for claims in (
        {key: "true", key.lower(): "true", name: "true", name.lower(): "true"},
        {owner: {name: "true", name.lower(): "true"}},
        {f"{name_of(issuer)}:{key}": "true"},
    ):
        assert not_taken(sts, role, issuer.token(claims))[0] == DENIED


@pytest.mark.parametrize("key", [key for key in SERVERS_OWN if key != "sts:SourceIdentity"])
def test_no_attribute_is_a_key_of_the_server_s(stage: Stage, key: str) -> None:
    """An attribute with the name of a condition key does not set that key."""
    role = stage.role(f"attribute-{key.replace(':', '-').replace('/', '-')}", condition={"StringEquals": {key: "true"}})
    bare = key.partition(":")[2]
    names = (key, key.lower(), bare, f"{AWS_ATTRIBUTE}{key}", f"{AWS_ATTRIBUTE}{bare}")
    response = stage.response(granting(role, attributes={name: ["true"] for name in names}))
    assert stage.refused(response, role)[0] == DENIED


@pytest.mark.parametrize(
    ("claim", "key"),
    [("sub", "sub"), ("SUB", "sub"), ("Sub", "sub"), ("AUD", "aud"), ("Email", "email"), ("AZP", "azp")],
)
def test_no_further_claim_shadows_who_the_token_is_about(
    account: Account, issuer: OidcIssuer, sts: Any, claim: str, key: str
) -> None:
    """Claims are case-sensitive, condition keys are not.

    A claim in another case does not change the tested value.
    """
    role = account.role("r", account.trust(issuer, StringEquals={f"{name_of(issuer)}:{key}": "victim"}))
    if claim != key:
        assert not_taken(sts, role, issuer.token({claim: "victim"}))[0] == DENIED
    prefixed = {f"{name_of(issuer)}:{key}": "victim"}
    assert not_taken(sts, role, issuer.token(prefixed))[0] == DENIED


@pytest.mark.parametrize("subject", ["*", "?????", "${aws:PrincipalAccount}", "${*}", "vict*"])
def test_a_subject_in_a_policy_variable_is_text(account: Account, issuer: OidcIssuer, sts: Any, subject: str) -> None:
    """A subject is literal in a policy variable, even with a wildcard.

    Each user gets access to their own resource only.
    """
    own = f"arn:aws:iam::{account.id}:user/${{{name_of(issuer)}:sub}}"
    role = account.role("r", account.trust(issuer), {"Effect": "Allow", "Action": "iam:GetUser", "Resource": own})
    account.iam.create_user(UserName="victim")
    honest = account.client("iam", take(sts, role, issuer.token(sub="victim")))
    assert honest.get_user(UserName="victim")
    thief = account.client("iam", take(sts, role, issuer.token(sub=subject)))
    assert refused(thief.get_user, UserName="victim")[0] == DENIED


def test_a_name_id_in_a_policy_variable_is_text(stage: Stage) -> None:
    """The subject of an assertion is literal too."""
    own = f"arn:aws:iam::{ACCOUNT}:user/${{saml:sub}}"
    role = stage.role("own", policy=document({"Effect": "Allow", "Action": "iam:GetUser", "Resource": own}))
    stage.iam.create_user(UserName="victim")
    for subject, may in (("victim", True), ("*", False), ("v?ctim", False)):
        answer = stage.redeem(stage.response(granting(role, name_id=subject)), role)
        iam = stage.client("iam", answer["Credentials"])
        if may:
            assert iam.get_user(UserName="victim")
        else:
            assert refused(iam.get_user, UserName="victim")[0] == DENIED


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        ({"StringLike": {"saml:commonName": "contractor*"}}, "Deny"),
        ({"ForAllValues:StringEquals": {"saml:cn": ["staff"]}}, "Allow"),
    ],
)
def test_no_value_is_too_long_to_be_tested(stage: Stage, condition: dict[str, Any], effect: str) -> None:
    """A long value does not bypass the policy's condition.

    Users may choose their own names.
    """
    name = f"long-{effect}"
    role = stage.role(name)
    asking = _saml_trust(PROVIDER, Effect=effect, Condition=condition)
    others = [_saml_trust(PROVIDER)] if effect == "Deny" else []
    stage.iam.update_assume_role_policy(RoleName=name, PolicyDocument=document(asking, *others))
    cases = {
        "staff": None,
        "contractor": (DENIED, 403),
        "contractor".ljust(2_048, "x"): (DENIED, 403),
        "contractor".ljust(2_049, "x"): ("InvalidIdentityToken", 400),
    }
    for given, refusal in cases.items():
        names = ["staff", given] if effect == "Allow" else [given]
        response = stage.response(granting(role, attributes={"urn:oid:2.5.4.3": names}))
        if refusal is None:
            assert stage.redeem(response, role)
        else:
            assert stage.refused(response, role)[:2] == refusal


# Tags and source identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        {f"{TAGS}/principal_tags/aws:PrincipalArn": "x"},
        {f"{TAGS}/principal_tags/": "x"},
        {TAGS: {"principal_tags": {"Team": ["a"], "team": ["b"]}}},
        {TAGS: {"principal_tags": {"Team": ["a"]}}, f"{TAGS}/principal_tags/team": "b"},
        {TAGS: {"principal_tags": {"Team": ["a", "b"]}}},
        {TAGS: {"principal_tags": {"Team": ["*"]}}},
        {TAGS: {"principal_tags": {}, "transitive_tag_keys": ["Team"]}},
        {TAGS: [{"principal_tags": {"Team": ["a"]}}]},
        {TAGS: {"principal_tags": {f"k{number}": ["v"] for number in range(51)}}},
    ],
)
def test_tags_that_can_be_read_two_ways_are_refused(
    account: Account, issuer: OidcIssuer, sts: Any, tags: dict[str, Any]
) -> None:
    """A token with one bad tag does not get a session.

    The trust policy has no effect on this.
    """
    role = account.role("r", account.trust(issuer))
    assert take(sts, role, issuer.token({TAGS: {"principal_tags": {"Team": ["a"]}}}))
    assert not_taken(sts, role, issuer.token(tags))[0] == "InvalidIdentityToken"


@pytest.mark.parametrize(
    "more",
    [
        {"tags": {"aws:PrincipalArn": "x"}},
        {"tags": {"": "x"}},
        {"tags": {"Team": "a", "team": "b"}},
        {"tags": {"Team": "*"}},
        {"transitive_keys": ("Team",)},
        {"tags": {f"k{number}": "v" for number in range(51)}},
        {"source_identity": "aws:root"},
        {"source_identity": "a b"},
        {"source_identity": ""},
    ],
)
def test_attributes_that_can_be_read_two_ways_are_refused(stage: Stage, more: dict[str, Any]) -> None:
    """An assertion with one bad attribute does not get a session."""
    role = _once(stage, "read-twice")
    assert stage.redeem(stage.response(granting(role, tags={"Team": "a"}, source_identity="alice")), role)
    assert stage.refused(stage.response(granting(role, **more)), role)[0] == "InvalidIdentityToken"


def _once(stage: Stage, name: str) -> str:
    try:
        return str(stage.iam.get_role(RoleName=name)["Role"]["Arn"])
    except ClientError:
        return stage.role(name)


def test_tags_of_an_assertion_have_their_room(stage: Stage) -> None:
    """Fifty long tags are too large: the session is refused, not shortened."""
    role = _once(stage, "packed")
    tags = {f"key-{number}": hashlib.sha512(b"%d" % number).hexdigest() for number in range(50)}
    assert stage.redeem(stage.response(granting(role, tags=dict(list(tags.items())[:3]))), role)
    code, status, _ = stage.refused(stage.response(granting(role, tags=tags)), role)
    assert (code, status) == ("PackedPolicyTooLarge", 400)


# The session ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["saml", "web"])
def session(request: pytest.FixtureRequest, stage: Stage, issuer: OidcIssuer, sts: Any) -> dict[str, Any]:
    """Return a federated session with tags, one of them transitive, and a source identity."""
    owner = Account(ACCOUNT, stage.iam, stage.server)
    name = f"chain-{request.param}"
    trust = document(_saml_trust(PROVIDER)) if request.param == "saml" else owner.trust(issuer)
    if not any(role["RoleName"] == name for role in stage.iam.list_roles()["Roles"]):
        owner.role(name, trust, EVERYTHING, MaxSessionDuration=43200)
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    if request.param == "saml":
        given = granting(role, tags={"Team": "a", "Cost": "1"}, transitive_keys=("Team",), source_identity="alice")
        answer: dict[str, Any] = stage.redeem(stage.response(given), role, DurationSeconds=43200)
        return answer
    tags = {"principal_tags": {"Team": ["a"], "Cost": ["1"]}, "transitive_tag_keys": ["Team"]}
    token = issuer.token({TAGS: tags, "https://aws.amazon.com/source_identity": "alice"})
    return take(sts, role, token, DurationSeconds=43200)


def test_a_federated_session_is_a_role_s_and_no_more(stage: Stage, session: dict[str, Any]) -> None:
    """It knows its name, but cannot create federated users or session tokens.

    A role chain cannot last twelve hours.
    """
    sts = stage.client("sts", session["Credentials"])
    who = sts.get_caller_identity()
    assert who["Arn"] == session["AssumedRoleUser"]["Arn"]
    assert who["UserId"] == session["AssumedRoleUser"]["AssumedRoleId"]
    assert refused(sts.get_session_token)[0] == DENIED
    assert refused(sts.get_federation_token, Name="root")[0] == DENIED
    onward = _onward(stage, "onward-hour", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
    assert sts.assume_role(RoleArn=onward, RoleSessionName="next", DurationSeconds=3600)
    code, _, words = refused(sts.assume_role, RoleArn=onward, RoleSessionName="next", DurationSeconds=3601)
    assert (code, "1 hour" in words) == ("ValidationError", True)


def test_tags_and_source_identity_go_on_only_where_they_may(stage: Stage, session: dict[str, Any]) -> None:
    """A role that does not accept transitive tags or the source identity refuses the session."""
    sts = stage.client("sts", session["Credentials"])
    for number, actions in enumerate((["sts:AssumeRole"], ["sts:AssumeRole", "sts:TagSession"])):
        closed = _onward(stage, f"onward-closed-{number}", actions)
        assert refused(sts.assume_role, RoleArn=closed, RoleSessionName="next")[0] == DENIED
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    opened = _onward(stage, "onward-open", actions, {"StringEquals": {"sts:SourceIdentity": "alice"}})
    given = {"RoleArn": opened, "RoleSessionName": "next"}
    assert sts.assume_role(**given)["SourceIdentity"] == "alice"
    assert refused(sts.assume_role, **given, SourceIdentity="root")[0] == "ValidationError"
    for key in ("Team", "TEAM"):
        code, _, _ = refused(sts.assume_role, **given, Tags=[{"Key": key, "Value": "b"}])
        assert code == "InvalidParameterValue"


def test_a_chain_forgets_who_vouched_for_its_beginning(stage: Stage, session: dict[str, Any]) -> None:
    """The next role's session is not federated: subject and provider end."""
    keys = ("aws:FederatedProvider", "saml:sub", "saml:namequalifier")
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    onward = _onward(stage, "onward-forgets", actions)
    for key in keys:
        policy = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": {"Null": {key: "false"}}}
        stage.iam.put_role_policy(RoleName="onward-forgets", PolicyName="p", PolicyDocument=document(policy))
        sts = stage.client("sts", session["Credentials"])
        chained = sts.assume_role(RoleArn=onward, RoleSessionName="next")["Credentials"]
        assert refused(stage.client("iam", chained).list_users)[0] == DENIED
    kept = {"StringEquals": {"aws:PrincipalTag/Team": "a"}, "Null": {"aws:PrincipalTag/Cost": "true"}}
    policy = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": kept}
    stage.iam.put_role_policy(RoleName="onward-forgets", PolicyName="p", PolicyDocument=document(policy))
    chained = sts.assume_role(RoleArn=onward, RoleSessionName="next")["Credentials"]
    assert stage.client("iam", chained).list_users()


def _onward(stage: Stage, name: str, actions: list[str], condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": actions}
    if condition is not None:
        statement["Condition"] = condition
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    try:
        stage.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(statement), MaxSessionDuration=43200)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "EntityAlreadyExists"  # noqa: PT017 - the other kind of session
    return arn


@pytest.mark.parametrize("seconds", [899, 43201, -1])
def test_the_bounds_of_a_session_are_refused_before_the_assertion(stage: Stage, sts: Any, seconds: int) -> None:
    """The service model has these limits."""
    role = _once(stage, "bounds")
    given = {"RoleArn": role, "PrincipalArn": PROVIDER, "SAMLAssertion": stage.response(granting(role))}
    assert sts.assume_role_with_saml(**given)
    assert refused(sts.assume_role_with_saml, **given, DurationSeconds=seconds)[0] == "ValidationError"


def test_session_policies_of_another_account_are_not_lent(
    stage: Stage, account: Account, issuer: OidcIssuer, sts: Any
) -> None:
    """A policy's ARN must be in the role's account, or AWS's."""
    foreign = account.iam.create_policy(PolicyName="p", PolicyDocument=document(EVERYTHING))["Policy"]["Arn"]
    role = _once(stage, "lent")
    for arn in (foreign, f"arn:aws:iam::{ACCOUNT}:policy/none"):
        code, status, _ = stage.refused(stage.response(granting(role)), role, PolicyArns=[{"arn": arn}])
        assert (code, status) != (DENIED, 403)
        assert status == 400
    mine = account.role("r", account.trust(issuer))
    elsewhere = f"arn:aws:iam::{ACCOUNT}:policy/none"
    assert not_taken(sts, mine, issuer.token(), PolicyArns=[{"arn": elsewhere}])[1] == 400


# The records ---------------------------------------------------------------------------------------------------


def test_no_piece_of_a_proof_is_written_down(stage: Stage, account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """No event contains a part of a proof.

    The proof is accepted, refused, or in the wrong one of known parameters.
    """
    role, saml_role = account.role("r", account.trust(issuer)), _once(stage, "written")
    token, response = issuer.token(), stage.response(granting(saml_role))
    before = len(stage.server.audit.audit_records)
    take(sts, role, token)
    stage.redeem(response, saml_role)
    for bad in (token[:-8], token + "A", token.replace(".", "", 1), "x" + token):
        not_taken(sts, role, bad)
    for bad in (response[:-9], response[7:], "!" + response):
        stage.refused(bad, saml_role)
    stage.server.clock.move(timedelta(hours=1))
    not_taken(sts, role, token)
    stage.refused(response, saml_role)
    audit_records = stage.server.audit.audit_records[before:]
    assert len(audit_records) == 11
    written = " ".join(repr(to_event(record)) for record in audit_records)
    for secret in (token, response):
        for start in range(0, len(secret) - 24, 24):
            assert secret[start : start + 24] not in written
