"""The actions of IAM that Daypass performs, noun by noun."""

from daypass.operations.iam import access_keys, users
from daypass.operations.operation import AnyOperation

OPERATIONS: tuple[AnyOperation, ...] = (*access_keys.OPERATIONS, *users.OPERATIONS)
