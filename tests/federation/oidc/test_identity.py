"""The results of claims: condition keys, session tags, source identity, roles."""

from dataclasses import replace
from typing import Any

import pytest
from tests.federation.oidc.setting import PROVIDER, claims, header, judge, key, token

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc.claims import WebIdentity, check_role
from daypass.federation.oidc.extra_claims import ExtraClaim
from daypass.federation.oidc.provider import ANY_AUDIENCE, ProviderTerms, find_built_in, is_issuer_url
from daypass.testing.tokens import compact

ROLE = "arn:aws:iam::123456789012:role/deploy"
TAGS = "https://aws.amazon.com/tags"


def from_issuer(issuer: str, **changes: object) -> WebIdentity:
    """Return the identity of a token from another issuer."""
    terms = replace(PROVIDER, issuer=issuer)
    return judge(compact(header(), claims(iss=issuer, **changes), key("RS256")), provider=terms)


def exposing(*choices: str) -> ProviderTerms:
    """Return terms with which an operator exposes extra claims."""
    return replace(PROVIDER, further_claims=tuple(map(ExtraClaim.parse, choices)))


def payload(claim: str, value: object) -> str:
    """Return a genuine token with one more claim."""
    return token({**claims(), claim: value})


def test_the_standard_keys() -> None:
    """The issuer without its scheme, a colon, the claim; as on AWS, aud is azp if there is one."""
    identity = judge(token(aud=["x", "y"], azp="second-client", amr=["mfa", "pwd"], email="a@b.example"))
    assert identity.condition_keys == {
        "issuer.example:sub": "user-1",
        "issuer.example:aud": "second-client",
        "issuer.example:oaud": ("x", "y"),
        "issuer.example:azp": "second-client",
        "issuer.example:amr": ("mfa", "pwd"),
        "issuer.example:email": "a@b.example",
    }
    assert identity.provider_arn == PROVIDER.arn


def test_what_the_session_keeps() -> None:
    """Later calls of the session see only amr, aud and sub of the token."""
    identity = judge(token(amr="mfa", email="a@b.example"))
    assert identity.session_keys == {
        "issuer.example:sub": "user-1",
        "issuer.example:aud": "sts.amazonaws.com",
        "issuer.example:amr": ("mfa",),
    }


def test_path_and_slash_of_the_issuer_are_kept_and_letters_lowered() -> None:
    """Condition keys are not case-sensitive; an issuer's path and trailing slash are part of its name."""
    identity = from_issuer("https://Auth.example/Tenant/")
    assert identity.condition_keys["auth.example/tenant/:sub"] == "user-1"


def test_other_claims_are_not_exposed() -> None:
    """A claim that neither AWS nor the operator chose is not a condition key, whatever its name."""
    identity = judge(payload("groups", ["admin"]))
    assert "issuer.example:groups" not in identity.condition_keys


@pytest.mark.parametrize(
    ("issuer", "claim", "value", "name", "expected"),
    [
        ("https://token.actions.githubusercontent.com", "repository", "a/b", "repository", "a/b"),
        ("https://token.actions.githubusercontent.com/acme", "ref", "refs/heads/x", "ref", "refs/heads/x"),
        ("https://token.actions.acme.ghe.com", "actor_id", "7", "actor_id", "7"),
        ("https://github.com/enterprises/acme", "enterprise_id", "9", "enterprise_id", "9"),
        ("https://gitlab.com", "ref_protected", "true", "ref_protected", "true"),
        ("https://gitlab.com", "project_id", 42, "project_id", "42"),
        ("https://agent.buildkite.com", "pipeline_slug", "site", "pipeline_slug", "site"),
        ("https://oidc.circleci.com/org/1", "oidc.circleci.com/project-id", "p", "oidc.circleci.com/project-id", "p"),
        ("https://idcs-1a.identity.oraclecloud.com", "rpst_id", "r", "rpst_id", "r"),
        (
            "https://accounts.google.com",
            "google",
            {"organization_number": 123},
            "google/organization_number",
            "123",
        ),
    ],
)
def test_issuers_with_keys_of_their_own(issuer: str, claim: str, value: object, name: str, expected: str) -> None:
    """AWS exposes certain claims of certain issuers."""
    terms = replace(PROVIDER, issuer=issuer)
    text = compact(header(), {**claims(iss=issuer), claim: value}, key("RS256"))
    keys = judge(text, provider=terms).condition_keys
    assert keys[f"{issuer.removeprefix('https://')}:{name}"] == expected


