"""The bound of label values.

Owns the check of labels that are counted for the first time. They come from tables of the code and from settings. The
bound also holds if one of them does not: a caller could otherwise fill the memory of the server and of Prometheus.
"""

import re
from collections.abc import Sized

_MOST = 4_000  # of pairs of an action and a code: the code has about 1,500
_VALUE = re.compile(r"[A-Za-z0-9._-]{0,64}")
_OTHER = "other"


def bounded_labels(known: Sized, *labels: str) -> tuple[str, ...]:
    """Return the labels, or "other" for each of them.

    That is so if one is malformed, or if too many are known.
    """
    if len(known) < _MOST and all(map(_VALUE.fullmatch, labels)):
        return labels
    return (_OTHER,) * len(labels)
