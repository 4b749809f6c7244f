"""The values that Daypass reads from the attributes of an assertion.

These are roles, session name and duration, tags, source identity and condition keys.
"""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.federation.saml.attack import SAML, assertion_of
from tests.federation.saml.conftest import GOOD, NOW, PROVIDER, ROLE, World

from daypass.errors import Fault, InvalidIdentityToken
from daypass.federation.saml.assertion import SamlAttribute
from daypass.federation.saml.attributes import RolePair, find_role_pair, read_claims
from daypass.federation.saml.identity import SamlIdentity, name_qualifier, require_role, session_seconds
from daypass.testing.saml import AWS_ATTRIBUTE, Assertion

_OTHER = "arn:aws:iam::210987654321"
_EDU = "urn:oid:1.3.6.1.4.1.5923.1.1.1."

_ROLES = {
    "role-in-order": (f"{ROLE},{PROVIDER}", True),
    "role-reversed": (f"{PROVIDER},{ROLE}", True),
    "role-with-path": (f"arn:aws:iam::123456789012:role/team/dev,{PROVIDER}", True),
    "role-with-comma": (f"{ROLE},ops,{PROVIDER}", True),
    "role-with-comma-reversed": (f"{PROVIDER},{ROLE},ops", True),
    "role-two-and-provider": (f"{ROLE},{ROLE},{PROVIDER}", False),
    "role-unpaired": (ROLE, False),
    "role-alone-with-comma": (f"{ROLE},", False),
    "role-three": (f"{ROLE},{PROVIDER},{ROLE}", False),
    "role-twice": (f"{ROLE},{ROLE}", False),
    "provider-twice": (f"{PROVIDER},{PROVIDER}", False),
    "role-cross-account": (f"{ROLE},{_OTHER}:saml-provider/idp", False),
    "role-cross-partition": (f"{ROLE.replace('arn:aws:', 'arn:aws-cn:')},{PROVIDER}", False),
    "role-spaces": (f"{ROLE}, {PROVIDER}", True),
    "role-spaces-before-the-comma": (f"{ROLE} ,{PROVIDER}", True),
    "role-spaces-around": (f" {ROLE},{PROVIDER} ", True),
    "role-spaces-reversed": (f"  {PROVIDER} , {ROLE}  ", True),
    "role-newline": (f"{ROLE},{PROVIDER}\n", True),
    "role-indented": (f"\n\t\t{ROLE},\n\t\t{PROVIDER}\n\t", True),
    "role-spaces-after-a-comma-in-the-name": (f"{ROLE},ops , {PROVIDER}", True),
    "role-space-in-the-name": (f"{ROLE} ops,{PROVIDER}", False),
    "role-space-in-the-arn": (f"arn:aws:iam:: 123456789012:role/dev,{PROVIDER}", False),
    "role-space-for-the-comma": (f"{ROLE} {PROVIDER}", False),
    "role-no-break-space": (f"{ROLE},\u00a0{PROVIDER}", False),
    "role-zero-width-space": (f"{ROLE},\u200b{PROVIDER}", False),
    "role-line-separator": (f"{ROLE},{PROVIDER}\u2028", False),
    "role-user": (f"arn:aws:iam::123456789012:user/dev,{PROVIDER}", False),
    "role-region": (f"arn:aws:iam:eu-west-1:123456789012:role/dev,{PROVIDER}", False),
    "role-service": (f"arn:aws:sts::123456789012:role/dev,{PROVIDER}", False),
    "role-empty": ("", False),
    "role-account": (f"arn:aws:iam::12345:role/dev,{PROVIDER.replace('123456789012', '12345')}", False),
}


@pytest.mark.parametrize("name", _ROLES)
def test_a_role_comes_with_its_provider(world: World, name: str) -> None:
    """A value is two ARNs of one account, in either order, with ASCII white space around them.

    Any other value does not grant a role.
    """
    value, grants = _ROLES[name]
    assert world.judge(world.response()).roles == (RolePair(ROLE, PROVIDER),)
    response = world.response(replace(GOOD, roles=(value,)))
    if grants:
        assert world.judge(response).roles[0].provider == PROVIDER
        return
    with pytest.raises(Fault, match="SAML Assertion doesn't contain the requested Role and Metadata") as refused:
        world.judge(response)
    assert refused.value.code == "InvalidIdentityToken"


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "\f", "\v", " \t\r\n"])
@pytest.mark.parametrize(("first", "second"), [(ROLE, PROVIDER), (PROVIDER, ROLE)])
def test_any_ascii_white_space_around_an_arn_is_ignored(space: str, first: str, second: str) -> None:
    """An ARN contains no white space, so the value has one reading."""
    for value in (f"{space}{first},{second}", f"{first}{space},{second}", f"{first},{space}{second}{space}"):
        assert find_role_pair(value) == RolePair(ROLE, PROVIDER)
    assert find_role_pair(f"{first[:20]}{space}{first[20:]},{second}") is None


