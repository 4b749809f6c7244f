"""What a sealed text is for. Each purpose has keys of its own, so that no text can serve another.

Owns the table of purposes: how their texts begin, the label of their keys, and how long a text may be.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Form:
    """How the texts of one purpose look. `tag` names purpose and version: four characters of base64."""

    tag: str
    label: bytes
    longest: int


class Purpose(Enum):
    """What a sealed text is for."""

    # 8,000 characters pass the header limits of common proxies.
    SESSION = Form("DPs1", b"daypass session token 1", 8_000)
    DENIAL = Form("DPd1", b"daypass authorization message 1", 2_048)
    TRADE_IN = Form("DPt1", b"daypass trade-in token 1", 2_048)
    PORTAL = Form("DPp1", b"daypass portal handle 1", 2_048)
    MARKER = Form("DPm1", b"daypass pagination marker 1", 320)  # IAM's limit for Marker
    CHAIN = Form("DPc1", b"daypass issuing keys 1", 1_024)
