"""Service-linked roles: create, delete, and the deletion status.

Only the service's own actions change or delete such a role. Owns their names. A role is deleted at once; its deletion
task is stored for clients that poll the status.
Source: IAM User Guide, "Using service-linked roles"; the message for a name that is taken is AWS's recorded one.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.account_entities import DeletionTask
from daypass.directory.entities.iam_entities import Role
from daypass.directory.last_uses import forget_last_use
from daypass.errors import InvalidInput, NoSuchEntity
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.identities.roles import AboutRole, RoleNamed, show_description, show_role
from daypass.operations.iam.lookup import arn_of, check_quota, get_named
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys

_TRUST = (
    '{{"Version":"2012-10-17","Statement":[{{"Action":["sts:AssumeRole"],"Effect":"Allow",'
    '"Principal":{{"Service":["{service}"]}}}}]}}'
)
_SERVICE = re.compile(r"[a-z0-9][a-z0-9.-]*\.amazonaws\.com(?:\.cn)?")
_PATH = "/aws-service-role/"

# Services whose role is not named after the first part of the service's name.
_NAMES: Mapping[str, str] = {
    "autoscaling": "AutoScaling",
    "ecs": "ECS",
    "eks": "AmazonEKS",
    "eks-nodegroup": "AmazonEKSNodegroup",
    "elasticache": "ElastiCache",
    "elasticbeanstalk": "ElasticBeanstalk",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "es": "AmazonElasticsearchService",
    "guardduty": "AmazonGuardDuty",
    "inspector": "AmazonInspector",
    "lex": "LexBots",
    "organizations": "Organizations",
    "opensearchservice": "AmazonOpenSearchService",
    "rds": "RDS",
    "spot": "EC2Spot",
    "spotfleet": "EC2SpotFleet",
    "sso": "SSO",
    "support": "Support",
    "trustedadvisor": "TrustedAdvisor",
}


class _CreateServiceLinkedRoleParams(IamParams, frozen=True):
    service: str = msgspec.field(name="AWSServiceName")
    description: str = ""
    custom_suffix: str = ""

    @property
    def role_name(self) -> str:
        """The name that the role will have."""
        first = self.service.split(".")[0]
        word = _NAMES.get(first) or "".join(part.capitalize() for part in first.split("-"))
        return f"AWSServiceRoleFor{word}" + (f"_{self.custom_suffix}" if self.custom_suffix else "")


class CreateServiceLinkedRole(IamAction[_CreateServiceLinkedRoleParams]):
    """Creates the role of a service."""

    action, takes, access = "CreateServiceLinkedRole", _CreateServiceLinkedRoleParams, StoreAccess.WRITE

    def parse(self, parameters: Mapping[str, Any]) -> _CreateServiceLinkedRoleParams:
        """Return the parameters.

        Raises InvalidInput for a string that is not the name of a service.
        """
        params: _CreateServiceLinkedRoleParams = super().parse(parameters)
        if not _SERVICE.fullmatch(params.service):
            raise InvalidInput(f"{params.service} is not the name of a service, such as ecs.amazonaws.com.")
        return params

    def resource(self, params: _CreateServiceLinkedRoleParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the role will have."""
        return iam_arn(caller.account, "role", f"{_PATH}{params.service}/", params.role_name)

    def context(self, params: _CreateServiceLinkedRoleParams, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the service's name."""
        return {"iam:awsservicename": params.service}

    def perform(self, params: _CreateServiceLinkedRoleParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new role."""
        role = Role(
            id=new_unique_id("AROA", ctx.entropy),
            account=caller.account,
            name=params.role_name,
            path=f"{_PATH}{params.service}/",
            created=ctx.now,
            trust=_TRUST.format(service=params.service),
            description=params.description,
            service_linked=True,
        )
        check_quota(ctx.reader, Role, caller.account, name="RolesPerAccount", most=ctx.settings.quotas.roles)
        taken = f"Service role name {role.name} has been taken in this account, please try a different suffix."
        records.insert_new(ctx.writer, role, InvalidInput(taken))
        return {"Role": {**show_role(ctx.reader, role), **show_description(role)}}


class DeleteServiceLinkedRole(AboutRole):
    """Deletes the role of a service."""

    action, access = "DeleteServiceLinkedRole", StoreAccess.WRITE

    def perform(self, params: RoleNamed, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the deletion task. The role is already deleted."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        if not role.service_linked:
            raise InvalidInput(f"The role {role.name} is not a service-linked role.")
        records.delete(ctx.writer, role)
        forget_last_use(ctx.writer, role.account, role.id)
        service = role.path.removeprefix(_PATH).rstrip("/")
        task = f"task{_PATH}{service}/{role.name}/{_uuid(ctx)}"
        records.insert(ctx.writer, DeletionTask(id=task, account=role.account, role=role.name))
        return {"DeletionTaskId": task}


class _Task(IamParams, frozen=True):
    deletion_task_id: str


class GetServiceLinkedRoleDeletionStatus(IamAction[_Task]):
    """Shows the status of the deletion of a service-linked role."""

    action, takes, access = "GetServiceLinkedRoleDeletionStatus", _Task, StoreAccess.SHORT_READ

    def resource(self, params: _Task, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the role had."""
        task = _find(params, caller, ctx)
        return "*" if task is None else arn_of(ctx.reader, Role, caller.account, task.role)

    def perform(self, params: _Task, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return that it succeeded.

        DeleteServiceLinkedRole itself refuses a deletion that cannot succeed.
        """
        if _find(params, caller, ctx) is None:
            raise NoSuchEntity(f"Deletion task {params.deletion_task_id} cannot be found.")
        return {"Status": "SUCCEEDED"}


def _find(params: _Task, caller: Caller, ctx: RequestContext) -> DeletionTask | None:
    return records.find(ctx.reader, DeletionTask, caller.account, params.deletion_task_id)


def _uuid(ctx: RequestContext) -> str:
    digits = ctx.entropy(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


OPERATIONS = (CreateServiceLinkedRole(), DeleteServiceLinkedRole(), GetServiceLinkedRoleDeletionStatus())