def test_one_assertion_grants_many_roles(world: World) -> None:
    """The roles may be in several accounts.

    Each is valid only with the provider of its pair.
    """
    far = f"{_OTHER}:role/ops,{_OTHER}:saml-provider/idp"
    identity = world.judge(world.response(replace(GOOD, roles=(far, "nonsense", f"{PROVIDER},{ROLE}"))))
    assert len(identity.roles) == 2
    require_role(identity, role=ROLE, provider=PROVIDER)


@pytest.mark.parametrize(
    ("role", "provider"),
    [
        (f"{ROLE}2", PROVIDER),
        (ROLE, f"{PROVIDER}2"),
        (f"{_OTHER}:role/ops", f"{_OTHER}:saml-provider/idp"),
        (ROLE.upper(), PROVIDER),
        (PROVIDER, ROLE),
    ],
)
def test_a_pair_that_is_not_granted_is_refused(world: World, role: str, provider: str) -> None:
    """The role, the provider, and the provider of the key must all match."""
    far = f"{_OTHER}:role/ops,{_OTHER}:saml-provider/idp"
    identity = world.judge(world.response(replace(GOOD, roles=(f"{ROLE},{PROVIDER}", far))))
    require_role(identity, role=ROLE, provider=PROVIDER)
    with pytest.raises(Fault, match="doesn't contain the requested Role"):
        require_role(identity, role=role, provider=provider)


