"""The calls of the control endpoint, by method and path.

Owns the table CALLS. Every member of a body is checked by name, so that a misspelt one is an error. Leaves the clock,
the keys and the failures to daypass.testing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daypass.dev.demo_people import ISSUER_CLIENT, PEOPLE
from daypass.dev.identity_provider import DemoIdentityProvider
from daypass.testing.clock import MovableClock
from daypass.testing.oidc import DISCOVERY, KEYS, Answer, OidcIssuer
from daypass.testing.oidc_sign_in import TOKEN, SignInPages
from daypass.testing.saml import Assertion
from daypass.testing.saml_idp import SamlPage
from daypass.testing.tokens import SigningKey

Body = Mapping[str, Any]
_PATHS: Mapping[str, str] = {"Discovery": DISCOVERY, "Keys": KEYS, "Token": TOKEN}
_SIGNED = ("assertion", "response", "both", "none")
_FARTHEST = timedelta(days=36_500)
_ASSERTION: Mapping[str, str] = {
    "Roles": "roles",
    "SessionName": "session_name",
    "NameId": "name_id",
    "Recipient": "recipient",
    "Audiences": "audiences",
    "SessionDuration": "session_duration",
    "SourceIdentity": "source_identity",
    "Tags": "tags",
    "TransitiveKeys": "transitive_keys",
    "Issuer": "issuer",
}
_LISTS = frozenset({"Roles", "Audiences", "TransitiveKeys"})


class ControlCallError(Exception):
    """A body that the call does not accept. The message names the member."""


@dataclass(frozen=True, slots=True)
class Controlled:
    """The parts of a demonstration that its tests control."""

    server_url: str
    root_key: Mapping[str, str]
    clock: MovableClock
    issuer: OidcIssuer
    saml: DemoIdentityProvider
    roles: Mapping[str, str]
    first_keys: Mapping[str, SigningKey]


def _only(body: Body, *names: str) -> None:
    unknown = sorted(set(body) - set(names))
    if unknown:
        accepted = ", ".join(names) or "no members"
        raise ControlCallError(f"{unknown[0]} is not a member of this call. It accepts: {accepted}.")


def _text(body: Body, name: str, choices: tuple[str, ...] = ()) -> str:
    value = body.get(name)
    if not isinstance(value, str) or (choices and value not in choices):
        wanted = f"one of {', '.join(choices)}" if choices else "a string"
        raise ControlCallError(f"{name} must be {wanted}.")
    return value


def _flag(body: Body, name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise ControlCallError(f"{name} must be true or false.")
    return value


def _number(body: Body, name: str, least: int, most: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ControlCallError(f"{name} must be a whole number from {least} to {most}.")
    return value


def _object(body: Body, name: str) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise ControlCallError(f"{name} must be an object.")
    return value


def get_state(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Return the addresses, the root key, the time and the counters."""
    _only(body)
    issuer = controlled.issuer
    return {
        "ServerUrl": controlled.server_url,
        "RootAccessKey": dict(controlled.root_key),
        "Time": _instant(controlled.clock.now()),
        "Roles": dict(controlled.roles),
        "OidcIssuer": {
            "Url": issuer.url,
            "CaBundle": issuer.authority.pem.decode(),
            "Requests": {name: issuer.requests[path] for name, path in _PATHS.items()},
        },
        "SamlProvider": {"Url": controlled.saml.url, "People": [person.email for person in PEOPLE]},
    }


