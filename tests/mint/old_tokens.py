"""Session tokens of version 0.1.0: their layout, and two sealed tokens.

This module must never change: servers of that version share a store with newer ones during an upgrade.
"""

from collections.abc import Mapping

import msgspec

from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.ports import Entropy


class OldSession(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """A session as 0.1.0 seals it: exactly 22 fields."""

    kind: SessionKind
    account: str
    principal_id: str
    principal_name: str
    session_name: str
    access_key_id: str
    secret: Secret
    issued: int
    expires: int
    issuing_key: str
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_time: int | None = None
    provider: str = ""
    context: Mapping[str, tuple[str, ...]] = {}
    chained: bool = False
    root_task_policy: str = ""
    filler: bytes = b""
    first_key: str = ""
    delegation: str = ""


_decode = msgspec.msgpack.Decoder(OldSession).decode
FIELDS = OldSession.__struct_fields__


def open_old(token: str, *, access_key_id: str, sealing_ring: SealingRing) -> OldSession:
    """Open a token as 0.1.0 does. Raises the exceptions of msgspec."""
    return _decode(unseal(Purpose.SESSION, token, bound_to=access_key_id, sealing_ring=sealing_ring))


def seal_old(session: Session, *, sealing_ring: SealingRing, now: int, entropy: Entropy, filler: bytes = b"") -> str:
    """Seal the fields of a session that 0.1.0 knows, as it does."""
    old = OldSession(**{name: getattr(session, name) for name in FIELDS if name != "filler"}, filler=filler)
    payload = msgspec.msgpack.encode(old)
    return seal(
        Purpose.SESSION, payload, bound_to=session.access_key_id, sealing_ring=sealing_ring, now=now, entropy=entropy
    )


# Created by revision ead41f8 from tests/mint/material.py's role_session(), with the issuing key ASIAQNZGKIQY56JQ7WMM
# and the first key AKIAQNZGKIQY56JQ7WML, sealed at NOW with the first key ring of Counted entropy.
SEALED_BY_0_1_0 = (
    "DPs1Wrl_SnwVWlpaWlpaWlpaWlpaWlpaWlpaWrl_SnwVvsDvcPgQm7Nm-cuBR3NggMBIDmyTSAjeN0iJmZ16LrlbC5sZaRJrdhLv"
    "1D9kLmpjKoG-XHvO-Yv0oHhb7Tprc2Q2kfJg8TzqKCXag4PfrgnXMU6mHVCuUh7hI_TiFvOMNMAWN9kmmkxptVGDR1G_-bY3K1ve"
    "XwoxnF6UkwRFG6thCalttrZDTm0E5I0BT4BRsOn4Cu67K5x2_KPIWbbom5AZYT9fJbIX65h9lN0RepH2mUX9-lFNkSAWRKD6KT_6"
    "Ty1WNmijlNN2_tsymSQtIdo8ciw34U1rjrHpwWFCKrmFe5pPov_IRcU4K8s_jhluYzdK_ETLpOSWKrI7ZJPiVYUNHJqUIYqf9yXn"
    "tT0xRKFyCwX61y1KkSi_nl7kOMdb4G3GRlOZsNayyHS6jeMBElVzP113NM9boroIXk8owG0wELqakFEG_DUFwtdfRQxMbIu3ZF9d"
    "lXIbLvkZFqv6eTrshqn3JSkZddzSqzwEgDGghQhcS8xxtqXlJJf6xNJ4TDEnA3dPwDlw3-AdMfWwEjIF"
)
# The same with MinimumSessionTokenSize=1000.
PADDED_BY_0_1_0 = (
    "DPs1Wrl_SnwVWlpaWlpaWlpaWlpaWlpaWlpaWrl_SnwVvsDvcPgQm7Nm-cuBR3NggMBIDmyTSAjeN0iJmZ16LrlbC5sZaRJrdhLv"
    "1D9kLmpjKoG-XHvO-Yv0oHhb7Tprc2Q2kfJg8TzqKCXag4PfrgnXMU6mHVCuUh7hI_TiFvOMNMAWN9kmmkxptVGDR1G_-bY3K1ve"
    "XwoxnF6UkwRFG6thCalttrZDTm0E5I0BT4BRsOn4Cu67K5x2_KPIWbbom5AZYT9fJbIX65h9lN0RepH2mUX9-lFNkSAWRKD6KT_6"
    "Ty1WNmijlNN2_tsymSQtIdo8ciw34U1rjrHpwWFCKrmFe5pPov_IRcU4K8s_jhluYzdK_ETLpOSWKrI7ZJPiVYUNHJqUIYqf9yXn"
    "tT0xRKFyCwX61y1KkSi_nl7kOMdb4G3GRlOZsNayyHS6jeMBElVzP113NM9boroIXk8owG0wELqakFEG_DUFwtdfRQxMbIu3ZF9d"
    "lXIbLvkZFqv6eTrshqn3JSkZdN1d6ndNwWDu308XAp0og5OvdaCtiZ7YzDHnMpUTxICQJsTcI4btNnTyE_-Nif-DUbgDYdPvlJlF"
    "Dgh45lPGOG-8UQGfiJN6p5JCjAvXJqsePAHz5jsiIoEzLFE0NO2XpRG5P9A-whfwBURrfCDty1l9ymzbxUmoZ_gJPUwYzOEQWcKW"
    "uMWG9uR6rZTna1-en3eB-o-Ir6AwfgWEvnCG1d60jyN4CquXdYNK55lBNQzD_Wm3ID8SzMnZHTcb_BT4Ukuz3P_xbnVtBPUnKEIh"
    "HR5gqr3MzqcHee8fozWWTF8wodKBtqhDN4c1hRGYaF78ksbwUenQjPOHiZb9hhnVLO-y3VLBtOVuZ75JPa0qCm_p9uotmF-Alc4_"
    "Qg57obM9VuRbXBePBA_l34Fb_Y48DzuYU0ZAdx89WAULyL-_lc0FYygKqMN0pQ_3sdf4h61W95C2tLo5w4uwF16DMyfWSnrD5Wch"
)
