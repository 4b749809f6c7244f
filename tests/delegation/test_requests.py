"""Delegation requests: validation, visibility, decisions, and the lifetime of each state."""

import hashlib
import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.delegation.conftest import Sides
from tests.documents import allow, document
from tests.refusals import refused

from daypass.directory.delegation.kept_requests import find_request

_ALL = ("associate", "update", "accept", "reject")


def _act(iam: Any, action: str, request: str) -> Any:
    if action == "send":
        return iam.send_delegation_token(DelegationRequestId=request)
    return getattr(iam, f"{action}_delegation_request")(DelegationRequestId=request)


def _state(iam: Any, request: str) -> str:
    state: str = iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]["State"]
    return state


def test_a_request_shows_what_it_asks_for(sides: Sides) -> None:
    """The policy is the template with its parameters inserted; the link and the id name the request."""
    made = sides.create(RequestMessage="for Bob", RedirectUrl="https://partner.example/done")
    assert made["ConsoleDeepLink"] == f"{sides.server.url}/delegation/{made['DelegationRequestId']}"
    iam = sides.as_caller("iam", sides.admin())
    shown = iam.get_delegation_request(DelegationRequestId=made["DelegationRequestId"])["DelegationRequest"]
    assert shown["State"] == "UNASSIGNED"
    assert shown["RequestorId"] == sides.partner.account
    assert shown["RequestorName"] == "partner"
    assert shown["OwnerAccountId"] == sides.customer.account
    assert shown["RequestMessage"] == "for Bob"
    assert shown["RedirectUrl"] == "https://partner.example/done"
    assert shown["SessionDuration"] == 3600
    assert shown["OnlySendByOwner"] is False
    assert shown["ExpirationTime"] - shown["CreateDate"] == timedelta(days=1)
    assert shown["Permissions"]["Parameters"] == [{"Name": "userPath", "Values": ["monitoring"], "Type": "string"}]
    [create, _] = json.loads(shown["PermissionPolicy"])["Statement"]
    assert create["Resource"] == "arn:aws:iam::*:user/monitoring/*"


def test_the_link_tells_what_to_do(sides: Sides) -> None:
    """A page in plain words, without any content of the request."""
    made = sides.create()
    with urllib.request.urlopen(made["ConsoleDeepLink"]) as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    assert f"aws iam accept-delegation-request --delegation-request-id {made['DelegationRequestId']}" in text
    assert "monitoring" not in text
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{sides.server.url}/delegation/<script>")  # noqa: S310 - our own server


@pytest.mark.parametrize(
    ("before", "possible"),
    [
        ((), {"associate"}),
        (("associate",), {"update", "accept", "reject"}),
        (("associate", "update"), {"update", "accept", "reject"}),
        (("associate", "accept"), {"reject", "send"}),
        (("associate", "update", "accept"), {"reject", "send"}),
        (("associate", "reject"), set()),
        (("associate", "accept", "reject"), set()),
        (("associate", "accept", "send"), {"reject"}),
    ],
)
def test_each_state_takes_its_actions_alone(sides: Sides, before: tuple[str, ...], possible: set[str]) -> None:
    """An action that does not apply is refused, and changes no state."""
    iam, request = sides.as_caller("iam", sides.admin()), sides.request()
    for action in before:
        _act(iam, action, request)
    state = _state(iam, request)
    for action in sorted({*_ALL, "send"} - possible):
        code, status, words = refused(lambda action=action: _act(iam, action, request))
        assert (code, status) == ("InvalidInput", 400)
        assert words.endswith(f"is in the state {state}.")
    assert _state(iam, request) == state
    if possible:
        _act(iam, min(possible), request)


@pytest.mark.parametrize(
    ("actions", "days"), [((), 1), (("associate",), 7), (("associate", "update"), 7), (("associate", "accept"), 7)]
)
def test_a_state_ends_by_itself(sides: Sides, actions: tuple[str, ...], days: int) -> None:
    """Without an action in its days a request expires, and no further action is possible."""
    iam, request = sides.as_caller("iam", sides.admin()), sides.request()
    for action in actions:
        _act(iam, action, request)
    with sides.server.there.store.read() as reader:
        stored = find_request(reader, request)
    assert stored is not None
    # Clients sign with the computer's clock, so the days are tested on the request itself.
    assert stored.state(stored.since + timedelta(days=days) - timedelta(seconds=1)).value != "EXPIRED"
    assert stored.state(stored.since + timedelta(days=days)).value == "EXPIRED"


