"""The report behind `saml inspect`: what STS would say, check by check, and what to change."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federation.saml.conftest import GOOD, NOW, PROVIDER, ROLE, World

from daypass.directory.entities.propagation_entities import ContextProvider
from daypass.errors import Fault
from daypass.federation.report import CheckOutcome, InspectionReport
from daypass.federation.saml.inspect import inspect_response
from daypass.federation.saml.settings import SamlSettings
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import Signing


def _inspect(world: World, response: str, *, known: bool = True) -> InspectionReport:
    trust = world.trust if known else None
    provider = PROVIDER if known else None
    return inspect_response(response, trust=trust, settings=world.settings, now=NOW, provider=provider)


def _outcomes(report: InspectionReport) -> dict[str, CheckOutcome]:
    return {finding.name: finding.outcome for finding in report.checks}


def test_a_good_response_passes_every_check(world: World) -> None:
    """Nothing fails, and the verdict is STS's own."""
    report = _inspect(world, world.response(signed="both", encryption=world.encryption))
    assert report.verdict == "accepted"
    assert set(_outcomes(report).values()) == {CheckOutcome.PASSED}
    assert report.unverified_statement is not None
    assert report.unverified_statement.subject.value == "alice@example.org"


def test_propagated_values_are_a_check_of_their_own(world: World) -> None:
    """A provider with a context provider refuses an assertion without its subject."""
    for source, outcome in (("Subject/NameID", CheckOutcome.PASSED), ("urn:uid", CheckOutcome.FAILED)):
        trust = replace(world.trust, context_provider=ContextProvider(subject_source_key=source))
        report = inspect_response(world.response(), trust=trust, settings=world.settings, now=NOW, provider=PROVIDER)
        assert _outcomes(report)["identity propagation"] is outcome
        assert (report.verdict == "accepted") is (outcome is CheckOutcome.PASSED)
    assert report.message == "urn:uid is required in AuthnResponse"


def test_every_failure_is_listed_not_only_the_first(world: World) -> None:
    """Somebody who sets up a provider wants to fix all of it at once, and to know how."""
    wrong = replace(
        GOOD, audiences=("https://sp.example.com",), recipient="https://sp.example.com/acs", session_name=None
    )
    report = _inspect(world, world.response(wrong))
    failed = {finding.name: finding for finding in report.checks if finding.outcome is CheckOutcome.FAILED}
    assert set(failed) == {"recipient", "destination", "audience", "RoleSessionName"}
    assert all(finding.hint and finding.why and finding.code and finding.message for finding in failed.values())
    assert "https://sp.example.com/acs" in failed["recipient"].why
    assert failed["RoleSessionName"].code == "InvalidIdentityToken"
    assert failed["RoleSessionName"].message == "RoleSessionName is required in AuthnResponse"
    assert report.verdict == "refused"


def test_a_rotated_certificate_is_named(world: World) -> None:
    """The certificate that the message shows, and those that are registered, side by side."""
    other_idp = SamlIdentityProvider(world.idp.entity_id, keys=[world.attacker])
    report = _inspect(world, other_idp.response(GOOD, now=NOW))
    assert _outcomes(report)["assertion signature"] is CheckOutcome.FAILED
    shown = next(finding for finding in report.checks if finding.name == "certificate in the message")
    assert world.trust.metadata.signing_keys[0].fingerprint in shown.why
    assert _outcomes(report)["audience"] is CheckOutcome.PASSED


def test_sha_1_has_a_remedy_of_its_own(world: World) -> None:
    """Pysaml2 signs with it unless it is told otherwise; the registered certificate is not at fault."""
    report = _inspect(world, world.response(how=Signing(method="rsa-sha1", digest="sha1")))
    failed = [finding for finding in report.checks if finding.outcome is CheckOutcome.FAILED]
    assert [finding.name for finding in failed] == ["assertion signature"]
    assert "--allow-sha1" in failed[0].hint


def test_a_role_value_that_is_passed_over_is_mentioned(world: World) -> None:
    """STS passes over what is no pair; the operator should know."""
    report = _inspect(world, world.response(replace(GOOD, roles=(*GOOD.roles, "arn:aws:iam::1:role/x"))))
    assert report.verdict == "accepted"
    assert [finding.why for finding in report.checks if finding.name == "Role value"]


def test_without_a_provider_signatures_are_skipped(world: World) -> None:
    """The rest is looked at all the same, and no verdict is given."""
    report = _inspect(world, world.response(signed="both"), known=False)
    skipped = {name for name, outcome in _outcomes(report).items() if outcome is CheckOutcome.SKIPPED}
    assert skipped == {
        "response signature",
        "decryption",
        "assertion signature",
        "issuer",
        "response issuer",
        "provider in Role",
    }
    assert CheckOutcome.FAILED not in _outcomes(report).values()
    assert (report.verdict, report.code) == ("unknown", "")


