"""Signed assertions with conditions that do not hold.

They are for another audience, not valid now, or without a subject.
"""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from tests.federation.saml.attack import EVIL, SAML, SAMLP, Attack, Bent, Book, Verdict, assertion_of, child, run
from tests.federation.saml.conftest import GOOD, NOW, OUR_URL, World

from daypass.errors import Fault
from daypass.testing.saml import Assertion, instant

BOOK = Book()
_CONFIRMATION = f"{SAML}Subject/{SAML}SubjectConfirmation"
_DATA = f"{_CONFIRMATION}/{SAML}SubjectConfirmationData"
_HOUR = timedelta(hours=1)

# Assertions that differ from a valid one by one value. The code of the refusal, or empty if it is accepted.
_DIFFERENT: dict[str, tuple[Assertion, str]] = {
    "empty-nameid": (replace(GOOD, name_id=""), "InvalidIdentityToken"),
    "whitespace-nameid-signed": (replace(GOOD, name_id=" alice@example.org "), "InvalidIdentityToken"),
    "newline-nameid": (replace(GOOD, name_id="alice@example.org\n"), "InvalidIdentityToken"),
    "bidi": (replace(GOOD, name_id="alice\u202egro.elpmaxe@"), "InvalidIdentityToken"),
    "zero-width-nameid": (replace(GOOD, name_id="al\u200bice@example.org"), "InvalidIdentityToken"),
    "endless-nameid": (replace(GOOD, name_id="a" * 2_049), "InvalidIdentityToken"),
    "aud-case": (replace(GOOD, audiences=("URN:AMAZON:WEBSERVICES",)), "InvalidIdentityToken"),
    "aud-prefix": (replace(GOOD, audiences=("urn:amazon:webservices.evil.example",)), "InvalidIdentityToken"),
    "aud-slash": (replace(GOOD, audiences=("urn:amazon:webservices/",)), "InvalidIdentityToken"),
    "aud-space": (replace(GOOD, audiences=(" urn:amazon:webservices",)), "InvalidIdentityToken"),
    "aud-other": (replace(GOOD, audiences=("https://sp.example.com",)), "InvalidIdentityToken"),
    "aud-none": (replace(GOOD, audiences=()), "InvalidIdentityToken"),
    "aud-two-audiences": (replace(GOOD, audiences=("https://sp.example.com", "urn:amazon:webservices")), ""),
    "aud-two-restrictions": (
        replace(
            GOOD,
            conditions_xml="<saml:AudienceRestriction><saml:Audience>https://sp.example.com</saml:Audience>"
            "</saml:AudienceRestriction>",
        ),
        "InvalidIdentityToken",
    ),
    "recipient-wrong": (replace(GOOD, recipient="https://sp.example.com/acs"), "InvalidIdentityToken"),
    "recipient-prefix": (replace(GOOD, recipient=f"{OUR_URL}.evil.example"), "InvalidIdentityToken"),
    "recipient-userinfo": (
        replace(GOOD, recipient="https://signin.aws.amazon.com/saml@evil.example"),
        "InvalidIdentityToken",
    ),
    "recipient-region-lookalike": (
        replace(GOOD, recipient="https://evil.example/us-east-1.signin.aws.amazon.com/saml"),
        "InvalidIdentityToken",
    ),
    "recipient-http": (replace(GOOD, recipient="http://signin.aws.amazon.com/saml"), "InvalidIdentityToken"),
    "recipient-region": (replace(GOOD, recipient="https://eu-central-1.signin.aws.amazon.com/saml"), "*"),
    "recipient-ours": (replace(GOOD, recipient=OUR_URL), "*"),
    "cond-unknown": (
        replace(
            GOOD,
            conditions_xml='<saml:Condition xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xmlns:x="urn:x" xsi:type="x:OnlyOnSundays"/>',
        ),
        "InvalidIdentityToken",
    ),
    "cond-foreign": (replace(GOOD, conditions_xml='<x:Only xmlns:x="urn:x"/>'), "InvalidIdentityToken"),
    "cond-proxy": (replace(GOOD, conditions_xml='<saml:ProxyRestriction Count="0"/>'), ""),
    "issuer-wrong": (replace(GOOD, issuer="https://other-idp.example.org"), "InvalidIdentityToken"),
    "issuer-slash": (replace(GOOD, issuer="https://idp.example.org/"), "InvalidIdentityToken"),
    "issuer-empty": (replace(GOOD, issuer=""), "InvalidIdentityToken"),
    "session-expired": (replace(GOOD, session_lifetime=timedelta(seconds=-1)), "ExpiredTokenException"),
    "session-ends-now": (replace(GOOD, session_lifetime=timedelta(0)), "ExpiredTokenException"),
    "ends-now": (replace(GOOD, lifetime=timedelta(0)), "ExpiredTokenException"),
}