_REFUSED: dict[str, tuple[Assertion, str]] = {
    "session-name-missing": (replace(GOOD, session_name=None), "RoleSessionName is required in AuthnResponse"),
    "session-name-bad": (replace(GOOD, session_name="al ice"), "RoleSessionName in AuthnResponse must match"),
    "session-name-short": (replace(GOOD, session_name="a"), "must match"),
    "session-name-long": (replace(GOOD, session_name="a" * 65), "must match"),
    "session-name-newline": (replace(GOOD, session_name="alice\n"), "must match"),
    "session-name-not-ascii": (replace(GOOD, session_name="älice"), "must match"),
    "session-name-slash": (replace(GOOD, session_name="al/ice"), "must match"),
    "duration-neg": (replace(GOOD, session_duration="-1"), "SessionDuration"),
    "duration-big": (replace(GOOD, session_duration="43201"), "SessionDuration"),
    "duration-small": (replace(GOOD, session_duration="899"), "SessionDuration"),
    "duration-text": (replace(GOOD, session_duration="abc"), "SessionDuration"),
    "duration-float": (replace(GOOD, session_duration="3600.5"), "SessionDuration"),
    "duration-empty": (replace(GOOD, session_duration=""), "SessionDuration"),
    "duration-huge": (replace(GOOD, session_duration="9" * 5_000), "SessionDuration"),
    "duration-other-digits": (replace(GOOD, session_duration="٣٦٠٠"), "SessionDuration"),
    "source-identity-bad": (replace(GOOD, source_identity="a b"), "Source Identity must match"),
    "source-identity-aws": (replace(GOOD, source_identity="aws:x"), "Source Identity must match"),
    "tag-key-aws": (replace(GOOD, tags={"aws:x": "1"}), "tag key"),
    "tag-key-empty": (replace(GOOD, tags={"": "1"}), "tag key"),
    "tag-key-long": (replace(GOOD, tags={"k" * 129: "1"}), "tag key"),
    "tag-value-long": (replace(GOOD, tags={"k": "v" * 257}), "value of the tag"),
    "tag-value-bad": (replace(GOOD, tags={"k": "a;b"}), "value of the tag"),
    "tag-value-bidi": (replace(GOOD, tags={"k": "a\u202eb"}), "value of the tag"),
    "tag-many": (replace(GOOD, tags={f"k{n}": "v" for n in range(51)}), "more than 50"),
    "tag-duplicate": (replace(GOOD, tags={"Team": "a", "team": "b"}), "Duplicate tag keys found"),
    "transitive-unknown": (replace(GOOD, tags={"a": "1"}, transitive_keys=("b",)), "transitive tag key must be"),
    "attr-duplicate": (
        replace(GOOD, session_name=None, attributes={f"{AWS_ATTRIBUTE}RoleSessionName": ("alice", "mallory")}),
        "exactly one value",
    ),
    "attr-duplicate-same": (
        replace(GOOD, session_name=None, attributes={f"{AWS_ATTRIBUTE}RoleSessionName": ("alice", "alice")}),
        "exactly one value",
    ),
    "tag-two-values": (replace(GOOD, attributes={f"{AWS_ATTRIBUTE}PrincipalTag:Team": ("a", "b")}), "exactly one"),
    "name-in-another-case": (
        replace(GOOD, session_name=None, attributes={f"{AWS_ATTRIBUTE}rolesessionname": ("alice",)}),
        "RoleSessionName is required",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_an_attribute_that_breaks_its_rule(world: World, name: str) -> None:
    """An AWS attribute with an invalid value is refused, never ignored."""
    assertion, words = _REFUSED[name]
    assert world.judge(world.response()).session_name == "alice"
    with pytest.raises(Fault) as refused:
        world.judge(world.response(assertion))
    assert refused.value.code == "InvalidIdentityToken"
    assert words in refused.value.message


def test_the_same_attribute_in_two_statements_is_one_attribute(world: World) -> None:
    """A second RoleSessionName cannot hide in another AttributeStatement."""
    root = world.unsigned()
    assertion = assertion_of(root)
    statement = etree.SubElement(assertion, f"{SAML}AttributeStatement")
    attribute = etree.SubElement(statement, f"{SAML}Attribute", Name=f"{AWS_ATTRIBUTE}RoleSessionName")
    etree.SubElement(attribute, f"{SAML}AttributeValue").text = "mallory"
    with pytest.raises(Fault, match="exactly one value"):
        world.judge(world.sealed(root))


def test_a_value_with_an_element_inside_is_no_text(world: World) -> None:
    """A Role with an element in it does not grant a role.

    A session name with an element is refused.
    """
    for index, words in ((0, "doesn't contain the requested Role"), (1, "exactly one value")):
        root = world.unsigned()
        value = list(assertion_of(root).iter(f"{SAML}AttributeValue"))[index]
        etree.SubElement(value, "{urn:x}b").tail = "tail"
        with pytest.raises(Fault, match=words):
            world.judge(world.sealed(root))


def test_session_tags_and_source_identity_come_out_as_signed(world: World) -> None:
    """Tags keep their order, case and spaces; values may be empty."""
    tags = {"Project": "Secret Santa", "Team": "", "Größe": "ünïcode"}
    assertion = replace(GOOD, tags=tags, transitive_keys=("Project", "team"), source_identity="Alice=1")
    identity = world.judge(world.response(assertion))
    assert identity.tags == tuple(tags.items())
    assert identity.transitive_keys == ("Project", "team")
    assert identity.source_identity == "Alice=1"


def test_saml_condition_keys(world: World) -> None:
    """Each documented key is set from the attribute in AWS's documentation.

    List keys are lists even with one value.
    """
    attributes = {
        f"{_EDU}1": ("member", "staff"),
        f"{_EDU}5": ("staff",),
        f"{_EDU}7": ("urn:mace:x",),
        "urn:oid:2.5.4.3": ("Alice Example",),
        "urn:oid:0.9.2342.19200300.100.1.3": ("alice@example.org",),
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": ("alice", "al"),
        "urn:example:unknown": ("x",),
    }
    identity = world.judge(world.response(replace(GOOD, attributes=attributes)))
    assert dict(identity.conditions) == {
        "saml:aud": "https://signin.aws.amazon.com/saml",
        "saml:iss": "https://idp.example.org",
        "saml:sub": "alice@example.org",
        "saml:sub_type": "persistent",
        "saml:namequalifier": identity.name_qualifier,
        "saml:doc": "123456789012/idp",
        "saml:edupersonaffiliation": ("member", "staff"),
        "saml:edupersonprimaryaffiliation": "staff",
        "saml:edupersonentitlement": ("urn:mace:x",),
        "saml:cn": ("Alice Example",),
        "saml:commonname": "Alice Example",
        "saml:mail": "alice@example.org",
        "saml:name": ("alice", "al"),
    }


def test_a_targeted_id_is_a_name_inside_its_value(world: World) -> None:
    """Shibboleth and SimpleSAMLphp write eduPersonTargetedID as a NameID.

    Other attributes must not contain an element.
    """
    assert _nested(world, f"{_EDU}10").conditions["saml:edupersontargetedid"] == ("opaque",)
    # A value that conditions cannot test would let its bearer pass a Deny with that key.
    with pytest.raises(InvalidIdentityToken, match="not plain text"):
        _nested(world, f"{_EDU}5")
    assert "opaque" not in repr(_nested(world, "urn:example:unknown").conditions)


def _nested(world: World, name: str) -> SamlIdentity:
    root = world.unsigned(replace(GOOD, attributes={name: ("x",)}))
    value = list(assertion_of(root).iter(f"{SAML}AttributeValue"))[-1]
    value.text, inner = None, etree.SubElement(value, f"{SAML}NameID")
    inner.text = "opaque"
    return world.judge(world.sealed(root))


def test_an_attribute_cannot_pose_as_a_key_of_the_assertion(world: World) -> None:
    """Attributes cannot set saml:aud, saml:iss and the like."""
    identity = world.judge(world.response(replace(GOOD, attributes={"saml:sub": ("mallory",), "saml:aud": ("x",)})))
    assert identity.conditions["saml:sub"] == "alice@example.org"


def test_the_name_qualifier_is_awss_hash(world: World) -> None:
    """The qualifier is BASE64(SHA1(issuer + account + "/" + provider)).

    This is the formula of the API reference.
    """
    plain = b"https://idp.example.org123456789012/idp"
    expected = base64.b64encode(hashlib.sha1(plain, usedforsecurity=False).digest()).decode()
    assert name_qualifier("https://idp.example.org", world.trust) == expected


@pytest.mark.parametrize(
    ("attribute", "session", "requested", "expected"),
    [
        (None, None, None, 3_600),
        ("7200", None, 7_200, 7_200),
        ("7200", None, None, 3_600),
        ("900", None, None, 900),
        ("900", None, 7_200, 900),
        (None, 598, None, 598),
        ("7200", 5_000, 7_200, 5_000),
    ],
)
def test_how_long_a_session_is(
    world: World, attribute: str | None, session: int | None, requested: int | None, expected: int
) -> None:
    """The default is an hour.

    The session is never longer than SessionDuration and never ends after SessionNotOnOrAfter.
    """
    lifetime = None if session is None else timedelta(seconds=session)
    identity = world.judge(world.response(replace(GOOD, session_duration=attribute, session_lifetime=lifetime)))
    assert session_seconds(identity, requested=requested, now=NOW) == expected


def test_a_session_cannot_begin_after_its_end(world: World) -> None:
    """Time passes between the check and the creation of the session."""
    identity = world.judge(world.response(replace(GOOD, session_lifetime=timedelta(seconds=2))))
    with pytest.raises(Fault, match="Response has expired"):
        session_seconds(identity, requested=None, now=NOW + timedelta(seconds=2))


@given(st.text(alphabet="arn:awsim,/role123456789012-proviuder \n", max_size=120))
def test_no_text_is_a_pair_by_accident(value: str) -> None:
    """A pair has two ARNs with one comma between, and is read as written."""
    pair = find_role_pair(value)
    assert pair is None or value in {f"{pair.role},{pair.provider}", f"{pair.provider},{pair.role}"}


@given(st.lists(st.tuples(st.text(max_size=20), st.lists(st.none() | st.text(max_size=20), max_size=3)), max_size=8))
def test_attributes_give_claims_or_a_fault(pairs: list[tuple[str, list[str | None]]]) -> None:
    """Any attributes give claims or a refusal in AWS's format."""
    prefix = [SamlAttribute(f"{AWS_ATTRIBUTE}{name}", tuple(values)) for name, values in pairs]
    try:
        read_claims([*prefix, *(SamlAttribute(name, tuple(values)) for name, values in pairs)])
    except Fault as fault:
        assert fault.code == "InvalidIdentityToken"  # noqa: PT017 - either outcome is right
