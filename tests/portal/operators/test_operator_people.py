"""The console shows live sign-ins of the own account's identity providers, and revokes them with every role session."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from tests.documents import allow
from tests.portal.operators.console import Console, entered
from tests.sign_in.conftest import ACCOUNT, OIDC_CLIENT, OTHER, People, set_up

from daypass.audit.event import to_event
from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.store import Link
from daypass.testing.plugin import client_factory
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import running_server

PEOPLE, REVOKE = "/operator/people", "/operator/people/revoke"
THEIRS = f"arn:aws:iam::{OTHER}:saml-provider/idp"
UNKNOWN = "si-" + "0" * 32


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Run a server with identity providers of two accounts, and a role in each."""
    with running_server(account=ACCOUNT) as server:
        made = set_up(server, make_key_pair())
        other = client_factory(server)("iam", server.new_account(OTHER))
        other.create_saml_provider(Name="idp", SAMLMetadataDocument=made.idp.metadata_xml())
        made.role("one")
        made.role("two", iam=other, account=OTHER)
        yield made


@pytest.fixture(scope="module")
def operator(people: People) -> Console:
    """Enter the console with a role that may revoke sign-ins."""
    return entered(people.server, "revoking-people", allow("daypass:RevokeSignIn"))


def sign_in(people: People, who: str, *, provider: str = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp") -> SignInSession:
    """Sign a person in by SAML."""
    account = provider.split(":")[4]
    role = f"arn:aws:iam::{account}:role/{'one' if account == ACCOUNT else 'two'}"
    response = people.response(role, provider=provider, session_name=who, name_id=f"{who}@example.org")
    return people.node.sign_in_by_saml(response)[0]


def is_live(people: People, session: SignInSession) -> bool:
    """Tell whether the store has a session."""
    with people.server.there.store.read() as reader:
        return records.find(reader, SignInSession, "", session.id) is not None


def is_accepted(people: People, answer: dict[str, Any]) -> bool:
    """Tell whether role credentials are still accepted."""
    try:
        people.arn_of(answer)
    except ClientError:
        return False
    return True


def form(console: Console, session: SignInSession) -> dict[str, str]:
    """Return the fields of the form that revokes a session."""
    return {"Form": console.get(PEOPLE).form("/operator/leave")["Form"], "SignIn": session.id}


def test_revoking_a_sign_in_ends_its_role_sessions(people: People, operator: Console) -> None:
    """The sign-in and the credentials that grew from it end at once; those of another person stay."""
    mine, other = sign_in(people, "alice"), sign_in(people, "bob")
    taken = [people.node.take(each, f"arn:aws:iam::{ACCOUNT}:role/one") for each in (mine, other)]
    page = operator.get(PEOPLE)
    assert page.heading == "People who are signed in"
    assert all(f"{who}@example.org" in page.words for who in ("alice", "bob"))
    done = operator.post(REVOKE, form(operator, mine))
    assert (done.status, done.location) == (303, f"{PEOPLE}?done=revoked")
    assert [is_live(people, each) for each in (mine, other)] == [False, True]
    assert [is_accepted(people, each) for each in taken] == [False, True]
    assert "alice@example.org" not in operator.get(PEOPLE).words
    event = msgspec.to_builtins(
        to_event(next(one for one in people.server.audit.audit_records if one.action == "RevokeSignIn"))
    )
    assert event["eventSource"] == "daypass"
    assert event["requestParameters"] == {"signInId": mine.id}
    assert event["userIdentity"]["arn"].endswith("assumed-role/revoking-people/olivia")


def test_all_sign_ins_of_a_person_end_together(people: People, operator: Console) -> None:
    """Another person of the same provider stays."""
    first, second, other = (sign_in(people, who) for who in ("carol", "carol", "dave"))
    assert operator.post(REVOKE, {**form(operator, first), "All": "1"}).status == 303
    assert [is_live(people, each) for each in (first, second, other)] == [False, False, True]


@pytest.mark.parametrize("every", [{}, {"All": "1"}])
def test_another_accounts_sign_ins_do_not_exist(people: People, operator: Console, every: dict[str, str]) -> None:
    """The page never shows them, a search does not find them, and an id does not revoke them."""
    theirs = sign_in(people, "mallory", provider=THEIRS)
    for path in (PEOPLE, f"{PEOPLE}?q=mallory", f"{PEOPLE}?after={theirs.id[:-1]}0", f"{PEOPLE}?after={UNKNOWN}"):
        assert theirs.id not in operator.get(path).text
    answers = [operator.post(REVOKE, {**form(operator, theirs), **every})]
    missing = {"Form": form(operator, theirs)["Form"], "SignIn": UNKNOWN}
    answers.append(operator.post(REVOKE, {**missing, **every}))
    assert [(each.status, each.heading) for each in answers] == [(404, "Not found")] * 2
    messages = [each.tree.xpath("string(//*[@role='alert']/p[1])") for each in answers]
    assert messages[0] == messages[1]
    assert is_live(people, theirs)


def test_a_sign_in_of_the_settings_belongs_to_no_account(people: People, operator: Console) -> None:
    """A client of the settings is the deployment's: only its operator ends such a sign-in, at the store."""
    role = people.role("for-tokens")
    session, _ = people.node.sign_in_by_oidc(people.token("erin"), role)
    assert (session.account, session.provider) == ("", OIDC_CLIENT.key)
    assert "erin" not in operator.get(PEOPLE).words
    assert operator.post(REVOKE, form(operator, session)).status == 404
    assert is_live(people, session)


def test_the_operator_needs_the_permission(people: People) -> None:
    """IAM's permissions are not enough, and a permission may name single sign-ins."""
    allowed, other = sign_in(people, "frank"), sign_in(people, "grace")
    console = entered(people.server, "all-of-iam", allow("iam:*"))
    answer = console.post(REVOKE, form(console, allowed))
    assert (answer.status, answer.heading) == (403, "You do not have this permission")
    assert "daypass:RevokeSignIn" in answer.words
    one = f"arn:aws:daypass::{ACCOUNT}:sign-in/{allowed.id}"
    console = entered(people.server, "one-only", allow("daypass:RevokeSignIn", one))
    assert console.post(REVOKE, form(console, other)).status == 403
    assert is_live(people, other)
    assert console.post(REVOKE, form(console, allowed)).status == 303
    assert [is_live(people, each) for each in (allowed, other)] == [False, True]


@pytest.mark.parametrize(
    "sign_in_id", ["", "x", "si-", "si-" + "g" * 32, "si-" + "0" * 33, "a\0b", "si-" + "0" * 32 + "\n"]
)
def test_an_id_that_is_not_valid_does_not_exist(operator: Console, sign_in_id: str) -> None:
    """It is a refusal like that of a missing sign-in."""
    token = operator.get(PEOPLE).form("/operator/leave")["Form"]
    for every in ({}, {"All": "1"}):
        assert operator.post(REVOKE, {"Form": token, "SignIn": sign_in_id, **every}).status == 404


def test_a_search_continues_behind_many_sign_ins(people: People, operator: Console) -> None:
    """The page reads a bounded number of sign-ins, and leads to those that it has not read."""
    sought = sign_in(people, "zoe")
    other = msgspec.structs.replace(sought, subject="x", session_name="x")
    many = [msgspec.structs.replace(other, id=f"si-{number:032x}") for number in range(2_000)]
    with people.server.there.store.write() as writer:
        for each in many:
            records.insert(writer, each)
            writer.link(Link("sign-in-of-account", each.id, ACCOUNT))
    try:
        page = operator.get(f"{PEOPLE}?q=zoe")
        assert "No matches yet" in page.words
        [following] = page.tree.xpath("//nav[@aria-label='Pages of sign-ins']/a/@href")
        assert sought.id in operator.get(following).text
        assert operator.get(following).tree.xpath("//nav[@aria-label='Pages of sign-ins']") == []
    finally:
        with people.server.there.store.write() as writer:
            for each in many:
                records.delete(writer, each)
                writer.unlink("sign-in-of-account", each.id, ACCOUNT)


def test_a_form_of_another_session_revokes_nothing(people: People, operator: Console) -> None:
    """The token, the origin and the session are verified before the sign-in is looked for."""
    session = sign_in(people, "heidi")
    for fields, headers in (
        ({**form(operator, session), "Form": "0" * 32}, {}),
        (form(operator, session), {"Origin": "https://evil.example"}),
    ):
        assert operator.post(REVOKE, fields, **headers).status == 403
    assert is_live(people, session)


def test_names_are_text_and_expired_sign_ins_are_not_shown(people: People, operator: Console) -> None:
    """A person's name cannot become markup or reorder the page; a sign-in leaves the page at its end."""
    hostile = "<script>alert(1)</script>\u202egnp.exe"
    session = msgspec.structs.replace(sign_in(people, "ivan"), subject=hostile, agent=hostile, peer=hostile)
    with people.server.there.store.write() as writer:
        records.replace(writer, session)
    page = operator.get(f"{PEOPLE}?q=ivan")
    assert session.id in page.text
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text
    people.server.clock.freeze(people.server.clock.now())
    soon = msgspec.structs.replace(session, ends=people.server.clock.now() + timedelta(minutes=5))
    with people.server.there.store.write() as writer:
        records.replace(writer, soon)
    try:
        people.server.clock.move(timedelta(minutes=5, seconds=-1))
        assert session.id in operator.get(f"{PEOPLE}?q=ivan").text
        people.server.clock.move(timedelta(seconds=1))
        assert session.id not in operator.get(f"{PEOPLE}?q=ivan").text
    finally:
        people.server.clock.reset()