@pytest.mark.parametrize("name", _DIFFERENT)
def test_a_value_that_differs(world: World, name: str) -> None:
    """A signed assertion must be for us, be valid now, and have a subject."""
    assertion, code = _DIFFERENT[name]
    if code == "*":
        assert world.judge(world.response(assertion)).audience == assertion.recipient
        return
    verdict = Verdict.REJECT if code else Verdict.ACCEPT
    run(world, Attack(name, verdict, lambda world, _: world.response(assertion), code))


def _set(path: str, **attributes: str | None) -> Attack:
    """Return an attack that sets or removes attributes before signing."""

    def bend(world: World, _: etree._Element) -> Bent:
        root = world.unsigned()
        element = child(assertion_of(root), path) if path else assertion_of(root)
        for name, value in attributes.items():
            element.attrib.pop(name, "")
            if value is not None:
                element.set(name, value)
        return world.sealed(root)

    return Attack(path, Verdict.REJECT, bend, "InvalidIdentityToken")


_PAST, _FUTURE = instant(NOW - _HOUR), instant(NOW + _HOUR)
_ALTERED: dict[str, tuple[Attack, str]] = {
    "recipient-missing": (_set(_DATA, Recipient=None), "InvalidIdentityToken"),
    "scd-expired": (_set(_DATA, NotOnOrAfter=_PAST), "ExpiredTokenException"),
    "scd-endless": (_set(_DATA, NotOnOrAfter=None), "InvalidIdentityToken"),
    "scd-notbefore": (_set(_DATA, NotBefore=_FUTURE), "InvalidIdentityToken"),
    "sc-sender-vouches": (
        _set(_CONFIRMATION, Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"),
        "InvalidIdentityToken",
    ),
    "sc-holder-of-key": (
        _set(_CONFIRMATION, Method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),
        "InvalidIdentityToken",
    ),
    "sc-no-method": (_set(_CONFIRMATION, Method=None), "InvalidIdentityToken"),
    "cond-expired": (_set(f"{SAML}Conditions", NotOnOrAfter=_PAST), "ExpiredTokenException"),
    "cond-future": (_set(f"{SAML}Conditions", NotBefore=_FUTURE), "InvalidIdentityToken"),
    "cond-endless": (_set(f"{SAML}Conditions", NotOnOrAfter=None), "InvalidIdentityToken"),
    "nameid-no-format": (_set(f"{SAML}Subject/{SAML}NameID", Format=None), "InvalidIdentityToken"),
    "version-11": (_set("", Version="1.1"), "InvalidIdentityToken"),
    "version-missing": (_set("", Version=None), "InvalidIdentityToken"),
    "issueinstant-old": (_set("", IssueInstant=instant(NOW - timedelta(days=1))), "ExpiredTokenException"),
    "issueinstant-just-too-old": (
        _set("", IssueInstant=instant(NOW - timedelta(seconds=301))),
        "ExpiredTokenException",
    ),
    "issueinstant-future": (_set("", IssueInstant=instant(NOW + timedelta(days=1))), "InvalidIdentityToken"),
    "issueinstant-missing": (_set("", IssueInstant=None), "InvalidIdentityToken"),
    "issueinstant-year-9999": (_set("", IssueInstant="9999-12-31T23:59:59Z"), "InvalidIdentityToken"),
    "issueinstant-year-1": (_set("", IssueInstant="0001-01-01T00:00:00Z"), "ExpiredTokenException"),
    "time-no-zone": (_set(f"{SAML}Conditions", NotOnOrAfter="2026-03-01T12:05:00"), "InvalidIdentityToken"),
    "time-offset": (_set(f"{SAML}Conditions", NotOnOrAfter="2026-03-01T12:05:00+00:00"), "InvalidIdentityToken"),
    "time-month-13": (_set(f"{SAML}Conditions", NotOnOrAfter="2026-13-01T12:05:00Z"), "InvalidIdentityToken"),
    "time-leap-second": (_set(f"{SAML}Conditions", NotOnOrAfter="2026-12-31T23:59:60Z"), "InvalidIdentityToken"),
    "time-year-0": (_set(f"{SAML}Conditions", NotOnOrAfter="0000-01-01T00:00:00Z"), "InvalidIdentityToken"),
    "time-negative": (_set(f"{SAML}Conditions", NotOnOrAfter="-2026-03-01T12:05:00Z"), "InvalidIdentityToken"),
    "time-other-digits": (_set(f"{SAML}Conditions", NotOnOrAfter="٢٠٢٧-03-01T12:05:00Z"), "InvalidIdentityToken"),
    "time-space": (_set(f"{SAML}Conditions", NotOnOrAfter=" 2026-03-01T12:05:00Z"), "InvalidIdentityToken"),
    "time-empty": (_set(f"{SAML}Conditions", NotOnOrAfter=""), "InvalidIdentityToken"),
    "authninstant-missing": (_set(f"{SAML}AuthnStatement", AuthnInstant=None), "InvalidIdentityToken"),
    "issuer-format": (
        _set(f"{SAML}Issuer", Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"),
        "InvalidIdentityToken",
    ),
}


@pytest.mark.parametrize("name", _ALTERED)
def test_an_attribute_of_an_element_that_differs(world: World, name: str) -> None:
    """Every time, address and method is checked and is required."""
    attack, code = _ALTERED[name]
    run(world, replace(attack, code=code))


_FINE: dict[str, Attack] = {
    "time-fraction": _set(f"{SAML}Conditions", NotBefore="2026-03-01T11:59:59.1234567Z"),
    "time-year-9999": _set(f"{SAML}Conditions", NotOnOrAfter="9999-12-31T23:59:59Z"),
    "scd-notbefore-past": _set(_DATA, NotBefore=_PAST),
    "clock-ahead-by-seconds": _set("", IssueInstant=instant(NOW + timedelta(seconds=30))),
    "four-minutes-old": _set("", IssueInstant=instant(NOW - timedelta(minutes=4))),
    "no-notbefore": _set(f"{SAML}Conditions", NotBefore=None),
    "issuer-format-entity": _set(f"{SAML}Issuer", Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity"),
}


@pytest.mark.parametrize("name", _FINE)
def test_what_real_providers_write_is_taken(world: World, name: str) -> None:
    """Values that real providers send are accepted.

    They send fractions of a second, slightly wrong clocks, and a NotBefore in the past.
    """
    run(world, replace(_FINE[name], verdict=Verdict.ACCEPT, code=""))


def _without(path: str, *, of: str = "assertion") -> Attack:
    def bend(world: World, _: etree._Element) -> Bent:
        root = world.unsigned()
        element = child(assertion_of(root) if of == "assertion" else root, path)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
        return world.sealed(root)

    return Attack(path, Verdict.REJECT, bend, "InvalidIdentityToken")


_MISSING = {
    "scd-missing": _without(_DATA),
    "sc-missing": _without(_CONFIRMATION),
    "subject-missing": _without(f"{SAML}Subject"),
    "nameid-missing": _without(f"{SAML}Subject/{SAML}NameID"),
    "conditions-missing": _without(f"{SAML}Conditions"),
    "authnstatement-missing": _without(f"{SAML}AuthnStatement"),
    "attributes-missing": _without(f"{SAML}AttributeStatement"),
    "issuer-missing": _without(f"{SAML}Issuer"),
    "status-missing": _without(f"{SAMLP}Status", of="response"),
    "statuscode-missing": _without(f"{SAMLP}Status/{SAMLP}StatusCode", of="response"),
}


@pytest.mark.parametrize("name", _MISSING)
def test_a_part_that_is_missing(world: World, name: str) -> None:
    """Every part that a decision needs is required."""
    run(world, _MISSING[name])


@BOOK.rejects("child-element-nameid")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    name = child(assertion_of(bent), f"{SAML}Subject/{SAML}NameID")
    name.text, inner = "alice@example.org", etree.SubElement(name, "{urn:x}b")
    inner.tail = ".evil.com"
    return world.sealed(bent)


@BOOK.rejects("sc-second-good")
def _(world: World, root: etree._Element) -> Bent:
    # SAML accepts two confirmations if one matches; AWS refuses them, and so does Daypass.
    bent = world.unsigned()
    subject = child(assertion_of(bent), f"{SAML}Subject")
    first = copy.deepcopy(child(subject, f"{SAML}SubjectConfirmation"))
    child(first, f"{SAML}SubjectConfirmationData").set("Recipient", "https://sp.example.com/acs")
    subject.insert(1, first)
    return world.sealed(bent)


@BOOK.rejects("two-nameids")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    subject = child(assertion_of(bent), f"{SAML}Subject")
    second = copy.deepcopy(child(subject, f"{SAML}NameID"))
    second.text = EVIL
    subject.insert(0, second)
    return world.sealed(bent)


@BOOK.rejects("two-subjects")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    assertion_of(bent).insert(1, copy.deepcopy(child(assertion_of(bent), f"{SAML}Subject")))
    return world.sealed(bent)


@BOOK.rejects("two-conditions")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    assertion_of(bent).append(copy.deepcopy(child(assertion_of(bent), f"{SAML}Conditions")))
    return world.sealed(bent)


@BOOK.rejects("two-issuers")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    assertion_of(bent).insert(0, copy.deepcopy(child(assertion_of(bent), f"{SAML}Issuer")))
    return world.sealed(bent)


@BOOK.rejects("issuer-response-differs")
def _(world: World, root: etree._Element) -> Bent:
    child(root, f"{SAML}Issuer").text = "https://other-idp.example.org"
    return root


@BOOK.rejects("destination-wrong")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    bent.set("Destination", "https://sp.example.com/acs")
    return world.sealed(bent, "both")


@BOOK.accepts("destination-missing")
def _(world: World, root: etree._Element) -> Bent:
    del root.attrib["Destination"]
    return root


@BOOK.accepts("in-response-to-empty")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    bent.set("InResponseTo", "")
    child(assertion_of(bent), _DATA).set("InResponseTo", "")
    return world.sealed(bent)


@BOOK.accepts("response-issuer-missing")
def _(world: World, root: etree._Element) -> Bent:
    root.remove(child(root, f"{SAML}Issuer"))
    return root


@BOOK.rejects("id-missing")
def _(world: World, root: etree._Element) -> Bent:
    del root.attrib["ID"]
    return root


@BOOK.rejects("response-version-11")
def _(world: World, root: etree._Element) -> Bent:
    root.set("Version", "1.1")
    return root


@BOOK.rejects("response-time-missing")
def _(world: World, root: etree._Element) -> Bent:
    del root.attrib["IssueInstant"]
    return root


@BOOK.rejects("status-failed", code="IDPRejectedClaim")
def _(world: World, root: etree._Element) -> Bent:
    # The signed assertion is genuine, but its provider reports a failed authentication.
    child(root, f"{SAMLP}Status/{SAMLP}StatusCode").set("Value", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed")
    return root


@BOOK.rejects("status-failed-without-assertion", code="IDPRejectedClaim")
def _(world: World, root: etree._Element) -> Bent:
    return world.idp.failure(now=NOW)


@BOOK.rejects("status-two")
def _(world: World, root: etree._Element) -> Bent:
    status = child(root, f"{SAMLP}Status")
    status.append(copy.deepcopy(child(status, f"{SAMLP}StatusCode")))
    return root


@BOOK.parametrize()
def test_meaning(world: World, attack: Attack) -> None:
    """A signature proves the author; the conditions must hold as well."""
    run(world, attack)


def test_names_are_compared_exactly(world: World) -> None:
    """A Cyrillic letter is a different letter.

    The name is returned as it was signed, without normalization or refusal.
    """
    cyrillic = "\u0430lice@example.org"
    assert world.judge(world.response(replace(GOOD, name_id=cyrillic))).subject == cyrillic


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "transient"),
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "persistent"),
        (
            "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        ),
    ],
)
def test_the_subject_type_is_the_format(world: World, given: str, answered: str) -> None:
    """The prefix of SAML 2.0 is removed; any other format is kept.

    A transient name is accepted, as by AWS.
    """
    identity = world.judge(world.response(replace(GOOD, name_id_format=given)))
    assert (identity.subject_type, identity.conditions["saml:sub_type"]) == (answered, answered)


def test_an_assertion_may_be_redeemed_again_within_its_minutes(world: World) -> None:
    """An assertion is valid for several roles, as on AWS.

    A replay guard gets its identifier and the time until which it must be stored.
    """
    response = world.response()
    first, second = world.judge(response), world.judge(response, now=NOW + timedelta(minutes=4))
    assert first.assertion_id == second.assertion_id
    assert first.redeemable_until == NOW + timedelta(minutes=5)
    with pytest.raises(Fault, match="Response has expired"):
        world.judge(response, now=first.redeemable_until)


def test_a_long_assertion_is_stale_after_five_minutes(world: World) -> None:
    """An assertion expires five minutes after its issue, at the latest.

    A longer validity in the assertion does not matter.
    """
    response = world.response(replace(GOOD, lifetime=timedelta(days=3_650)))
    assert world.judge(response, now=NOW + timedelta(minutes=5)).redeemable_until > NOW + timedelta(minutes=5)
    with pytest.raises(Fault, match="within 5 minutes") as refused:
        world.judge(response, now=NOW + timedelta(minutes=5, seconds=1))
    assert refused.value.code == "ExpiredTokenException"


def test_one_time_use_is_passed_on(world: World) -> None:
    """OneTimeUse requires a replay guard.

    AWS ignores it, and so does Daypass for a lax provider.
    """
    response = world.response(replace(GOOD, conditions_xml="<saml:OneTimeUse/>"))
    assert world.judge(response).one_time_use
    assert not world.judge(response, lax_like_aws=True).one_time_use


@pytest.mark.parametrize("answers", ["_ours", "_other", None])
def test_an_answer_to_our_own_request_says_so(world: World, answers: str | None) -> None:
    """An assertion must answer our own request, if there was one.

    Without a request, InResponseTo does not matter.
    """
    response = world.response(replace(GOOD, in_response_to=answers))
    assert world.judge(response).in_response_to == answers
    if answers == "_ours":
        assert world.judge(response, expected_in_response_to="_ours").in_response_to == "_ours"
        return
    with pytest.raises(Fault, match="Invalid base64 SAMLResponse"):
        world.judge(response, expected_in_response_to="_ours")


def test_the_refusals_have_awss_words(world: World) -> None:
    """Two of AWS's messages have an internal service's suffix and the request identifier."""
    tail = (
        " (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException; "
        "Request ID: 01234567-89ab-cdef-0123-456789abcdef; Proxy: null)"
    )
    cases = {
        "Invalid base64 SAMLResponse" + tail: "AAAA",
        "Response (with optional signature) must contain an assertion with a mandatory signature"
        + tail: world.response(signed="response"),
        "Issuer not present in specified provider": world.response(replace(GOOD, issuer="https://x")),
        "Response does not contain the required audience.": world.response(replace(GOOD, audiences=("x",))),
        "Response has expired": world.response(now=NOW - _HOUR),
    }
    for message, response in cases.items():
        with pytest.raises(Fault) as refused:
            world.judge(response)
        assert refused.value.message == message


# The switch for AWS's lax behaviour ------------------------------------------------------------------------

_LAX = {
    "wrong audience": replace(GOOD, audiences=("https://sp.example.com",)),
    "no audience": replace(GOOD, audiences=()),
    "any recipient": replace(GOOD, recipient="https://sp.example.com/acs"),
}


@pytest.mark.parametrize("name", _LAX)
def test_a_lax_provider_is_taken_as_aws_takes_it(world: World, name: str) -> None:
    """Responses that only AWS accepts are refused by default.

    They are accepted if an operator registered the provider as lax.
    """
    response = world.response(_LAX[name])
    with pytest.raises(Fault):
        world.judge(response)
    assert world.judge(response, lax_like_aws=True).subject == "alice@example.org"


@pytest.mark.parametrize("name", ["cond-future", "cond-endless"])
def test_a_lax_provider_may_be_careless_with_conditions(world: World, name: str) -> None:
    """AWS accepts a NotBefore far ahead, and Conditions without an end."""
    bent = _ALTERED[name][0].bend(world, world.unsigned())
    assert world.judge(bent, lax_like_aws=True).subject == "alice@example.org"


def test_a_lax_provider_may_differ_in_the_response(world: World) -> None:
    """AWS ignores the Issuer of the Response."""
    root = world.unsigned()
    child(root, f"{SAML}Issuer").text = "https://other-idp.example.org"
    assert world.judge(world.sealed(root, "both"), lax_like_aws=True).issuer == world.idp.entity_id


@pytest.mark.parametrize(
    "name", ["scd-expired", "recipient-missing", "issueinstant-old", "cond-expired", "sc-sender-vouches"]
)
def test_a_lax_provider_is_not_believed_everything(world: World, name: str) -> None:
    """A lax provider may only do what AWS was observed to accept."""
    bent = _ALTERED[name][0].bend(world, world.unsigned())
    with pytest.raises(Fault):
        world.judge(bent, lax_like_aws=True)


def test_an_expired_certificate_counts_only_for_a_lax_provider(world: World) -> None:
    """AWS ignores the dates of a signing certificate; Daypass does not."""
    response = world.response()
    expired = tuple(
        replace(key, not_after=datetime(2026, 1, 1, tzinfo=UTC)) for key in world.trust.metadata.signing_keys
    )
    metadata = replace(world.trust.metadata, signing_keys=expired)
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(response, metadata=metadata)
    assert world.judge(response, metadata=metadata, lax_like_aws=True).subject


def test_metadata_that_has_run_out_vouches_for_nobody(world: World) -> None:
    """ValidUntil ends the provider, also with a valid signature."""
    response = world.response()
    ended = replace(world.trust.metadata, valid_until=NOW)
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(response, metadata=ended)
    assert world.judge(response, metadata=replace(ended, valid_until=NOW + _HOUR)).subject