@pytest.mark.parametrize(
    "issuer",
    [
        "https://token.actions.githubusercontent.com.attacker.example",
        "https://attacker.example/token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com/a/b",
        "https://gitlab.com.attacker.example",
    ],
)
def test_lookalike_issuers_have_no_keys_of_their_own(issuer: str) -> None:
    """Only the exact issuers of the table have additional keys."""
    assert f"{issuer.removeprefix('https://')}:repository" not in from_issuer(issuer, repository="a/b").condition_keys


@pytest.mark.parametrize(
    ("choice", "claim", "value", "name", "expected"),
    [
        ("groups", "groups", ["a", "b"], "groups", ("a", "b")),
        ("groups", "groups", "a", "groups", "a"),
        ("level", "level", 3, "level", "3"),
        ("trusted", "trusted", True, "trusted", "true"),
        ("realm_access/roles", "realm_access", {"roles": ["x"]}, "realm_access/roles", ("x",)),
        ("kubernetes.io/namespace", "kubernetes.io", {"namespace": "prod"}, "kubernetes.io/namespace", "prod"),
        ("https://acme.example/groups=team", "https://acme.example/groups", ["a"], "team", ("a",)),
        ("resource_access/app/roles=roles", "resource_access", {"app": {"roles": []}}, "roles", None),
        ("groups", "groups", None, "groups", None),
        ("realm_access/roles", "realm_access", "text", "realm_access/roles", None),
    ],
)
def test_further_claims(choice: str, claim: str, value: object, name: str, expected: object) -> None:
    """An operator may expose more claims, flat or nested; lists become sets."""
    keys = judge(payload(claim, value), provider=exposing(choice)).condition_keys
    assert keys.get(f"issuer.example:{name}") == expected


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("groups", {"admin": True}),
        ("groups", ["a", {"b": 1}]),
        ("groups", 1.5),
        ("groups", [["a"]]),
    ],
)
def test_a_further_claim_of_an_impossible_shape_refuses_the_token(choice: str, value: object) -> None:
    """If the claim were left out, a Deny that tests it would not match."""
    with pytest.raises(InvalidIdentityToken) as refusal:
        judge(payload("groups", value), provider=exposing(choice))
    assert "groups" in refusal.value.detail


def test_a_claim_that_stands_in_the_token_twice_is_refused() -> None:
    """If both are present, the issuer's intention is unclear."""
    text = token({**claims(), "realm/roles": "a", "realm": {"roles": "b"}})
    with pytest.raises(InvalidIdentityToken):
        judge(text, provider=exposing("realm/roles"))


@pytest.mark.parametrize("choice", ["", "=x", "sub", "other=SUB", "cognito:groups", "a\nb", "x" * 300])
def test_choices_that_are_none(choice: str) -> None:
    """An extra claim has a name that policies allow, and never that of a key with a fixed meaning."""
    with pytest.raises(ValueError, match=r"claim|colon|meaning"):
        ExtraClaim.parse(choice)


def test_nested_session_tags() -> None:
    """The documented form: each value a list of one, with the transitive keys."""
    value = {"principal_tags": {"Project": ["x"], "Cost": [""]}, "transitive_tag_keys": ["Project"]}
    identity = judge(payload(TAGS, value))
    assert identity.tags == (("Project", "x"), ("Cost", ""))
    assert identity.transitive == ("Project",)


