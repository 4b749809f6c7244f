"""Names of regions, and the regions that an endpoint serves."""

import pytest

from daypass.config import ConfigurationError, load_config
from daypass.regions import home_region, is_aws_region, is_region_name, known_regions, served_regions

GOOD = ("us-east-1", "garage", "auto", "fr-par", "RegionOne", "local", "default", "0", "x", "A" * 63, "a-", "US-EAST-1")
BAD = ("", "_", "a_b", "a.b", "a/b", "-a", "A" * 64, "é", "fr\u2011par", "us-east-1\n", " a", "a b", "*", "a\0", "٣")
OF_AWS = ("us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "ap-southeast-5", "eusc-de-east-1")
NOT_OF_AWS = ("", "aws-global", "us-east-99", "us-east-1\n", "US-EAST-1", "moon-base-1", "default")


@pytest.mark.parametrize("name", [*GOOD, *OF_AWS])
def test_any_name_of_the_form_is_a_region(name: str) -> None:
    """Operators of other stores choose names freely."""
    assert is_region_name(name)
    assert served_regions(())(name)
    assert known_regions(())(name)


@pytest.mark.parametrize("name", BAD)
def test_other_names_are_not(name: str) -> None:
    """ASCII letters, digits and hyphens, as in a label of DNS."""
    assert not is_region_name(name)
    assert not served_regions(())(name)
    assert not known_regions({"garage"})(name)


@pytest.mark.parametrize("name", OF_AWS)
def test_the_names_of_aws_are_known_by_their_form(name: str) -> None:
    """A region that AWS opens tomorrow works without an update."""
    assert is_aws_region(name)


@pytest.mark.parametrize("name", NOT_OF_AWS)
def test_other_names_are_not_of_aws(name: str) -> None:
    """Upper case is another name."""
    assert not is_aws_region(name)


@pytest.mark.parametrize(
    ("name", "served", "known"),
    [("garage", True, True), ("Garage", False, False), ("us-east-1", False, True), ("auto", False, False)],
)
def test_a_list_names_the_regions_that_are_served(name: str, served: bool, known: bool) -> None:  # noqa: FBT001 - a table
    """Names are compared exactly. One of AWS's is known, so that the caller learns that it is not served."""
    named = {"garage", "basement-1"}
    assert (served_regions(named)(name), known_regions(named)(name)) == (served, known)


def test_a_refusal_names_a_region_that_is_served() -> None:
    """The usual one, unless the operator does not serve it."""
    assert home_region((), "us-east-1") == "us-east-1"
    assert home_region({"garage", "us-east-1"}, "us-east-1") == "us-east-1"
    assert home_region({"garage", "basement-1"}, "us-east-1") == "basement-1"


@pytest.mark.parametrize("names", ["garage", " fr-par , RegionOne ", "A" * 63])
def test_the_setting_takes_names_of_the_form(names: str) -> None:
    """They are separated by commas."""
    assert load_config({}, {"DAYPASS_REGIONS": names}).regions == {name.strip() for name in names.split(",")}


@pytest.mark.parametrize("names", ["a_b", "us-east-1 eu-west-1", "fr.par", "A" * 64])
def test_the_setting_refuses_a_malformed_name(names: str) -> None:
    """No signature could name it."""
    with pytest.raises(ConfigurationError, match=r"DAYPASS_REGIONS cannot be .* is not a valid region name"):
        load_config({}, {"DAYPASS_REGIONS": names})
