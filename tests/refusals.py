"""Refused calls, as a client of the AWS SDK sees them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

HEADER = "x-daypass-authorization-message"


class _Answer(NamedTuple):
    code: str
    status: int
    words: str


class Refusal(_Answer):
    """The code, status and message of a refusal.

    `encoded` is its encoded authorization message, or None.
    """

    encoded: str | None = None


def refused(call: Callable[..., Any], /, *args: Any, **parameters: Any) -> Refusal:
    """Return the refusal of a call. Fail if the call succeeds."""
    with pytest.raises(ClientError) as caught:
        call(*args, **parameters)
    return read_refusal(caught.value)


def code_of(call: Callable[..., Any], /, *args: Any, **parameters: Any) -> str:
    """Return the code of a call's refusal, or "" if the call succeeds."""
    try:
        call(*args, **parameters)
    except ClientError as error:
        return read_refusal(error).code
    return ""


def read_refusal(error: ClientError) -> Refusal:
    """Return the refusal that a client raised."""
    answer: Any = error.response
    metadata, words = answer["ResponseMetadata"], answer["Error"].get("Message", "")
    refusal = Refusal(answer["Error"]["Code"], metadata["HTTPStatusCode"], words)
    refusal.encoded = metadata["HTTPHeaders"].get(HEADER)
    return refusal
