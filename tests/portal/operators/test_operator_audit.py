"""The audit page finds requests by outcome, person, role, key and time, in a log of any size."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.gallery import HOSTILE, refusal, success
from tests.portal.operators.console import Console, entered

from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.portal.operator import audit_reader
from daypass.portal.operator.audit_reader import find_position
from daypass.portal.operator.hourly_chart import count_hours, draw_hours
from daypass.portal.operator.operator_audit import AuditSearch, find_events, read_search
from daypass.portal.operator.operator_expiries import find_expiries
from daypass.testing.plugin import client_factory
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def write(path: Path, *events: dict[str, Any]) -> str:
    """Write a log and return its name."""
    path.write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events), encoding="utf-8")
    return str(path)


def at(moment: datetime, event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an event at another time."""
    return event | {"eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")} | changes


def ids(file: str, search: AuditSearch, account: str = ACCOUNT) -> list[int]:
    """Return the numbers of the found events."""
    return [int(each.id[:8]) for each in find_events(file, account, search).entries]


def signed_in(number: int, provider: str, **more: Any) -> dict[str, Any]:
    """Return the event of a sign-in, which names its provider."""
    event = success(number) | {
        "eventName": "SAMLSignIn",
        "userIdentity": {"type": "SAMLUser", "principalId": "q:alice"},
    }
    return event | {"requestParameters": {"principalArn": provider}, "additionalEventData": more}


SEARCHES: tuple[tuple[dict[str, str], list[int]], ...] = (
    ({}, [3, 2, 1, 0]),
    ({"outcome": "refused"}, [2, 0]),
    ({"outcome": "succeeded"}, [3, 1]),
    ({"outcome": "odd"}, [3, 2, 1, 0]),
    ({"person": "ALICE"}, [3, 2, 1, 0]),
    ({"person": "bob"}, []),
    ({"role": "role/admin"}, [3, 2, 1, 0]),
    ({"role": "developer/"}, [3, 2, 1, 0]),
    ({"role": "auditor"}, []),
    ({"key": "ASIAEXAMPLE000000003"}, [3]),
    ({"key": "ASIAEXAMPLE00000000"}, []),
    ({"since": "2026-11-23T03:01"}, [3, 2, 1]),
    ({"until": "2026-11-23T03:01"}, [1, 0]),
    ({"since": "2026-11-23T03:01", "until": "2026-11-23T03:02"}, [2, 1]),
    ({"since": "2026-11-23T05:01+02:00"}, [3, 2, 1]),
    ({"since": "0001-01-01T00:00", "until": "9999-12-31T23:59"}, []),
    ({"since": "yesterday"}, [3, 2, 1, 0]),
    ({"q": "assumerole 00000001"}, [1]),
)