def test_a_named_owner_account_decides_alone(sides: Sides) -> None:
    """For other accounts the request does not exist; the partner may read it, but not decide."""
    request = sides.request()
    outsider = sides.as_caller("iam", sides.server.new_account())
    missing = ("NoSuchEntity", 404, f"The delegation request {request} cannot be found.")
    assert refused(outsider.get_delegation_request, DelegationRequestId=request) == missing
    for action in (*_ALL, "send"):
        assert refused(lambda action=action: _act(outsider, action, request)) == missing
    partner = sides.as_caller("iam", sides.partner)
    assert _state(partner, request) == "UNASSIGNED"
    assert refused(partner.associate_delegation_request, DelegationRequestId=request) == missing


def test_a_request_for_anybody_is_taken_on_by_one(sides: Sides) -> None:
    """The first account that associates it owns it."""
    answer = sides.as_caller("iam", sides.partner).create_delegation_request(
        **{name: value for name, value in sides.parameters().items() if name != "OwnerAccountId"}
    )
    request = answer["DelegationRequestId"]
    outsider = sides.as_caller("iam", sides.server.new_account())
    assert _state(outsider, request) == "UNASSIGNED"
    iam = sides.as_caller("iam", sides.admin())
    iam.associate_delegation_request(DelegationRequestId=request)
    assert refused(outsider.get_delegation_request, DelegationRequestId=request)[0] == "NoSuchEntity"
    shown = iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]
    assert shown["OwnerAccountId"] == sides.customer.account


