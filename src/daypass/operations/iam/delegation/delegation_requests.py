"""Delegation requests: create, get, list.

Owns the rules for a valid request: a policy template is a managed policy of the partner's own account with placeholders
such as `@{bucketName}`, and a notification channel is an https URL.
Source: IAM API Reference, CreateDelegationRequest, GetDelegationRequest, ListDelegationRequests.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.delegation import kept_requests
from daypass.directory.delegation.delegation_templates import render_template
from daypass.directory.entities.delegation_entities import DelegationRequest, Parameter, State
from daypass.directory.identity import find_managed, load_account
from daypass.directory.outbound import NOTIFICATIONS, ensure_server_issuer
from daypass.errors import EntityAlreadyExists, InvalidInput, LimitExceeded
from daypass.federation.oidc.provider import is_keys_url
from daypass.operations.iam.delegation.delegation_rules import (
    AboutRequest,
    OneRequest,
    find_visible,
    missing,
    require_packable,
)
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.paging import Paged, make_marker, read_marker
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys

_REQUEST = ":delegation-request/"
_LONGEST_NAME = 30


class _Parameter(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""
    values: tuple[str, ...] = ()
    type: str = "string"


class _Permissions(msgspec.Struct, frozen=True, rename="pascal"):
    policy_template_arn: str = ""
    parameters: tuple[_Parameter, ...] = ()


class _CreateDelegationRequestParams(IamParams, frozen=True):
    description: str
    permissions: _Permissions
    requestor_workflow_id: str
    notification_channel: str
    session_duration: int
    owner_account_id: str = ""
    request_message: str = ""
    redirect_url: str = ""
    only_send_by_owner: bool = False


class CreateDelegationRequest(IamAction[_CreateDelegationRequestParams]):
    """Requests a part of another account's permissions for a limited time."""

    action, takes, access = "CreateDelegationRequest", _CreateDelegationRequestParams, StoreAccess.WRITE

    def context(self, params: _CreateDelegationRequestParams, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the condition keys of the request."""
        return {
            "iam:templatearn": params.permissions.policy_template_arn,
            "iam:delegationduration": str(params.session_duration),
            "iam:notificationchannel": params.notification_channel,
        }

    def perform(self, params: _CreateDelegationRequestParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Store the request, and return its id and the URL of its help page."""
        if not is_keys_url(params.notification_channel):
            raise InvalidInput("The notification channel must be an https URL, without a user and a fragment.")
        # A request to an account that does not exist expires. A refusal would disclose which accounts exist.
        kept_requests.sweep_requests(ctx.writer, caller.account, ctx.now)
        if kept_requests.has_workflow(ctx.reader, caller.account, params.requestor_workflow_id):
            raise EntityAlreadyExists("A delegation request with this RequestorWorkflowId already exists.")
        if kept_requests.count_requests(ctx.reader, caller.account) >= kept_requests.MOST_REQUESTS:
            raise LimitExceeded(f"Cannot exceed quota for DelegationRequestsPerAccount: {kept_requests.MOST_REQUESTS}")
        request = _request(params, caller, ctx)
        kept_requests.insert_request(ctx.writer, request)
        ensure_server_issuer(ctx.writer, NOTIFICATIONS, now=int(ctx.now.timestamp()), vault=ctx.vault)
        link = f"{ctx.settings.public_url}/delegation/{request.id}"
        return {"DelegationRequestId": request.id, "ConsoleDeepLink": link}


def _request(params: _CreateDelegationRequestParams, caller: Caller, ctx: RequestContext) -> DelegationRequest:
    parameters = tuple(
        Parameter(name=one.name, values=one.values, type=one.type) for one in params.permissions.parameters
    )
    account = load_account(ctx.reader, caller.account)
    policy = render_template(_template(params, caller, ctx), parameters)
    require_packable(policy, {})
    return DelegationRequest(
        id=kept_requests.new_request_id(ctx.now, ctx.entropy),
        requestor=caller.account,
        requestor_name="" if account is None else account.name[:_LONGEST_NAME],
        workflow=params.requestor_workflow_id,
        description=params.description,
        message=params.request_message,
        template=params.permissions.policy_template_arn,
        parameters=parameters,
        policy=policy,
        channel=params.notification_channel,
        redirect=params.redirect_url,
        seconds=params.session_duration,
        only_owner_sends=params.only_send_by_owner,
        owner_account=params.owner_account_id,
        since=ctx.now,
        created=ctx.now,
        updated=ctx.now,
    )


def _template(params: _CreateDelegationRequestParams, caller: Caller, ctx: RequestContext) -> str:
    arn = params.permissions.policy_template_arn
    policy = find_managed(ctx.reader, arn) if arn else None
    if policy is None or policy.account != caller.account:
        raise InvalidInput(
            f"The policy template {arn} cannot be found. It is a managed policy of the partner's account."
        )
    return policy.document


class _Get(OneRequest, frozen=True):
    delegation_permission_check: bool = False


class GetDelegationRequest(AboutRequest):
    """Shows a request."""

    action, takes = "GetDelegationRequest", _Get

    def perform(self, params: _Get, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the request, or raise NoSuchEntity."""
        request = find_visible(ctx.reader, caller, params.delegation_request_id)
        if request is None:
            raise missing(params.delegation_request_id)
        answer: dict[str, Any] = {"DelegationRequest": show_request(request, ctx)}
        if params.delegation_permission_check:
            # An approver cannot delegate permissions that it does not have, thus the check decides about no access.
            # AWS's own check is approximate too.
            answer |= {"PermissionCheckStatus": "COMPLETE", "PermissionCheckResult": "UNSURE"}
        return answer


class _ListDelegationRequestsParams(Paged, frozen=True):
    owner_id: str = ""


class ListDelegationRequests(IamAction[_ListDelegationRequestsParams]):
    """Lists the requests that identities of the account own."""

    action, takes = "ListDelegationRequests", _ListDelegationRequestsParams

    def perform(self, params: _ListDelegationRequestsParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of requests."""
        after, found = read_marker(params.marker), list[DelegationRequest]()
        while len(found) <= params.max_items:
            batch = kept_requests.requests_of_owner(ctx.reader, caller.account, after=after, limit=params.max_items + 1)
            found += [request for request in batch if params.owner_id in {"", request.owner}]
            if len(batch) <= params.max_items:
                break
            after = batch[-1].id
        shown = found[: params.max_items]
        answer: dict[str, Any] = {
            "DelegationRequests": [show_request(request, ctx) for request in shown],
            "isTruncated": len(found) > len(shown),
        }
        return answer | ({"Marker": make_marker(shown[-1].id)} if answer["isTruncated"] else {})


class _Summary(IamParams, frozen=True):
    entity_arn: str
    locale: str = "en"


class GetHumanReadableSummary(AboutRequest):
    """Returns no summary: Daypass has no language model and shows the policy."""

    action, takes = "GetHumanReadableSummary", _Summary

    def request_id(self, params: _Summary) -> str:
        """Return the id of the request in the ARN."""
        return params.entity_arn.rpartition(_REQUEST)[2] if _REQUEST in params.entity_arn else ""

    def perform(self, params: _Summary, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return only the state.

        Raises a Fault if the ARN is not that of a request that the caller can see.
        """
        if _REQUEST not in params.entity_arn:
            raise InvalidInput(f"{params.entity_arn} is not the ARN of a delegation request.")
        if find_visible(ctx.reader, caller, self.request_id(params)) is None:
            raise missing(self.request_id(params))
        return {"SummaryState": "NOT_SUPPORTED", "Locale": params.locale}


def show_request(request: DelegationRequest, ctx: RequestContext) -> dict[str, Any]:
    """Return a request as the API shows it."""
    state = request.state(ctx.now)
    shown = {
        "DelegationRequestId": request.id,
        "OwnerAccountId": request.owner_account,
        "Description": request.description,
        "RequestMessage": request.message,
        "Permissions": {
            "PolicyTemplateArn": request.template,
            "Parameters": [
                {"Name": one.name, "Values": list(one.values), "Type": one.type} for one in request.parameters
            ],
        },
        "PermissionPolicy": request.policy,
        "OwnerId": request.owner,
        "ApproverId": "" if request.approver is None else request.approver.arn,
        "State": state.value,
        "ExpirationTime": request.expires,
        "RequestorId": request.requestor,
        "RequestorName": request.requestor_name,
        "CreateDate": request.created,
        "SessionDuration": request.seconds,
        "RedirectUrl": request.redirect,
        "Notes": request.notes,
        "RejectionReason": request.rejection if state in {State.REJECTED, State.FINALIZED} else "",
        "UpdatedTime": request.updated,
    }
    return {name: value for name, value in shown.items() if value != ""} | {"OnlySendByOwner": request.only_owner_sends}


OPERATIONS = (
    CreateDelegationRequest(),
    GetDelegationRequest(),
    ListDelegationRequests(),
    GetHumanReadableSummary(),
)
