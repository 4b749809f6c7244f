"""Sessions of version 0.1.0 end at the same second as before."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.refusals import refused
from tests.upgrade.conftest import Upgraded, recorded, sqlite_copy, upgraded

SESSIONS = sorted(set(recorded()["sessions"]) - {"revoked"})


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Run a server whose clock these tests move."""
    with sqlite_copy(tmp_path_factory.mktemp("ends")) as url, upgraded(url) as running:
        yield running


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_is_accepted_until_it_ends(there: Upgraded, name: str) -> None:
    """The test checks a second before the end, and the end itself."""
    session = recorded()["sessions"][name]
    ends = datetime.fromisoformat(session["expires"])
    sts = there.client("sts", session["keys"])
    there.server.clock.freeze(ends - timedelta(seconds=1))
    assert sts.get_caller_identity()["Arn"] == session["arn"]
    there.server.clock.freeze(ends)
    assert refused(sts.get_caller_identity).code == "ExpiredToken"
