"""The values of the operator pages without a browser: reading a log backwards, large graphs, hostile strings."""

import json
import unicodedata
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.gallery import refusal

from daypass.audit.event import to_event
from daypass.authorize.trust_graph import Edge, Graph, GraphNode
from daypass.authorize.who_can import Way
from daypass.federation.oidc import oidc_messages
from daypass.portal.operator import audit_reader
from daypass.portal.operator.operator_audit import AuditSearch, find_events, read_search
from daypass.portal.operator.operator_graph import GraphSearch, gather, read_wanted, to_values
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server
from daypass.wire.visible_text import visible


def _log(path: Path, *events: dict[str, Any] | str) -> str:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def _ids(file: str, sought: AuditSearch | None = None) -> list[str]:
    found = find_events(file, ACCOUNT, sought or AuditSearch(outcome="refused"))
    return [each.id[:8] for each in found.entries]


def test_one_accounts_refusals_and_no_others(tmp_path: Path) -> None:
    """Successful calls, other accounts' events, other programs' lines and incomplete lines are skipped."""
    theirs = refusal(1) | {"userIdentity": {"accountId": OTHER, "arn": f"arn:aws:iam::{ACCOUNT}:user/liar"}}
    fine = {name: value for name, value in refusal(2).items() if name != "errorCode"}
    odd = ('{"errorCode":', f'["errorCode", "{ACCOUNT}"]', f'{{"errorCode":7,"userIdentity":"{ACCOUNT}"}}', "")
    file = _log(tmp_path / "log", refusal(0), theirs, fine, *odd, refusal(3))
    assert _ids(file) == ["00000003", "00000000"]
    assert _ids(str(tmp_path / "none")) == []


def test_an_unauthenticated_caller_is_shown_by_the_requested_role(tmp_path: Path) -> None:
    """An invalid token or assertion has no caller; the operators of the role's account may see the reason."""
    nobody = {"type": "Unknown"}
    ours = refusal(0) | {"eventName": "AssumeRoleWithWebIdentity", "userIdentity": nobody}
    abroad = refusal(1) | {
        "eventName": "AssumeRoleWithSAML",
        "userIdentity": nobody,
        "requestParameters": {"roleArn": f"arn:aws:iam::{OTHER}:role/x", "principalArn": ACCOUNT},
    }
    # A signed call belongs to its caller; the owner of this key is unknown.
    signed = refusal(2) | {"eventName": "AssumeRole", "userIdentity": nobody}
    strange = ours | {"requestParameters": {"roleArn": ["x", ACCOUNT]}}
    assert _ids(_log(tmp_path / "log", ours, abroad, signed, strange)) == ["00000000"]


def test_why_anothers_role_is_closed_is_not_told(tmp_path: Path) -> None:
    """A missing role and a refusing role look the same to the caller and to the operators of the caller's account."""
    abroad = refusal(0) | {"requestParameters": {"roleArn": f"arn:aws:iam::{OTHER}:role/x"}}
    root = refusal(1) | {"requestParameters": {"targetPrincipal": OTHER}}
    nested = refusal(3) | {"requestParameters": {"policyArns": [{"arn": f"arn:aws:iam::{OTHER}:policy/x"}]}}
    found = find_events(
        _log(tmp_path / "log", abroad, root, nested, refusal(4)), ACCOUNT, AuditSearch(outcome="refused")
    ).entries
    hidden = "the reason is visible only to the other account"
    told = "because no resource-based policy allows the sts:AssumeRole action"
    assert [each.reason for each in found] == [told, hidden, hidden, hidden]


REACHING = (
    "https://10.0.0.7:8443/keys: no connection: ClientConnectorError",
    "https://10.0.0.7:8443/keys: its certificate is not trusted: self-signed certificate",
    "https://10.0.0.7:8443/keys: it answered 404",
    "no complete answer in time",
    "its discovery document names another issuer, 'https://intranet.example'",
)


@pytest.mark.parametrize("detail", REACHING)
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("IDPCommunicationError", oidc_messages.UNREACHABLE),
        ("InvalidIdentityToken", oidc_messages.NO_KEY),
        ("InvalidIdentityToken", oidc_messages.WRONG_THUMBPRINT),
    ],
)
def test_what_an_internal_host_answered_is_not_told(tmp_path: Path, detail: str, code: str, message: str) -> None:
    """An account that can register issuers must not learn about networks that only the server can reach."""
    event = refusal(0) | {
        "eventName": "AssumeRoleWithWebIdentity",
        "userIdentity": {"type": "Unknown"},
        "errorCode": code,
        "errorMessage": message,
        "additionalEventData": {"detail": detail},
    }
    file = _log(tmp_path / "log", event)
    [shown] = find_events(file, ACCOUNT, AuditSearch(outcome="refused")).entries
    assert shown.reason.endswith("could not be fetched or used; the reason is in the server's audit log")
    assert find_events(file, ACCOUNT, AuditSearch(outcome="refused", text="10.0.0.7")).entries == []


