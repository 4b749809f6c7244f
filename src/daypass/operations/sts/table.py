"""The actions of STS that Daypass performs."""

from daypass.operations.operation import AnyOperation
from daypass.operations.sts.assume_role import AssumeRole
from daypass.operations.sts.get_caller_identity import GetCallerIdentity

OPERATIONS: tuple[AnyOperation, ...] = (AssumeRole(), GetCallerIdentity())
