"""Documents that attack the parser, or that two parsers read differently."""

import base64
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from tests.federation.saml.attack import DS, SAML, SAMLP, Attack, Bent, Book, Verdict, assertion_of, child, run
from tests.federation.saml.conftest import GOOD, World
from tests.growth import least_seconds

from daypass.errors import Fault
from daypass.testing.saml import Assertion, encode

BOOK = Book()


def _text(root: etree._Element) -> str:
    return etree.tostring(root, encoding="unicode")


def _with_doctype(root: etree._Element, subset: str, *, entity: str = "") -> bytes:
    text = _text(root)
    if entity:
        text = text.replace("alice@example.org", entity)
    return f"<!DOCTYPE Response {subset}>{text}".encode()


# Comments, instructions and other spellings of a value -----------------------------------------------------


def _name_id(root: etree._Element) -> etree._Element:
    return child(assertion_of(root), f"{SAML}Subject/{SAML}NameID")


def _split(element: etree._Element, node: etree._Element, at: int) -> None:
    text = element.text or ""
    element.text, node.tail = text[:at], text[at:]
    element.append(node)


@BOOK.same("comment-nameid-a")
def _(world: World, root: etree._Element) -> Bent:
    _split(_name_id(root), etree.Comment("x"), 5)
    return root


@BOOK.same("comment-nameid-r")
def _(world: World, root: etree._Element) -> Bent:
    _split(_name_id(root), etree.Comment(""), len("alice@example"))
    return root


@BOOK.same("comment-nameid-e2e")
def _(world: World, root: etree._Element) -> Bent:
    signed = world.sealed(world.unsigned(_named("alice@example.org.evil.com")))
    _split(_name_id(signed), etree.Comment("x"), len("alice@example.org"))
    return signed


@BOOK.same("comment-role")
def _(world: World, root: etree._Element) -> Bent:
    value = next(assertion_of(root).iter(f"{SAML}AttributeValue"))
    _split(value, etree.Comment("x"), 20)
    return root


@BOOK.same("comment-audience")
def _(world: World, root: etree._Element) -> Bent:
    _split(next(root.iter(f"{SAML}Audience")), etree.Comment("x"), 3)
    return root


@BOOK.same("comment-issuer")
def _(world: World, root: etree._Element) -> Bent:
    _split(child(assertion_of(root), f"{SAML}Issuer"), etree.Comment("x"), 9)
    return root


@BOOK.rejects("pi-nameid")
def _(world: World, root: etree._Element) -> Bent:
    _split(_name_id(root), etree.ProcessingInstruction("x", "y"), 5)
    return root


@BOOK.rejects("pi-hides-text")
def _(world: World, root: etree._Element) -> Bent:
    signed = world.sealed(world.unsigned(_named("alice@example.org.evil.com")))
    name = _name_id(signed)
    hidden = etree.ProcessingInstruction("x", ".evil.com")
    name.text = "alice@example.org"
    name.append(hidden)
    return signed


@BOOK.rejects("pi-signed")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.unsigned()
    _split(_name_id(bent), etree.ProcessingInstruction("x", "y"), 5)
    return world.sealed(bent)


@BOOK.same("cdata-nameid")
def _(world: World, root: etree._Element) -> Bent:
    return _text(root).replace("alice@example.org", "<![CDATA[alice@]]>example.org").encode()


@BOOK.same("charref-nameid")
def _(world: World, root: etree._Element) -> Bent:
    return _text(root).replace("alice@example.org", "&#97;lice&#x40;example.org").encode()


@BOOK.same("xml-stylesheet")
def _(world: World, root: etree._Element) -> Bent:
    return b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x"?>' + etree.tostring(root)


@BOOK.same("comment-around-the-root")
def _(world: World, root: etree._Element) -> Bent:
    return b"<!-- before -->" + etree.tostring(root) + b"<!-- after -->"


@BOOK.rejects("comment-in-status")
def _(world: World, root: etree._Element) -> Bent:
    child(root, f"{SAMLP}Status").append(etree.Comment("x"))
    return root


# DOCTYPEs and entities -------------------------------------------------------------------------------------