def test_why_a_key_does_not_fit_is_told(tmp_path: Path) -> None:
    """A key id that the issuer does not publish does not disclose facts about a network."""
    event = refusal(0) | {
        "errorCode": "InvalidIdentityToken",
        "errorMessage": oidc_messages.NO_KEY,
        "additionalEventData": {"detail": oidc_messages.NO_FITTING_KEY},
    }
    [shown] = find_events(_log(tmp_path / "log", event), ACCOUNT, AuditSearch(outcome="refused")).entries
    assert shown.reason == oidc_messages.NO_FITTING_KEY


def test_a_long_log_is_read_in_parts(tmp_path: Path) -> None:
    """Each page continues at the end of the one before, without repeats or gaps, and errors are counted."""
    file = _log(tmp_path / "log", *(refusal(number) for number in range(130)))
    seen, before, pages = list[str](), 0, 0
    while not pages or before:
        found = find_events(file, ACCOUNT, AuditSearch(outcome="refused", before=before))
        seen += [each.id[:8] for each in found.entries]
        pages, before = pages + 1, found.older
    assert pages == 3
    assert seen == [f"{number:08}" for number in reversed(range(130))]
    assert dict(find_events(file, ACCOUNT, AuditSearch(outcome="refused")).codes) == {
        "AccessDenied": 65,
        "ValidationError": 65,
    }


