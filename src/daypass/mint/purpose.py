"""Purposes of sealed strings.

Owns their prefix, the label of their keys, and the maximum length. Each has its own keys, so a string of one is not
valid for another.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class SealFormat:
    """The format of the strings of one purpose.

    `tag` identifies purpose and version: four characters of base64.
    """

    tag: str
    label: bytes
    longest: int


class Purpose(Enum):
    """The purpose of a sealed string."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    # 8,000 characters are within the header limits of common proxies.
    SESSION = SealFormat("DPs1", b"daypass session token 1", 8_000)
    DENIAL = SealFormat("DPd1", b"daypass authorization message 1", 2_048)
    TRADE_IN = SealFormat("DPt1", b"daypass trade-in token 1", 2_048)
    PORTAL = SealFormat("DPp1", b"daypass portal handle 1", 2_048)
    MARKER = SealFormat("DPm1", b"daypass pagination marker 1", 320)  # IAM's limit for Marker
    CHAIN = SealFormat("DPc1", b"daypass issuing keys 1", 1_024)
    ORIGIN = SealFormat("DPo1", b"daypass propagated identity 1", 8_000)