@pytest.mark.parametrize(("query", "found"), SEARCHES)
def test_a_search_finds_by_each_field(tmp_path: Path, query: dict[str, str], found: list[int]) -> None:
    """Every field narrows the list, and a value that is not valid is ignored."""
    log = write(
        tmp_path / "log",
        refusal(0),
        success(1),
        refusal(3) | {"requestID": "00000002-x", "eventTime": "2026-11-23T03:02:00Z"},
        success(3),
    )
    names = [
        event
        | {"userIdentity": event["userIdentity"] | {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"}}
        for event in map(json.loads, Path(log).read_text(encoding="utf-8").splitlines())
    ]
    assert ids(write(tmp_path / "log", *names), read_search(query)) == found


def test_another_accounts_events_are_never_shown(tmp_path: Path) -> None:
    """Successes of another account, and its sign-ins, belong to that account only."""
    theirs = success(0) | {"userIdentity": {"accountId": OTHER, "arn": f"arn:aws:iam::{ACCOUNT}:user/liar"}}
    ours, abroad = (f"arn:aws:iam::{account}:saml-provider/corp" for account in (ACCOUNT, OTHER))
    odd = signed_in(4, "x") | {"requestParameters": {"principalArn": [ours]}}
    log = write(tmp_path / "log", theirs, signed_in(1, ours), signed_in(2, abroad), odd)
    assert ids(log, AuditSearch()) == [1]
    assert ids(log, AuditSearch(), OTHER) == [2, 0]


@pytest.mark.parametrize("minute", range(0, 61, 6))
def test_a_time_is_found_in_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minute: int) -> None:
    """The position of a time has every line up to that time before it, although lines have other lengths."""
    monkeypatch.setattr(audit_reader, "_LONGEST_LINE", 1_000)
    events = [at(NOON + timedelta(minutes=number), success(0), pad="x" * (number * 37 % 900)) for number in range(60)]
    log = write(tmp_path / "log", *events)
    position = find_position(log, (NOON + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S"))
    whole = Path(log).read_bytes()
    assert whole[: position or None].count(b"\n") == min(minute + 1, 60)
    assert position == 0 or whole[position - 1 : position] == b"\n"


def test_an_old_time_does_not_read_the_newer_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads a bounded part of the log, and a search for a time starts there."""
    monkeypatch.setattr(audit_reader, "_BLOCK", 2_000)
    monkeypatch.setattr(audit_reader, "_FURTHEST", 4_000)
    monkeypatch.setattr(audit_reader, "_LONGEST_LINE", 4_000)
    log = write(tmp_path / "log", *(at(NOON + timedelta(hours=n), success(n)) for n in range(200)))
    assert ids(log, AuditSearch(until=NOON + timedelta(hours=1))) == [1, 0]
    assert len(ids(log, AuditSearch())) < 10


def test_a_page_ends_at_the_first_time(tmp_path: Path) -> None:
    """Older parts are not offered when the search has a first time."""
    log = write(tmp_path / "log", *(at(NOON + timedelta(minutes=n), success(n)) for n in range(120)))
    found = find_events(log, ACCOUNT, AuditSearch(since=NOON + timedelta(minutes=115)))
    assert (len(found.entries), found.older) == (5, 0)


# The chart


def test_hours_count_sign_ins_once_and_refusals_by_number(tmp_path: Path) -> None:
    """A sign-in that takes several roles is one; similar refusals that one event represents are many."""
    provider = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
    role = success(1) | {"eventName": "AssumeRoleWithSAML", "userIdentity": {"type": "SAMLUser"}}
    taken = role | {"additionalEventData": {"SignInId": "si-1"}}
    many = refusal(1) | {"additionalEventData": {"aggregated": {"count": 5}}}
    events = (
        at(NOON - timedelta(hours=30), refusal(1)),
        at(NOON - timedelta(hours=2), signed_in(1, provider, SignInId="si-1")),
        at(NOON - timedelta(hours=2), taken),
        at(NOON - timedelta(hours=1), taken),
        at(NOON - timedelta(hours=1), role),
        at(NOON, many),
        at(NOON, success(1)),
    )
    counts = count_hours(write(tmp_path / "log", *events), ACCOUNT, NOON + timedelta(minutes=59))
    assert [(hour.sign_ins, hour.refusals) for hour in counts.hours[-3:]] == [(1, 0), (1, 0), (0, 5)]
    assert (counts.sign_ins, counts.refusals, counts.is_whole) == (2, 5, True)
    assert len(counts.hours) == 24


def test_a_log_that_is_too_large_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of a part are not presented as those of the whole day."""
    monkeypatch.setattr(audit_reader, "_BLOCK", 2_000)
    monkeypatch.setattr(audit_reader, "_FURTHEST", 4_000)
    log = write(tmp_path / "log", *(at(NOON, success(n)) for n in range(50)))
    assert not count_hours(log, ACCOUNT, NOON).is_whole
    assert count_hours(str(tmp_path / "none"), ACCOUNT, NOON).is_whole


def test_a_chart_is_drawn_for_any_numbers(tmp_path: Path) -> None:
    """An empty day and a day of millions have a scale."""
    assert "<rect" not in draw_hours(count_hours(str(tmp_path / "none"), ACCOUNT, NOON))
    many = at(NOON, refusal(1), additionalEventData={"aggregated": {"count": 9_000_000}})
    assert draw_hours(count_hours(write(tmp_path / "log", many), ACCOUNT, NOON)).count("<rect") == 1


# Certificates and keys


def test_what_expires_or_is_old_is_listed(tmp_path: Path) -> None:
    """The most urgent is first; other accounts, inactive keys and later dates are not listed."""
    with running_server(account=ACCOUNT) as server:
        other, now = server.new_account(OTHER), server.clock.now()
        metadata = SamlIdentityProvider("https://idp.example.com", keys=[make_key_pair()]).metadata_xml()
        for root in (server.root, other):
            iam = client_factory(server)("iam", root)
            for name in ("soon", "gone", "later"):
                iam.create_saml_provider(Name=name, SAMLMetadataDocument=metadata)
            for name in ("old", "new", "off"):
                iam.create_user(UserName=name)
                key = iam.create_access_key(UserName=name)["AccessKey"]
                if name != "new":
                    _change(
                        server,
                        AccessKey,
                        "",
                        key["AccessKeyId"],
                        created=now - timedelta(days=90),
                        active=name == "old",
                    )
        for name, days in (("soon", 30), ("gone", 0), ("later", 31)):
            _change(server, SamlProvider, ACCOUNT, name, valid_until=now + timedelta(days=days))
        with server.there.store.read() as reader:
            found = find_expiries(reader, ACCOUNT, now)
    assert [(each.kind, each.state) for each in found] == [
        ("SAML metadata", "expired"),
        ("SAML metadata", "soon"),
        ("access key", "old"),
    ]
    assert [each.name for each in found][:2] == ["gone", "soon"]


def _change(server: RunningServer, kind: Any, account: str, name: str, **changes: Any) -> None:
    with server.there.store.write() as writer:
        found: Any = records.find(writer, kind, account, name) or records.find_by_id(writer, kind, name)
        records.replace(writer, msgspec.structs.replace(found, **changes))


# The pages


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, Path]]:
    """Run a server with a log, and enter its console."""
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with running_server(account=ACCOUNT, config=Config(audit_log=str(log))) as server:
        yield entered(server, "auditor"), log


def test_the_pages_show_the_log_and_escape_it(console: tuple[Console, Path]) -> None:
    """Names that callers chose are text; the form keeps the search."""
    browser, log = console
    log.write_text("".join(json.dumps(each) + "\n" for each in (refusal(2), success(3))), encoding="utf-8")
    page = browser.get("/operator/audit?person=alice&outcome=succeeded&since=2026-11-01T00:00")
    assert page.heading == "Successful requests"
    assert "ASIAEXAMPLE000000003" in page.words
    assert [each.value for each in page.tree.xpath("//input[@name='since']")] == ["2026-11-01T00:00"]
    hostile = browser.get("/operator/audit?q=%3Cscript%3Ealert(2)")
    assert "<script>alert" not in hostile.text
    page = browser.get("/operator/audit")
    assert "<script>alert" not in page.text
    assert not set(HOSTILE) & set("\u202e\u2066\u200b") & set(page.text)


def test_the_overview_counts_what_the_server_wrote(console: tuple[Console, Path]) -> None:
    """The chart has a table with the same numbers, and links of the old graph lead to it."""
    browser, log = console
    now = browser.server.clock.now()
    log.write_text("".join(json.dumps(at(now, refusal(n))) + "\n" for n in range(3)), encoding="utf-8")
    page = browser.get("/operator")
    assert (page.status, page.heading) == (200, "Overview")
    assert "3 refusals" in page.words
    assert len(page.tree.xpath("//section//table[1]/tbody/tr")) >= 24
    assert browser.get("/operator?q=mfa").location == "/operator/graph?q=mfa"
    moved = browser.get("/operator/refusals?code=AccessDenied")
    assert moved.location == "/operator/audit?outcome=refused&code=AccessDenied"