def test_a_part_may_end_within_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every position of the parts, each event is complete in one of them, and the pages end."""
    monkeypatch.setattr(audit_reader, "_BLOCK", 999)
    monkeypatch.setattr(audit_reader, "_FURTHEST", 2_500)
    file = _log(tmp_path / "log", *(refusal(number) for number in (0, 1, 3, 4, 6, 7, 9)))
    seen, before = list[str](), 0
    for _ in range(9):
        found = find_events(file, ACCOUNT, AuditSearch(outcome="refused", before=before))
        seen += [each.id[:8] for each in found.entries]
        before = found.older
        if not before:
            break
    assert seen == [f"{number:08}" for number in (9, 7, 6, 4, 3, 1, 0)]


def test_a_line_without_an_end_stops_nobody(tmp_path: Path) -> None:
    """A line that is not an event may have any length."""
    file = _log(tmp_path / "log", refusal(0), "x" * 3_000_000, refusal(1))
    assert _ids(file) == ["00000001", "00000000"]


@pytest.mark.parametrize("query", [{"before": "²"}, {"before": "-1"}, {"before": "9" * 40}, {"q": "x" * 9_999}])
def test_an_address_that_says_nonsense_shows_what_there_is(tmp_path: Path, query: dict[str, str]) -> None:
    """The page ignores invalid values in its address."""
    sought = read_search(query)
    assert len(sought.text) <= 200
    assert _ids(_log(tmp_path / "log", refusal(0)), replace(sought, text="")) == ["00000000"]
    assert read_wanted({"from": query.get("before", "")}).first == 0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(0, 40))
def test_what_is_visible_is_all_there_is(text: str, most: int) -> None:
    """The result has no hidden or reordering characters, and has at most the requested length."""
    shown = visible(text, most)
    assert not most or len(shown) <= most
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_marks_do_not_pile_up() -> None:
    """Some combining marks form a letter; many of them would cover their neighbours and are escaped."""
    assert visible("Zoe\u0308 a\u0323\u0302") == "Zoe\u0308 a\u0323\u0302"
    assert "\\u{301}" in visible("e" + "\u0301" * 30)


# The graph


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _graph(*pairs: tuple[str, str]) -> Graph:
    names = dict.fromkeys(name for pair in pairs for name in pair)
    nodes = tuple(GraphNode(_role(name), "role", ACCOUNT, (_role(name),)) for name in names)
    way = Way("", "role", ACCOUNT, (), ())
    edges = tuple(Edge(_role(a), _role(b), "sts:AssumeRole", replace(way, principal=_role(a))) for a, b in pairs)
    return Graph(nodes, edges, ())


_PAIRS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), unique=True, max_size=20)


@settings(max_examples=60, deadline=None)
@given(_PAIRS)
def test_gathering_keeps_every_way(pairs: list[tuple[str, str]]) -> None:
    """Boxes of equal roles have the same paths as the separate roles, no more and no fewer."""
    drawn = gather(_graph(*pairs))
    members = {node.id: node.members for node in drawn.nodes}
    told = {(a, b) for edge in drawn.edges for a in members[edge.source] for b in members[edge.target]}
    assert told == {(_role(a), _role(b)) for a, b in pairs}
    assert sorted(name for node in drawn.nodes for name in node.members) == sorted(
        {name for pair in told for name in pair}
    )


@settings(max_examples=60, deadline=None)
@given(_PAIRS)
def test_chains_are_the_shortest(pairs: list[tuple[str, str]]) -> None:
    """From one role: every reachable principal once, by a shortest existing path; circles too."""
    graph = _graph(("a", "b"), *(pair for pair in pairs if pair != ("a", "b")))
    values = to_values(graph, GraphSearch(_role("a")))
    reached, steps = {"a"}, {"a": 0}
    waiting = ["a"]
    for name in waiting:
        for a, b in [("a", "b"), *pairs]:
            if a == name and b not in reached:
                reached.add(b)
                steps[b] = steps[name] + 1
                waiting.append(b)
    found = {
        chain["stations"][-1]["members"][0].rpartition("/")[2]: len(chain["stations"]) - 1
        for chain in values["onward"]["chains"]
    }
    assert found == {name: count for name, count in steps.items() if name != "a"}


def test_a_graph_that_nobody_could_read_is_not_drawn() -> None:
    """Starting points replace a picture of a thousand arrows; a search draws its results."""
    pairs = [(f"s{a}", f"t{b}") for a in range(40) for b in range(40) if pow(a + 2, b + 2, 41) % 3 == 0]
    graph = _graph(*pairs)
    values = to_values(graph, GraphSearch())
    assert values["picture"] == ""
    assert values["starts"][0]["count"] == max(sum(a == name for a, _ in pairs) for name, _ in pairs)
    assert "<svg" in to_values(graph, GraphSearch("role/s0"))["picture"]


def test_a_role_that_everyone_can_assume_is_found_by_that_word() -> None:
    """The page shows "everyone" for the principal "*"; the kind "everybody" of the graph matches too."""
    everyone = GraphNode("*", "everybody", "", ("*",))
    graph = _graph(("a", "b"))
    edge = replace(graph.edges[0], source="*", target=_role("a"))
    graph = replace(graph, nodes=(*graph.nodes, everyone), edges=(*graph.edges, edge))
    for word in ("everyone", "everybody"):
        assert [way["role"]["members"] for way in to_values(graph, GraphSearch(word))["rows"]] == [(_role("a"),)]


def test_one_role_among_very_many_is_drawn_with_what_is_next_to_it() -> None:
    """If the whole neighbourhood is too large, the page draws the direct steps and says so."""
    pairs = [(f"s{a}", f"t{b}") for a in range(40) for b in range(40) if pow(a + 2, b + 2, 41) % 3 == 0]
    values = to_values(
        _graph(("a", "s1"), *((f"s{number}", f"s{number + 1}") for number in range(40)), *pairs),
        GraphSearch(_role("s1")),
    )
    assert "<svg" in values["picture"]
    assert values["nearest"]
    assert not to_values(_graph(("a", "b")), GraphSearch(_role("a")))["nearest"]


def test_what_the_server_writes_is_what_the_page_reads(tmp_path: Path) -> None:
    """Real refusals: of a signed call, of an invalid token, and of an unknown key."""
    with running_server(account=ACCOUNT) as server:
        make = client_factory(server)
        key = make("iam").create_access_key(UserName=make("iam").create_user(UserName="alice")["User"]["UserName"])
        sts = make("sts", key["AccessKey"])
        role = f"arn:aws:iam::{ACCOUNT}:role/admin"
        token = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOiJoaWRkZW4ifQ.c2lnbmF0dXJl"
        given = {"RoleArn": role, "RoleSessionName": "session"}
        for call in (
            partial(sts.assume_role, **given, ExternalId="external-42"),
            partial(make("sts").assume_role_with_web_identity, **given, WebIdentityToken=token),
            make("sts", {**key["AccessKey"], "AccessKeyId": "AKIANOBODYNOBODYNOBO"}).get_caller_identity,
        ):
            with pytest.raises(ClientError):
                call()
        events = [msgspec.json.encode(to_event(one)).decode() for one in server.audit.audit_records]
    found = find_events(_log(tmp_path / "log", *events), ACCOUNT, AuditSearch(outcome="refused")).entries
    assert [(each.action, each.resource) for each in found] == [
        ("sts:AssumeRoleWithWebIdentity", role),
        ("sts:AssumeRole", role),
    ]
    assert all(each.reason or each.message for each in found)
    assert found[1].who == f"arn:aws:iam::{ACCOUNT}:user/alice"
    for secret in (token, token.split(".")[1], key["AccessKey"]["SecretAccessKey"]):
        assert secret not in repr(found)


def test_refusals_that_were_taken_together_count_as_many(tmp_path: Path) -> None:
    """One event may represent many similar ones; a malformed number counts as one."""
    ours = refusal(0) | {"eventName": "AssumeRoleWithWebIdentity", "userIdentity": {"type": "Unknown"}}
    events = [ours | {"additionalEventData": {"aggregated": odd}} for odd in ({"count": 999}, {"count": "x"}, 7, {})]
    found = find_events(_log(tmp_path / "log", *events), ACCOUNT, AuditSearch(outcome="refused"))
    assert found.codes == [(ours["errorCode"], 999 + 3)]
    assert found.entries[-1].message.endswith("(999 similar refusals within seconds)")