def test_flat_session_tags() -> None:
    """The documented form for issuers that cannot nest."""
    flat: dict[str, Any] = {f"{TAGS}/principal_tags/Project": "x", f"{TAGS}/principal_tags/Cost": ["y"]}
    identity = judge(token({**claims(), **flat, f"{TAGS}/transitive_tag_keys": "Cost"}))
    assert identity.tags == (("Project", "x"), ("Cost", "y"))
    assert identity.transitive == ("Cost",)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [{"principal_tags": {}}],
        {"principal_tags": ["Project"]},
        {"principal_tags": {"Project": "x"}},
        {"principal_tags": {"Project": ["x", "y"]}},
        {"principal_tags": {"Project": []}},
        {"principal_tags": {"Project": [1]}},
        {"principal_tags": {"": ["x"]}},
        {"principal_tags": {"aws:Project": ["x"]}},
        {"principal_tags": {"Project": ["x|y"]}},
        {"principal_tags": {"k" * 129: ["x"]}},
        {"principal_tags": {"Project": ["v" * 257]}},
        {"principal_tags": {"Project": ["x"], "project": ["y"]}},
        {"principal_tags": {f"k{n}": ["x"] for n in range(51)}},
        {"principal_tags": {"Project": ["x"]}, "transitive_tag_keys": ["Other"]},
        {"principal_tags": {"Project": ["x"]}, "transitive_tag_keys": [1]},
        {"principal_tags": {"Project": ["x"]}, "transitive_tag_keys": {"Project": True}},
    ],
)
def test_session_tags_that_are_none(value: object) -> None:
    """Unreadable tags refuse the token: half of the tags would be another identity."""
    with pytest.raises(InvalidIdentityToken):
        judge(payload(TAGS, value))


def test_source_identity() -> None:
    """The identity provider may name the person behind the session."""
    claim = "https://aws.amazon.com/source_identity"
    assert judge(payload(claim, "a.user@x.example")).source_identity == "a.user@x.example"
    assert judge(token()).source_identity is None


@pytest.mark.parametrize("value", ["", "x", "a b", "a\nb", 7, ["a.user"], "aws:x", "é" * 3, "a" * 257])
def test_source_identities_that_are_none(value: object) -> None:
    """An invalid source identity refuses the token; it is not dropped."""
    with pytest.raises(InvalidIdentityToken):
        judge(payload("https://aws.amazon.com/source_identity", value))


@pytest.mark.parametrize("value", [ROLE, [ROLE], ["arn:aws:iam::123456789012:role/other", ROLE]])
def test_a_role_that_the_token_names(value: object) -> None:
    """A string or a list; the exact ARN makes sts:RoleAuthorizedByIdp true."""
    identity = judge(payload("https://aws.amazon.com/roles", value))
    assert check_role(identity, ROLE) == {"sts:roleauthorizedbyidp": "true"}


def test_a_token_without_roles_is_not_bound_to_any() -> None:
    """The key is false then, so that a Deny can require the claim."""
    assert check_role(judge(token()), ROLE) == {"sts:roleauthorizedbyidp": "false"}


@pytest.mark.parametrize(
    "value",
    [
        [],
        "",
        "deploy",
        "arn:aws:iam::123456789012:role/*",
        ROLE.upper(),
        [ROLE + "2"],
        f"{ROLE};arn:aws:iam::123456789012:role/other",
        [f" {ROLE}"],
        None,
        {},
        [None],
        [[ROLE]],
        True,
    ],
)
def test_a_role_that_the_token_does_not_name(value: object) -> None:
    """The claim, if present, is an allow-list: exact, without wildcards, and an unreadable one allows no role."""
    with pytest.raises(InvalidIdentityToken, match="target role ARN is not present in the roles claim"):
        check_role(judge(payload("https://aws.amazon.com/roles", value)), ROLE)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_kubernetes_service_account_token(alg: str) -> None:
    """A projected token as the API server writes it: audience as a list, nbf, jti, and the kubernetes.io object."""
    issuer = "https://kubernetes.default.svc.cluster.local"
    moment = claims()["iat"]
    text = compact(
        {"alg": alg, "kid": f"{alg}-good"},
        {
            "aud": ["sts.amazonaws.com"],
            "exp": moment + 3607,
            "iat": moment,
            "iss": issuer,
            "jti": "7e2b4f0c-6b9a-4b9e-8a53-0a9c2d0b1f11",
            "kubernetes.io": {
                "namespace": "prod",
                "node": {"name": "node-1", "uid": "6a1c64ab-0ddc-4a2e-bb4d-3f0ac5c43c43"},
                "pod": {"name": "web-7d4b9c6f5-x2x7z", "uid": "0f0c4b4b-8f8e-4b63-a8d1-7c1f2d3e4a5b"},
                "serviceaccount": {"name": "web", "uid": "d3b07384-d9a0-4c9b-8c39-1e5c4d3b2a10"},
                "warnafter": moment + 3607,
            },
            "nbf": moment,
            "sub": "system:serviceaccount:prod:web",
        },
        key(alg),
    )
    terms = replace(exposing("kubernetes.io/namespace", "kubernetes.io/pod/name=pod"), issuer=issuer)
    keys = judge(text, provider=terms).condition_keys
    prefix = "kubernetes.default.svc.cluster.local"
    assert keys == {
        f"{prefix}:aud": "sts.amazonaws.com",
        f"{prefix}:oaud": "sts.amazonaws.com",
        f"{prefix}:sub": "system:serviceaccount:prod:web",
        f"{prefix}:kubernetes.io/namespace": "prod",
        f"{prefix}:pod": "web-7d4b9c6f5-x2x7z",
    }