_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
_DOCTYPES = {
    "dtd-plain": ("", ""),
    "dtd-empty-subset": ("[]", ""),
    "dtd-internal-entity": ('[<!ENTITY n "alice@example.org">]', "&n;"),
    "xxe-file": ('[<!ENTITY n SYSTEM "file:///etc/passwd">]', "&n;"),
    "xxe-http": ('[<!ENTITY n SYSTEM "http://127.0.0.1:9/x">]', "&n;"),
    "xxe-parameter": ('[<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]', ""),
    "xxe-external-dtd": ('SYSTEM "http://127.0.0.1:9/x.dtd"', ""),
    "billion-laughs": (f'[<!ENTITY l0 "ha">{_LAUGHS}]', "&l9;"),
    "quadratic-blowup": (f'[<!ENTITY n "{"a" * 20_000}">]', "&n;" * 5_000),
    "cve-2025-25291-doctype": ("[<!ATTLIST x y CDATA \"<!--'\"> <!ENTITY z '\"-->'>]", ""),
    "cve-2025-66567-attlist-id": ('[<!ATTLIST saml:Assertion xmlns:saml CDATA #FIXED "urn:x" ID ID #IMPLIED>]', ""),
}


@pytest.mark.parametrize("name", _DOCTYPES)
def test_a_doctype_is_refused(world: World, name: str) -> None:
    """A DOCTYPE is refused with any content.

    Entities and defaults are never expanded or fetched.
    """
    subset, entity = _DOCTYPES[name]

    def bend(world: World, root: etree._Element) -> Bent:
        return _with_doctype(root, subset, entity=entity)

    run(world, Attack(name, Verdict.REJECT, bend, "InvalidIdentityToken"))


@BOOK.rejects("dtd-utf16")
def _(world: World, root: etree._Element) -> Bent:
    return _with_doctype(root, "").decode().encode("utf-16")


@BOOK.rejects("dtd-utf7")
def _(world: World, root: etree._Element) -> Bent:
    return b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE Response+AD4-' + etree.tostring(root)


@BOOK.rejects("xinclude")
def _(world: World, root: etree._Element) -> Bent:
    name = _name_id(root)
    name.text = None
    include = etree.SubElement(name, "{http://www.w3.org/2001/XInclude}include")
    include.set("href", "file:///etc/passwd")
    include.set("parse", "text")
    return root


# Encodings -------------------------------------------------------------------------------------------------


_ENCODINGS = {
    "charset-utf-16": "utf-16",
    "charset-utf-16-le": "utf-16-le",
    "charset-utf-16-be": "utf-16-be",
    "charset-utf-32": "utf-32",
    "charset-ebcdic": "cp500",
}
_DECLARED = {
    "charset-utf7": "UTF-7",
    "charset-latin1-decl": "ISO-8859-1",
    "charset-utf-16-decl": "utf-16",
    "charset-windows-decl": "windows-1252",
    "charset-unknown-decl": "x-user-defined",
    "charset-empty-decl": "",
}


@pytest.mark.parametrize("encoding", _ENCODINGS.values(), ids=_ENCODINGS)
def test_another_encoding_says_the_same_or_nothing(world: World, encoding: str) -> None:
    """The genuine message in another encoding is refused: only UTF-8 is valid."""
    declared = {"cp500": "EBCDIC-CP-BE"}.get(encoding, encoding)

    def bend(world: World, root: etree._Element) -> Bent:
        return f'<?xml version="1.0" encoding="{declared}"?>{_text(root)}'.encode(encoding)

    run(world, Attack(encoding, Verdict.REJECT, bend, "InvalidIdentityToken"))


@pytest.mark.parametrize("encoding", _DECLARED.values(), ids=_DECLARED)
def test_a_declared_encoding_must_be_the_real_one(world: World, encoding: str) -> None:
    """A parser that uses the declaration would read other content."""

    def bend(world: World, root: etree._Element) -> Bent:
        return f"<?xml version='1.0' encoding='{encoding}'?>{_text(root)}".encode()

    run(world, Attack(encoding, Verdict.REJECT, bend, "InvalidIdentityToken"))


@BOOK.same("charset-bom")
def _(world: World, root: etree._Element) -> Bent:
    return b"\xef\xbb\xbf" + etree.tostring(root)


