"""Refusals as a client of S3 sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refusal(call: Callable[..., Any], **parameters: Any) -> ClientError:
    """Return the error of a call that must be refused."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value


def refused_with(call: Callable[..., Any], **parameters: Any) -> tuple[int, str]:
    """Return the status and the code of a call that must be refused."""
    response = refusal(call, **parameters).response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