def test_a_response_that_no_provider_could_take_is_refused_without_one(world: World) -> None:
    """The verdict and the exit code are the same as with a provider."""
    report = _inspect(world, world.response(replace(GOOD, session_name=None)), known=False)
    assert (report.verdict, report.code) == ("refused", "InvalidIdentityToken")
    assert report.message == "RoleSessionName is required in AuthnResponse"


@pytest.mark.parametrize(
    "provider",
    [f"{PROVIDER}2", "arn:aws:iam::210987654321:saml-provider/idp", PROVIDER.replace("/idp", "/IdP")],
)
def test_a_response_without_a_role_value_of_its_provider_is_refused(world: World, provider: str) -> None:
    """A caller must name the provider, and STS compares it with the Role values."""
    report = inspect_response(world.response(), trust=world.trust, settings=world.settings, now=NOW, provider=provider)
    failed = {finding.name: finding for finding in report.failed}
    assert set(failed) == {"provider in Role"}
    assert (report.verdict, report.code) == ("refused", "InvalidIdentityToken")
    assert report.message == "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
    assert failed["provider in Role"].why == f"no Role value contains {provider}"
    many = world.response(
        replace(GOOD, roles=(*GOOD.roles, f"{provider.replace(':saml-provider/', ':role/')},{provider}"))
    )
    assert (
        inspect_response(many, trust=world.trust, settings=world.settings, now=NOW, provider=provider).verdict
        == "accepted"
    )


def test_white_space_around_a_role_value_is_not_mentioned(world: World) -> None:
    """STS trims it, so it is not a mistake."""
    report = _inspect(world, world.response(replace(GOOD, roles=(f"\n  {ROLE} , {PROVIDER}\n",))))
    assert report.verdict == "accepted"
    assert "Role value" not in _outcomes(report)


@pytest.mark.parametrize("length", [0, 3, 100_001])
def test_a_length_that_the_service_model_does_not_allow_has_sts_s_words(world: World, length: int) -> None:
    """The API checks the length before it reads the response."""
    report = _inspect(world, "A" * length)
    bound = "less than or equal to 100000" if length > 4 else "greater than or equal to 4"
    assert (report.verdict, report.code) == ("refused", "ValidationError")
    assert report.message == (
        "1 validation error detected: Value at 'sAMLAssertion' failed to satisfy constraint: "
        f"Member must have length {bound}"
    )


@pytest.mark.parametrize("signed", ["none", "response"])
def test_an_unsigned_assertion_is_said_to_be_unsigned(world: World, signed: str) -> None:
    """The most common mistake: only the response is signed."""
    report = _inspect(world, world.response(signed=signed))
    finding = next(finding for finding in report.checks if finding.name == "assertion signature")
    assert finding.outcome is CheckOutcome.FAILED
    assert "sign the assertion" in finding.hint


def test_what_cannot_be_opened_ends_the_report(world: World) -> None:
    """Without the key nothing inside can be looked at."""
    response = world.response(encryption=world.encryption)
    report = inspect_response(
        response, trust=replace(world.trust, decryption_keys=()), settings=world.settings, now=NOW
    )
    assert _outcomes(report)["decryption"] is CheckOutcome.FAILED
    assert report.unverified_statement is None


@pytest.mark.parametrize("text", ["", "<", "%", "\ud800", "AAAA", "SAMLResponse=AAAA", "x" * 100_001])
def test_garbage_is_a_report_too(world: World, text: str) -> None:
    """No text makes it fail."""
    report = _inspect(world, text)
    assert _outcomes(report) == {"decoding": CheckOutcome.FAILED}
    assert report.verdict == "refused"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_report_and_the_judge_agree(world: World, data: st.DataObject) -> None:
    """A response that fares well in every check is taken, and one that fails a check is not."""
    genuine = world.response()
    start = data.draw(st.integers(0, len(genuine) - 1))
    spoiled = genuine[:start] + data.draw(st.text(alphabet="ABab01+/=", max_size=4)) + genuine[start + 4 :]
    for response in (genuine, spoiled):
        report = _inspect(world, response)
        try:
            world.judge(response)
        except Fault:
            assert report.verdict == "refused"
            assert CheckOutcome.FAILED in _outcomes(report).values()
        else:
            assert report.verdict == "accepted"


def test_the_settings_have_awss_audience_by_default() -> None:
    """Without configuration AWS's own audience and addresses are ours, and nothing else."""
    ours = SamlSettings()
    assert ours.is_audience("urn:amazon:webservices")
    assert ours.is_recipient("https://us-gov-west-1.signin.aws.amazon.com/saml")
    assert not ours.is_recipient("https://signin.aws.amazon.com/saml/")