@BOOK.accepts("declaration-utf8")
def _(world: World, root: etree._Element) -> Bent:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root)


@BOOK.rejects("charset-invalid-utf8")
def _(world: World, root: etree._Element) -> Bent:
    return etree.tostring(root).replace(b"alice", b"al\xffce")


@BOOK.rejects("charset-overlong")
def _(world: World, root: etree._Element) -> Bent:
    return etree.tostring(root).replace(b"alice", b"\xc1\xa1lice")


@BOOK.rejects("charset-nul")
def _(world: World, root: etree._Element) -> Bent:
    return etree.tostring(root).replace(b"alice", b"al\x00ce")


@BOOK.same("xml11")
def _(world: World, root: etree._Element) -> Bent:
    return b'<?xml version="1.1"?>' + etree.tostring(root)


@BOOK.same("leading-space")
def _(world: World, root: etree._Element) -> Bent:
    return b" \n" + etree.tostring(root)


@BOOK.rejects("trailing-garbage")
def _(world: World, root: etree._Element) -> Bent:
    return etree.tostring(root) + b"garbage"


@BOOK.rejects("trailing-root")
def _(world: World, root: etree._Element) -> Bent:
    return etree.tostring(root) + b"<x/>"


@BOOK.rejects("relative-namespace")
def _(world: World, root: etree._Element) -> Bent:
    # A document with a relative namespace name does not have a canonical form.
    return etree.tostring(root).replace(b"http://www.w3.org/2001/XMLSchema-instance", b"XMLSchema-instance")


# Not a response at all -------------------------------------------------------------------------------------

_GARBAGE = {
    "not-xml": b"hello",
    "html": b"<html><body><form method='post'></form></body></html>",
    "nothing": b"",
    "one-bracket": b"<",
    "undeclared-prefix": b"<samlp:Response/>",
}


@pytest.mark.parametrize("name", _GARBAGE)
def test_garbage_is_refused(world: World, name: str) -> None:
    """Input that is not a response is InvalidIdentityToken; an empty parameter breaks the service model."""
    code = "InvalidIdentityToken" if _GARBAGE[name] else "ValidationError"
    run(world, Attack(name, Verdict.REJECT, lambda _, __: encode(_GARBAGE[name]), code))