def change_clock(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Move, stop or reset the clock; return its time."""
    _only(body, "MoveSeconds", "Freeze", "Reset")
    if len(body) != 1:
        raise ControlCallError("Give one of MoveSeconds, Freeze and Reset.")
    clock = controlled.clock
    if "MoveSeconds" in body:
        most = int(_FARTHEST.total_seconds())
        _move(clock, timedelta(seconds=_number(body, "MoveSeconds", -most, most)))
    elif "Freeze" in body:
        clock.freeze(None if body["Freeze"] is True else _near(_moment(_text(body, "Freeze"))))
    elif _flag(body, "Reset"):
        clock.reset()
    return {"Time": _instant(clock.now())}


def _move(clock: MovableClock, by: timedelta) -> None:
    try:
        _near(clock.now() + by)
    except OverflowError as error:
        raise ControlCallError("The time must be within a hundred years of now.") from error
    clock.move(by)


def _near(moment: datetime) -> datetime:
    if abs(moment - datetime.now(UTC)) > _FARTHEST:
        raise ControlCallError("The time must be within a hundred years of now.")
    return moment


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ControlCallError("Freeze must be true, or a time such as 2030-01-01T00:00:00Z.") from error
    if moment.tzinfo is None:
        raise ControlCallError("Freeze must have a time zone, such as 2030-01-01T00:00:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ControlCallError("The time must be within a hundred years of now.") from error


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def make_token(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Return a token that the OpenID Connect issuer signed."""
    _only(body, "Claims", "Algorithm")
    algorithm = _text(body, "Algorithm", tuple(controlled.issuer.signing)) if "Algorithm" in body else "RS256"
    claims = {"sub": "demo", **_object(body, "Claims")}
    return {"Token": controlled.issuer.token(claims, alg=algorithm)}


def change_issuer_answer(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Let the issuer answer a document wrongly, or correctly again."""
    _only(body, "Path", "Answer", "Status", "Location", "Document")
    path = _PATHS[_text(body, "Path", tuple(_PATHS))]
    controlled.issuer.answers[path] = _answer({name: value for name, value in body.items() if name != "Path"})
    return {}


def _answer(body: Body) -> Answer:
    kind = _text(body, "Answer", tuple(_ANSWERS))
    make, accepted = _ANSWERS[kind]
    _only(body, "Answer", *accepted)
    return make(body)


_PLAIN: tuple[str, ...] = ()
_ANSWERS: Mapping[str, tuple[Callable[[Body], Answer], tuple[str, ...]]] = {
    "Correct": (lambda _: Answer(), _PLAIN),
    "Fail": (lambda body: Answer.fail(_number(body, "Status", 400, 599) if "Status" in body else 500), ("Status",)),
    "Hang": (lambda _: Answer.hang(), _PLAIN),
    "Trickle": (lambda _: Answer.trickle(), _PLAIN),
    "Flood": (lambda _: Answer.flood(), _PLAIN),
    "Endless": (lambda _: Answer.endless(), _PLAIN),
    "HeaderFlood": (lambda _: Answer.header_flood(), _PLAIN),
    "Bomb": (lambda _: Answer.bomb(), _PLAIN),
    "Redirect": (lambda body: Answer.redirect(_header(_text(body, "Location"))), ("Location",)),
    "Document": (lambda body: Answer.document(body.get("Document")), ("Document",)),
}


def _header(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ControlCallError("Location must be a URL of printable ASCII characters.")
    return text


def change_issuer_keys(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Rotate, lose or confuse the keys of the issuer."""
    _only(body, "Change")
    change = _text(body, "Change", ("Rotate", "Lose", "Confuse"))
    if change == "Rotate":
        controlled.issuer.rotate()
    elif change == "Lose":
        controlled.issuer.lose()
    else:
        kid = controlled.issuer.signing["RS256"].kid
        controlled.issuer.confuse({"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"}, {"kty": "none"})
    return {}


def change_issuer_sign_in(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Change the claims of the person who signs in, or refuse."""
    _only(body, "Claims", "Error", "ErrorDescription")
    new = sign_in_pages(controlled.server_url, controlled.issuer)
    if "Claims" in body:
        new.claims = {**new.claims, **_object(body, "Claims")}
    if "Error" in body:
        new.error = _text(body, "Error")
    if "ErrorDescription" in body:
        new.description = _text(body, "ErrorDescription")
    controlled.issuer.sign_in = new
    return {}


def sign_in_pages(server_url: str, issuer: OidcIssuer) -> SignInPages:
    """Return the sign-in pages of the issuer, which sign a person in at once."""
    callback = f"{server_url}/login/oidc/callback/{issuer.url.removeprefix('https://')}"
    return SignInPages(ISSUER_CLIENT, "", callback, {"sub": "demo-person", "email": "demo-person@example.com"})


def make_saml_response(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Return a response of the SAML provider, for a person or as written."""
    _only(body, "Email", "Assertion")
    told = _object(body, "Assertion")
    _only(told, *_ASSERTION)
    emails = tuple(person.email for person in PEOPLE)
    person = next((each for each in PEOPLE if each.email == body.get("Email")), None)
    if "Email" in body and person is None:
        _text(body, "Email", emails)
    base = Assertion(recipient=controlled.saml.consumer) if person is None else controlled.saml.assertion(person, "")
    changes = {_ASSERTION[name]: _assertion_value(name, value) for name, value in told.items()}
    return {"SAMLResponse": controlled.saml.response(replace(base, in_response_to=None, **changes))}


def _assertion_value(name: str, value: Any) -> Any:
    if name in _LISTS:
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        wanted = "a list of strings"
    elif name == "Tags":
        fits = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        wanted = "an object of strings"
    else:
        fits, wanted = isinstance(value, str), "a string"
    if not fits:
        raise ControlCallError(f"{name} must be {wanted}.")
    texts = [value] if isinstance(value, str) else [*value, *value.values()] if isinstance(value, dict) else value
    if any(ord(each) < ord(" ") for text in texts for each in text if each not in "\t\n\r"):
        raise ControlCallError(f"{name} has a character that XML does not allow.")
    return value


def change_saml_page(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Let the SAML provider misbehave.

    Omitted members are correct again.
    """
    _only(body, "Signed", "Fails", "Answer", "Status", "OtherRequest")
    answer = {name: body[name] for name in ("Answer", "Status") if name in body}
    if answer:
        _text(body, "Answer", ("Correct", "Fail", "Hang"))
    new = SamlPage(
        signed=_text(body, "Signed", _SIGNED) if "Signed" in body else "assertion",
        fails=_flag(body, "Fails") if "Fails" in body else False,
        answer=_answer(answer) if answer else Answer(),
    )
    if "OtherRequest" in body and _flag(body, "OtherRequest"):
        new.in_response_to = lambda _: "_another-request"
    _adopt(controlled.saml.behaviour, new)
    return {}


def change_saml_keys(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Sign with a key that the server does not know, or with the first one."""
    _only(body, "Change")
    saml = controlled.saml.saml
    if _text(body, "Change", ("Rotate", "Restore")) == "Rotate":
        saml.rotate()
    else:
        del saml.keys[1:]
    return {}


def reset(controlled: Controlled, body: Body) -> dict[str, Any]:
    """Return to real time, and to providers that behave."""
    _only(body)
    controlled.clock.reset()
    issuer = controlled.issuer
    issuer.answers.clear()
    issuer.sign_in = sign_in_pages(controlled.server_url, issuer)
    issuer.signing = dict(controlled.first_keys)
    issuer.published = [key.jwk() for key in issuer.signing.values()]
    del controlled.saml.saml.keys[1:]
    _adopt(controlled.saml.behaviour, SamlPage())
    return {}


def _adopt(page: SamlPage, new: SamlPage) -> None:
    for each in fields(SamlPage):
        setattr(page, each.name, getattr(new, each.name))


CALLS: Mapping[tuple[str, str], Callable[[Controlled, Body], dict[str, Any]]] = {
    ("GET", "/v1/state"): get_state,
    ("POST", "/v1/clock"): change_clock,
    ("POST", "/v1/oidc-issuer/tokens"): make_token,
    ("POST", "/v1/oidc-issuer/answers"): change_issuer_answer,
    ("POST", "/v1/oidc-issuer/keys"): change_issuer_keys,
    ("POST", "/v1/oidc-issuer/sign-in"): change_issuer_sign_in,
    ("POST", "/v1/saml-provider/responses"): make_saml_response,
    ("POST", "/v1/saml-provider/page"): change_saml_page,
    ("POST", "/v1/saml-provider/keys"): change_saml_keys,
    ("POST", "/v1/reset"): reset,
}