def test_the_owner_sees_and_hands_up_without_a_policy(sides: Sides) -> None:
    """Default permissions: get and update.

    Others of the account need theirs; an explicit denial still applies.
    """
    request = sides.request()
    owner = sides.as_caller("iam", sides.user(sides.customer, "owner", allow("iam:AssociateDelegationRequest")))
    other = sides.as_caller("iam", sides.user(sides.customer, "other"))
    assert refused(owner.get_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"
    owner.associate_delegation_request(DelegationRequestId=request)
    assert _state(owner, request) == "ASSIGNED"
    owner.update_delegation_request(DelegationRequestId=request, Notes="Please look.")
    assert refused(other.get_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"
    assert refused(owner.reject_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"
    denial = {"Effect": "Deny", "Action": "iam:GetDelegationRequest", "Resource": "*"}
    root = sides.as_caller("iam", sides.customer)
    root.put_user_policy(UserName="owner", PolicyName="own", PolicyDocument=document(denial))
    assert refused(owner.get_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"


def test_a_new_user_with_the_owners_name_is_refused(sides: Sides) -> None:
    """Ownership is stored by unique id."""
    request = sides.request()
    key = sides.user(sides.customer, "owner", allow("iam:AssociateDelegationRequest"))
    sides.as_caller("iam", key).associate_delegation_request(DelegationRequestId=request)
    root = sides.as_caller("iam", sides.customer)
    root.delete_access_key(UserName="owner", AccessKeyId=key["AccessKeyId"])
    root.delete_user_policy(UserName="owner", PolicyName="own")
    root.delete_user(UserName="owner")
    anew = sides.as_caller("iam", sides.user(sides.customer, "owner"))
    assert refused(anew.get_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"


def test_conditions_see_the_request(sides: Sides) -> None:
    """An administrator may accept only short requests of one template."""
    condition = {
        "NumericLessThanEquals": {"iam:DelegationDuration": "3600"},
        "ArnEquals": {"iam:TemplateArn": sides.template},
    }
    key = sides.user(
        sides.customer,
        "admin",
        allow(["iam:AssociateDelegationRequest", "iam:GetDelegationRequest"]),
        allow("iam:AcceptDelegationRequest", Condition=condition),
    )
    iam = sides.as_caller("iam", key)
    short, long = sides.request(), sides.request(SessionDuration=3601, RequestorWorkflowId="workflow-2")
    for request in (short, long):
        iam.associate_delegation_request(DelegationRequestId=request)
    iam.accept_delegation_request(DelegationRequestId=short)
    assert refused(iam.accept_delegation_request, DelegationRequestId=long)[0] == "AccessDenied"


def test_the_owners_account_lists_what_it_took_on(sides: Sides) -> None:
    """Requests without an owner are not listed; the list has pages and a filter by owner."""
    requests = [sides.request(RequestorWorkflowId=f"workflow-{number}") for number in range(5)]
    first, second = sides.as_caller("iam", sides.admin("first")), sides.as_caller("iam", sides.admin("second"))
    for request in requests[:3]:
        first.associate_delegation_request(DelegationRequestId=request)
    second.associate_delegation_request(DelegationRequestId=requests[3])

    def listed(**more: Any) -> list[str]:
        found, marker = [], None
        while True:
            answer = first.list_delegation_requests(**more, **({"Marker": marker} if marker else {}))
            found += [one["DelegationRequestId"] for one in answer["DelegationRequests"]]
            marker = answer.get("Marker")
            if not answer["isTruncated"]:
                return found

    assert listed() == listed(MaxItems=1) == listed(MaxItems=4) == requests[:4]
    owner = f"arn:aws:iam::{sides.customer.account}:user/second"
    assert listed(OwnerId=owner) == listed(OwnerId=owner, MaxItems=1) == [requests[3]]
    assert sides.as_caller("iam", sides.partner).list_delegation_requests()["DelegationRequests"] == []


def test_a_rejection_has_a_reason(sides: Sides) -> None:
    """The partner is notified, and the request shows the reason."""
    iam, request = sides.as_caller("iam", sides.admin()), sides.request()
    iam.associate_delegation_request(DelegationRequestId=request)
    iam.reject_delegation_request(DelegationRequestId=request, Notes="Not now.")
    shown = iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]
    assert (shown["State"], shown["RejectionReason"]) == ("REJECTED", "Not now.")
    assert sides.webhook.next("REJECTED").message["RejectionReason"] == "Not now."


def test_a_workflow_has_one_request(sides: Sides) -> None:
    """Another partner may use the same name."""
    sides.request()
    assert refused(sides.create)[:2] == ("EntityAlreadyExists", 409)
    assert sides.request(RequestorWorkflowId="workflow-2")


def test_what_daypass_cannot_tell_it_does_not_make_up(sides: Sides) -> None:
    """No summary and no permission check, with AWS's messages for that."""
    iam, request = sides.as_caller("iam", sides.admin()), sides.request()
    answer = iam.get_delegation_request(DelegationRequestId=request, DelegationPermissionCheck=True)
    assert (answer["PermissionCheckStatus"], answer["PermissionCheckResult"]) == ("COMPLETE", "UNSURE")
    arn = f"arn:aws:iam::{sides.customer.account}:delegation-request/{request}"
    assert iam.get_human_readable_summary(EntityArn=arn)["SummaryState"] == "NOT_SUPPORTED"
    assert refused(iam.get_human_readable_summary, EntityArn=arn + "x")[0] == "NoSuchEntity"
    user = f"arn:aws:iam::{sides.customer.account}:user/admin"
    assert refused(iam.get_human_readable_summary, EntityArn=user)[0] == "InvalidInput"


def _parameters(*parameters: tuple[str, list[str], str]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": values, "Type": kind} for name, values, kind in parameters]


_INCOMPRESSIBLE = "".join(hashlib.sha256(bytes((number,))).hexdigest() for number in range(10))
_GOOD = ("userPath", ["monitoring"], "string")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([], "needs the parameter userPath"),
        (_parameters(_GOOD, _GOOD), "passed twice"),
        (_parameters(_GOOD, ("other", ["x"], "string")), "does not use the parameter other"),
        (_parameters(("userPath", ["a", "b"], "string")), "needs one value"),
        (_parameters(("userPath", [], "stringList")), "needs one value"),
        (_parameters(("userPath", ["x" * 2048], "string")), "2048 is the limit"),
        (_parameters(("userPath", [_INCOMPRESSIBLE], "string")), "of allotted space, please use smaller policy."),
    ],
)
def test_template_and_parameters_must_fit(sides: Sides, parameters: list[dict[str, Any]], words: str) -> None:
    """Otherwise the request is not stored."""
    permissions = {"PolicyTemplateArn": sides.template, "Parameters": parameters}
    code, status, message = refused(sides.create, Permissions=permissions)
    assert (code, status) == ("InvalidInput", 400)
    assert words in message
    sides.create()


def test_a_value_is_a_text_and_nothing_more(sides: Sides) -> None:
    """Quotes and braces in a value cannot end the string that contains them."""
    evil = 'x","Action":"*","Resource":"*'
    permissions = {"PolicyTemplateArn": sides.template, "Parameters": _parameters(("userPath", [evil], "string"))}
    request = sides.request(Permissions=permissions)
    iam = sides.as_caller("iam", sides.admin())
    policy = iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]["PermissionPolicy"]
    assert json.loads(policy)["Statement"][0]["Action"] == "iam:CreateUser"
    assert evil in json.loads(policy)["Statement"][0]["Resource"]


def test_a_list_makes_several_texts(sides: Sides) -> None:
    """A string with a placeholder for a list becomes one string per value; two lists in one string are ambiguous."""
    iam = sides.as_caller("iam", sides.partner)
    template = document(allow("s3:GetObject", ["arn:aws:s3:::@{bucketNames}/*", "arn:aws:s3:::fixed/*"]))
    arn = iam.create_policy(PolicyName="lists", PolicyDocument=template)["Policy"]["Arn"]
    lists = _parameters(("bucketNames", ["one", "two"], "stringList"))
    request = sides.request(Permissions={"PolicyTemplateArn": arn, "Parameters": lists})
    answer = iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]
    resources = json.loads(answer["PermissionPolicy"])["Statement"][0]["Resource"]
    assert resources == ["arn:aws:s3:::one/*", "arn:aws:s3:::two/*", "arn:aws:s3:::fixed/*"]
    template = document(allow("s3:GetObject", "arn:aws:s3:::@{bucketNames}/@{prefixes}"))
    arn = iam.create_policy(PolicyName="both", PolicyDocument=template)["Policy"]["Arn"]
    lists += _parameters(("prefixes", ["a", "b"], "stringList"))
    more = {"Permissions": {"PolicyTemplateArn": arn, "Parameters": lists}, "RequestorWorkflowId": "workflow-2"}
    assert "in one string" in refused(sides.create, **more)[2]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"NotificationChannel": "arn:aws:sns:us-east-1:111122223333:topic"}, "InvalidInput"),
        ({"NotificationChannel": "http://partner.example/hook"}, "ValidationError"),
        ({"NotificationChannel": "https://user:secret@partner.example/hook"}, "InvalidInput"),
        ({"NotificationChannel": "https://partner.example/hook#part"}, "InvalidInput"),
        ({"NotificationChannel": "https://partner.example/" + "a" * 400}, "ValidationError"),
        ({"NotificationChannel": "file:///etc/passwd"}, "ValidationError"),
        ({"OwnerAccountId": "12345"}, "ValidationError"),
        ({"SessionDuration": 299}, "ValidationError"),
        ({"SessionDuration": 43_201}, "ValidationError"),
        ({"Description": "x" * 1001}, "ValidationError"),
        ({"RequestMessage": "x" * 201}, "ValidationError"),
        ({"RequestorWorkflowId": "1234"}, "ValidationError"),
        ({"RequestorWorkflowId": "x" * 401}, "ValidationError"),
        ({"RedirectUrl": "javascript:alert(1)"}, "ValidationError"),
        ({"Permissions": {"Parameters": _parameters(_GOOD)}}, "InvalidInput"),
        ({"Permissions": {"PolicyTemplateArn": "arn:aws:iam::aws:policy/AdministratorAccess"}}, "InvalidInput"),
        ({"Permissions": {"PolicyTemplateArn": "arn:aws:iam::000000000000:policy/setup"}}, "InvalidInput"),
    ],
)
def test_bad_input_is_refused(sides: Sides, bad: dict[str, Any], code: str) -> None:
    """At and beyond each limit, the request is refused and not stored."""
    iam = boto3.client(
        "iam",
        endpoint_url=sides.server.url,
        region_name="us-east-1",
        aws_access_key_id=sides.partner.access_key_id,
        aws_secret_access_key=sides.partner.secret_access_key,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    found, status, _ = refused(iam.create_delegation_request, **{**sides.parameters(), **bad})
    assert (found, status) == (code, 400)
    sides.create()


@pytest.mark.parametrize("request_id", ["x" * 15, "x" * 129, "dr-" + "0" * 32, "../../../../../etc", "%" * 20])
def test_what_is_no_request_is_not_found(sides: Sides, request_id: str) -> None:
    """Malformed ids fail validation, unknown ones are not found."""
    iam = boto3.client(
        "iam",
        endpoint_url=sides.server.url,
        region_name="us-east-1",
        aws_access_key_id=sides.customer.access_key_id,
        aws_secret_access_key=sides.customer.secret_access_key,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    expected = "NoSuchEntity" if request_id.startswith("dr-") else "ValidationError"
    for action in (*_ALL, "send"):
        assert refused(lambda action=action: _act(iam, action, request_id))[0] == expected
    assert refused(iam.get_delegation_request, DelegationRequestId=request_id)[0] == expected
