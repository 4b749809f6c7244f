"""The configurations and commands of the pages about S3 clients work as they are written.

Each page builds on the role and the profile of docs/gateway.md, whose commands run first.
"""

from collections.abc import Iterator

import pytest
from tests.gateway.stores import StoreServer
from tests.process.page_commands import DocumentedSetup, documented_setup

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory, seaweedfs: StoreServer) -> Iterator[DocumentedSetup]:
    """Run the server and the gateway in front of SeaweedFS for all pages."""
    with documented_setup(tmp_path_factory.mktemp("pages"), seaweedfs) as running:
        yield running


def test_users_and_policies_of_minio_move(setup: DocumentedSetup) -> None:
    """A user has the policy of a group, writes below the own name, and gets temporary credentials."""
    assert "now.txt" in setup.run_page("coming-from-minio.md")


def test_the_moved_user_may_not_write_elsewhere(setup: DocumentedSetup) -> None:
    """The variable of the policy is the user's own name."""
    ended = setup.run("export AWS_PROFILE=carol; date | aws s3 cp - s3://minio-data/ann/now.txt")
    assert ended.returncode != 0
    assert "not authorized to perform: s3:PutObject" in ended.stderr
