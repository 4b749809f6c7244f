"""Which responses the event loop judges itself: those that take less than a millisecond, whatever their sender does."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree
from tests.saml.conftest import PROVIDER, Stage, granting, registered

from daypass.audit.event import AuditRecord
from daypass.config import Config
from daypass.federation.saml.verify import is_plain
from daypass.testing.saml import SamlIdentityProvider, encode
from daypass.testing.saml_forge import KeyPair, make_key_pair
from daypass.testing.server import running_server

_ROLE_VALUE = f"arn:aws:iam::123456789012:role/filler,{PROVIDER}"


class _Threads(list[AuditRecord]):
    """The audit's events, and the thread that answered each."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def append(self, record: AuditRecord) -> None:
        self.names.append(threading.current_thread().name)
        super().append(record)


def _answering_thread(stage: Stage, response: str, role: str) -> str:
    """Return the thread of the second call. The first one loads the provider and the role."""
    stage.redeem(response, role)
    stage.server.audit.audit_records = seen = _Threads()
    stage.redeem(response, role)
    [name] = seen.names
    return name


def _loop_thread(stage: Stage) -> str:
    sts = stage.client("sts")
    sts.get_caller_identity()
    stage.server.audit.audit_records = seen = _Threads()
    sts.get_caller_identity()
    return seen.names[0]


def _register(stage: Stage, keys: list[KeyPair]) -> Stage:
    idp = SamlIdentityProvider(keys=keys)
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=idp.metadata_xml())
    return replace(stage, idp=idp)


def _open_with(stage: Stage, key: KeyPair) -> Stage:
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, AssertionEncryptionMode="Allowed", AddPrivateKey=key.pem)
    return stage


def test_a_response_of_the_usual_size_is_judged_at_once(shared: Stage) -> None:
    """Handing it over to a worker thread would take longer than to judge it."""
    role = shared.role("at-once")
    assert _answering_thread(shared, shared.response(granting(role)), role) == _loop_thread(shared)


def test_a_long_response_is_judged_by_a_worker(shared: Stage) -> None:
    """The boundary is a length, so that the sender cannot choose the work for the event loop."""
    role = shared.role("long-response")
    for number in range(100):
        filled = granting(role)
        filled = replace(filled, roles=(*filled.roles, *(f"{_ROLE_VALUE}{one}" for one in range(number))))
        response = shared.response(filled)
        if len(response) > 12_288:
            break
        longest = response
    loop = _loop_thread(shared)
    assert _answering_thread(shared, longest, role) == loop
    assert _answering_thread(shared, response, role) != loop
    padded = longest + " " * (12_289 - len(longest))
    assert _answering_thread(shared, padded[:-1], role) == loop
    assert _answering_thread(shared, padded, role) != loop


_ATTRIBUTES = " ".join(f"x{number}=''" for number in range(30))
_NAMESPACES = " ".join(f"xmlns:n{number}='n'" for number in range(65))
_UMLAUTS = "\u00e4" * 64
_LONG = "n" * 65


@pytest.mark.parametrize(
    ("xml", "is_quick"),
    [
        ("<b/>" * 500, True),
        ("<b/>" * 520, False),
        (f"<b {_ATTRIBUTES}/>" * 16, True),
        (f"<b {_ATTRIBUTES}/>" * 17, False),
        (f"<a:b xmlns:a='{_LONG[1:]}'/>", True),
        (f"<a:b xmlns:a='{_LONG}'/>", False),
        (f'<b xmlns="{_LONG}"/>', False),
        (f'<a:b xmlns:a  =\n"{_LONG}"/>', False),
        (f"<a:b xmlns:a='\"{_LONG}'/>", False),
        (f"<{_UMLAUTS}:b xmlns:{_UMLAUTS}='{_LONG}'/>", False),
        (f"<b {_NAMESPACES}/>", False),
    ],
)
def test_the_form_of_a_response_decides_too(xml: str, *, is_quick: bool) -> None:
    """Many small parts and repeated namespaces take more time than the length of a response tells."""
    assert is_plain(encode(xml.encode())) is is_quick


def test_a_string_that_is_not_base64_is_refused_at_once() -> None:
    """It does not need a worker."""
    assert is_plain("PHg+A")
    assert is_plain("\u00e4")


@pytest.mark.parametrize("number", [50, 500])
def test_a_response_of_many_parts_is_judged_by_a_worker(shared: Stage, number: int) -> None:
    """The owner of a provider can sign a thousand elements that repeat a long namespace."""
    role = shared.role(f"parts-{number}")
    root = shared.idp.unsigned_response(granting(role), now=shared.server.clock.now())
    [statement] = root.iter("{*}AttributeStatement")
    [attribute, *_] = statement
    added = etree.SubElement(statement, str(attribute.tag), Name="added")
    value = etree.SubElement(added, str(attribute[0].tag))
    for _ in range(number):
        etree.SubElement(value, "b")
    shared.idp.seal(root, signed="assertion")
    response = encode(root)
    assert len(response) <= 12_288
    assert (_answering_thread(shared, response, role) == _loop_thread(shared)) is (number == 50)


@pytest.mark.parametrize(
    ("change", "is_quick"),
    [
        (lambda stage, keys: _register(stage, [make_key_pair("p-256"), keys[1]]), True),
        (lambda stage, keys: _register(stage, [make_key_pair("p-384"), keys[1]]), False),
        (lambda stage, keys: _register(stage, [make_key_pair("p-256"), *keys]), True),
        (lambda stage, keys: _register(stage, [make_key_pair("p-256"), make_key_pair("p-256"), *keys]), False),
        (lambda stage, keys: _open_with(stage, keys[2]), False),
    ],
    ids=["p-256", "p-384", "four-keys", "five-keys", "decrypts"],
)
def test_the_keys_of_a_provider_decide_too(
    stage: Stage, keys: tuple[KeyPair, ...], change: Callable[[Stage, tuple[KeyPair, ...]], Stage], *, is_quick: bool
) -> None:
    """Every key of the provider may be tried, and a private key takes a millisecond."""
    changed = change(stage, keys)
    role = changed.role("by-keys")
    thread = _answering_thread(changed, changed.response(granting(role)), role)
    assert (thread == _loop_thread(changed)) is is_quick


def test_a_response_for_one_session_is_used_up_by_a_worker(stage: Stage) -> None:
    """The note in the store waits for other writers. Only one of two calls gets a session."""
    role = stage.role("once")
    loop = _loop_thread(stage)
    stage.redeem(stage.response(granting(role)), role)
    stage.server.audit.audit_records = seen = _Threads()
    response = stage.response(granting(role, conditions_xml="<saml:OneTimeUse/>"))
    assert stage.redeem(response, role)["Credentials"]
    assert stage.refused(response, role)[2] == "SAML Assertion has already been used"
    assert len(seen.names) == 2
    assert loop not in seen.names


def test_a_server_with_one_use_judges_each_response_on_a_worker(keys: tuple[KeyPair, ...]) -> None:
    """The event loop would only find out at the end that it may not write."""
    with running_server(config=replace(Config(), saml_one_use=True)) as server:
        stage = registered(server, keys[0])
        role = stage.role("once")
        loop = _loop_thread(stage)
        stage.redeem(stage.response(granting(role)), role)
        stage.server.audit.audit_records = seen = _Threads()
        stage.redeem(stage.response(granting(role)), role)
        assert loop not in seen.names
