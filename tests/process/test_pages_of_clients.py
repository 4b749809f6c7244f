"""The configurations and commands of the pages about S3 clients work as they are written.

Each page builds on the role and the profile of docs/gateway.md, whose commands run first.
"""

from collections.abc import Iterator

import pytest
from tests.components import client_python, node_packages
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


@pytest.mark.parametrize("page", ["aws-cli", "boto3"])
def test_a_page_works_as_written(setup: DocumentedSetup, page: str) -> None:
    """The files, commands and output of the page are true."""
    setup.run_page(f"integrations/{page}.md")


@pytest.mark.component("s3cmd")
def test_s3cmd(setup: DocumentedSetup) -> None:
    """Its file has no keys: they come from `daypass exec`."""
    setup.run_page("integrations/s3cmd.md")


@pytest.mark.component("rclone")
def test_rclone(setup: DocumentedSetup) -> None:
    """It does not create the bucket."""
    setup.run_page("integrations/rclone.md")


@pytest.mark.component("s5cmd")
def test_s5cmd(setup: DocumentedSetup) -> None:
    """The AWS SDK for Go, version 1."""
    setup.run_page("integrations/s5cmd.md")


@pytest.mark.component("aws-sdk-js")
def test_javascript(setup: DocumentedSetup) -> None:
    """A module finds the packages beside it."""
    packages = setup.home / "node_modules"
    packages.symlink_to(node_packages() / "node_modules")
    setup.run_page("integrations/javascript.md")


@pytest.mark.component("s3fs")
def test_s3fs(setup: DocumentedSetup) -> None:
    """It reads the profile, and assumes the role itself."""
    setup.run_page("integrations/s3fs.md", client_python("s3fs").parent)


@pytest.mark.component("minio-py")
@pytest.mark.component("pyarrow")
@pytest.mark.component("pyiceberg")
@pytest.mark.component("duckdb")
@pytest.mark.parametrize("page", ["minio-clients", "pyarrow", "pyiceberg", "duckdb"])
def test_libraries(setup: DocumentedSetup, page: str) -> None:
    """Each library has the session of `daypass exec`."""
    setup.run_page(f"integrations/{page}.md", client_python(page).parent)
