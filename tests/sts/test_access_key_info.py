"""GetAccessKeyInfo: our ids, chosen ids, and AWS's own."""

import pytest
from tests.refusals import refused
from tests.sts.authenticator import new_user

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_our_own_ids(daypass_server: RunningServer, client: ClientFactory) -> None:
    """Long-term and temporary ids contain their account, also that of another account."""
    other = daypass_server.new_account("000000000042")
    session = client("sts", other).get_session_token()["Credentials"]
    sts = client("sts")
    for key_id in (other.access_key_id, session["AccessKeyId"]):
        assert sts.get_access_key_info(AccessKeyId=key_id)["Account"] == "000000000042"


def test_a_fixed_root_key_id_is_looked_up(daypass_server: RunningServer, client: ClientFactory) -> None:
    """An id that an operator chose need not contain the account."""
    other = daypass_server.new_account("210987654321", access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="s" * 40)
    assert client("sts").get_access_key_info(AccessKeyId=other.access_key_id)["Account"] == "210987654321"


@pytest.mark.parametrize("key_id", ["AKIASP2TPHJSQH3FJRUX", "ASIASP2TPHJSQH3FJRUX"])
def test_real_ids_are_decoded(client: ClientFactory, key_id: str) -> None:
    """AWS's ids contain their account in base32."""
    assert client("sts").get_access_key_info(AccessKeyId=key_id)["Account"] == "171436882533"


@pytest.mark.parametrize("key_id", ["AKIAIOSFODNN7EXAMPLE", "AIDAIOSFODNN7EXAMPLE", "A" * 128, "x" * 16])
def test_ids_that_say_nothing(client: ClientFactory, key_id: str) -> None:
    """Ids of the older kind, ids of other entities, and invalid strings."""
    assert refused(client("sts").get_access_key_info, AccessKeyId=key_id)[:2] == ("ValidationError", 400)


def test_it_needs_a_permission(client: ClientFactory) -> None:
    """A user without any policy is refused."""
    nobody = new_user(client("iam"), "nobody", policy=None)
    refusal = refused(client("sts", nobody.key).get_access_key_info, AccessKeyId=nobody.key["AccessKeyId"])
    assert refusal[:2] == ("AccessDenied", 403)