def test_built_in_providers() -> None:
    """Google and Cognito exist in every account; providers with opaque tokens do not."""
    google = find_built_in("https://accounts.google.com")
    assert google is not None
    assert (google.arn, google.client_ids) == ("accounts.google.com", ANY_AUDIENCE)
    assert find_built_in("https://www.amazon.com") is None
    assert find_built_in("https://accounts.google.com/") is None
    assert find_built_in("accounts.google.com") is None
    assert find_built_in("https://issuer.example") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://issuer.example", True),
        ("https://issuer.example/", True),
        ("https://localhost:8443/realms/a", True),
        ("https://[::1]:8443", True),
        ("http://issuer.example", False),
        ("https://user@issuer.example", False),
        ("https://issuer.example?x=1", False),
        ("https://issuer.example#x", False),
        ("https://issuer.example\\@x", False),
        ("https://issuer.example/\n", False),
        ("https://", False),
        ("https:///path", False),
        ("HTTPS://issuer.example", False),
        ("https://issüer.example", False),
        ("https://issuer.example/" + "x" * 255, False),
        ("file:///etc/passwd", False),
    ],
)
def test_the_form_of_issuers(url: str, *, expected: bool) -> None:
    """An issuer is a plain https URL without ambiguous parts."""
    assert is_issuer_url(url) is expected


@pytest.mark.parametrize(
    ("issuer", "claim"),
    [("https://issuer.example", "email"), ("https://gitlab.com", "user_login"), ("https://gitlab.com", "email")],
)
def test_a_claim_that_policies_test_has_a_shape_that_they_can(issuer: str, claim: str) -> None:
    """A list is a set of strings.

    An untestable shape is refused: otherwise a Deny on the claim would not match.
    """
    key_name = f"{issuer.removeprefix('https://')}:{claim}"
    assert from_issuer(issuer, **{claim: ["a", "b"]}).condition_keys[key_name] == ("a", "b")
    assert from_issuer(issuer, **{claim: 7}).condition_keys[key_name] == "7"
    nothings: tuple[object, ...] = (None, [])
    for nothing in nothings:
        assert key_name not in from_issuer(issuer, **{claim: nothing}).condition_keys
    for odd in ({"is": "a"}, [["a"]], ["a", None], 1.5):
        with pytest.raises(InvalidIdentityToken):
            from_issuer(issuer, **{claim: odd})


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (f"{TAGS}/principal_tags", {"Team": ["red"]}),
        (f"{TAGS}/principal_tag/Team", "red"),
        (f"{TAGS}/", {"principal_tags": {"Team": ["red"]}}),
        (TAGS, {"Principal_tags": {"Team": ["red"]}}),
        (TAGS, {"principal_tags": {}, "tags": {"Team": ["red"]}}),
    ],
)
def test_a_misspelt_tag_is_refused(claim: str, value: object) -> None:
    """If it were ignored, a Deny that tests the tag would not match."""
    with pytest.raises(InvalidIdentityToken):
        judge(payload(claim, value))