@BOOK.rejects("truncated")
def _(world: World, root: etree._Element) -> Bent:
    whole = etree.tostring(root)
    return whole[: len(whole) // 2]


@BOOK.rejects("stray-text")
def _(world: World, root: etree._Element) -> Bent:
    signature = child(assertion_of(root), f"{DS}Signature")
    signature[0].tail = "text"
    return root


# Costs -----------------------------------------------------------------------------------------------------

_OPEN = f'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="{SAML[1:-1]}" ID="_r">'
_CLOSE = "</samlp:Response>"
_PREFIXES = " ".join(f'xmlns:p{n:05}="urn:{n}"' for n in range(20_000))
_COSTLY = {
    "deep-nesting": "<a>" * 100_000 + "</a>" * 100_000,
    "deep-nesting-within-bounds": _OPEN + "<a>" * 2_000 + "</a>" * 2_000 + _CLOSE,
    "deep-nesting-unclosed": _OPEN + "<a>" * 20_000,
    "many-namespaces": f"<samlp:Response {_PREFIXES}/>",
    "namespaces-short": _OPEN + "<x " + " ".join(f'xmlns:p{n}="u:{n}"' for n in range(3_000)) + "/>" + _CLOSE,
    "namespace-per-element": _OPEN + '<a xmlns="urn:x"/>' * 3_500 + _CLOSE,
    "many-attributes": _OPEN + "<x " + " ".join(f'a{n}=""' for n in range(8_000)) + "/>" + _CLOSE,
    "many-ids": _OPEN + "".join(f'<x ID="_{n}"/>' for n in range(3_900)) + _CLOSE,
    "many-elements": _OPEN + "<x/>" * 18_000 + _CLOSE,
    "many-comments": _OPEN + "<!---->" * 10_000 + _CLOSE,
    "many-instructions": _OPEN + "<?a?>" * 12_000 + _CLOSE,
    "many-cdata": _OPEN + "<![CDATA[]]>" * 6_000 + _CLOSE,
    "many-references": _OPEN + "&#65;" * 14_000 + _CLOSE,
    "many-signatures": _OPEN + f'<ds:Signature xmlns:ds="{DS[1:-1]}"/>' * 1_000 + _CLOSE,
    "many-assertions": _OPEN + '<saml:Assertion ID="_a"/>' * 2_900 + _CLOSE,
    "long-namespace": _OPEN + f'<x xmlns:p="{"u" * 30_000}">' + "<p:y/>" * 3_000 + "</x>" + _CLOSE,
    "long-prefix": _OPEN + f'<x xmlns:{"p" * 300}="{"u" * 30_000}"/>' + _CLOSE,
    "padded-declaration": _OPEN + f'<x xmlns:p{" " * 50}="{"u" * 30_000}"/>' + _CLOSE,
    "xmlns-in-text": _OPEN + "xmlns" * 14_000 + _CLOSE,
    "one-long-text": _OPEN + "a" * 74_000 + _CLOSE,
    "huge-10mb": _OPEN + "a" * 10_000_000 + _CLOSE,
}


@pytest.mark.parametrize("name", _COSTLY)
def test_costs_are_bounded(world: World, name: str) -> None:
    """Every refusal costs a fraction of a second and at most 20 MiB."""
    text = encode(_COSTLY[name].encode())

    def refuse() -> None:
        with pytest.raises(Fault) as refused:
            world.judge(text)
        # STS accepts 100,000 characters, and refuses a longer string before it decodes it.
        assert refused.value.code == ("ValidationError" if len(text) > 100_000 else "InvalidIdentityToken")

    tracemalloc.start()
    spent, (_, peak) = least_seconds(refuse, 0.5), tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 0.5
    assert peak < 20 * 2**20 or name == "huge-10mb"


def test_the_length_is_what_the_service_model_says(world: World) -> None:
    """More than 100,000 characters break the service model.

    They are refused before decoding.
    """
    with pytest.raises(Fault) as refused:
        world.judge("A" * 100_001)
    assert refused.value.code == "ValidationError"
    assert "less than or equal to 100000" in refused.value.message


def test_the_largest_genuine_response_stays_within_memory(world: World) -> None:
    """A hundred thousand signed characters cost at most 20 MiB of memory."""
    values = tuple(f"value {number:06}" for number in range(900))
    response = world.response(replace(GOOD, attributes={"urn:example:groups": values}))
    assert 90_000 < len(response) <= 100_000
    before = _resident()
    assert least_seconds(lambda: [world.judge(response) for _ in range(5)], 2.5) < 2.5
    assert _resident() - before < 20 * 2**20


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4_096


# Mistakes in base64 ----------------------------------------------------------------------------------------

_PASTED = {
    "url-encoded": ("%2B", "URL-encoded"),
    "a plus lost": (" ", "spaces"),
    "url-safe alphabet": ("-", "character outside"),
}


@pytest.mark.parametrize("name", _PASTED)
def test_a_mistake_in_handing_it_over_is_named(world: World, name: str) -> None:
    """The audit event names the mistake, since AWS's message does not."""
    spoiled, expected = _PASTED[name]
    genuine = _with_plus(world)
    with pytest.raises(Fault, match="Invalid base64 SAMLResponse") as refused:
        world.judge(genuine.replace("+", spoiled))
    assert expected in refused.value.detail


def test_xml_instead_of_base64_is_named(world: World) -> None:
    """Users paste raw XML."""
    with pytest.raises(Fault) as refused:
        world.judge(base64.b64decode(world.response()).decode())
    assert "this is XML" in refused.value.detail


def _with_plus(world: World) -> str:
    for number in range(200):
        response = world.response(replace(GOOD, session_name=f"alice{number}"))
        if response.count("+") % 4:
            return response
    raise AssertionError("no response with a plus in it")


def _named(name: str) -> Assertion:
    return replace(GOOD, name_id=name)


@BOOK.parametrize()
def test_document(world: World, attack: Attack) -> None:
    """A document has exactly one reading: the signed one."""
    run(world, attack)
