"""AWS's own names for its sign-in, as audience and as recipient.

A provider that was set up for AWS sends them. Names that only look like them belong to others.
"""

from dataclasses import replace

import pytest
from tests.federation.saml.conftest import GOOD, World

from daypass.errors import Fault
from daypass.federation.saml.settings import SamlSettings

HOSTS = (
    "signin.aws.amazon.com",
    "us-east-1.signin.aws.amazon.com",
    "ap-southeast-7.signin.aws.amazon.com",
    "us-gov-west-1.signin.aws.amazon.com",
    "signin.amazonaws.cn",
    "cn-north-1.signin.amazonaws.cn",
    "cn-northwest-1.signin.amazonaws.cn",
    "signin.amazonaws-us-gov.com",
    "us-gov-east-1.signin.amazonaws-us-gov.com",
    "signin-fips.amazonaws-us-gov.com",
    "us-gov-west-1.signin-fips.amazonaws-us-gov.com",
    "signin.amazonaws-eusc.eu",
    "eusc-de-east-1.signin.amazonaws-eusc.eu",
    "us-iso-east-1.signin.c2shome.ic.gov",
    "us-isob-east-1.signin.sc2shome.sgov.gov",
    "eu-isoe-west-1.signin.csphome.adc-e.uk",
    "us-isof-south-1.signin.csphome.hci.ic.gov",
)
ADDRESSES = [
    f"https://{host}{path}"
    for host in HOSTS
    for path in ("/saml", "/saml/acs/SAMLSP3V2TU7G4AEXAMPLE", "/saml/acs/0d4c8f6e-6a5b-4f3c-9f0e-0123456789ab")
]
ENTITY_IDS = [
    "urn:amazon:webservices",
    "urn:amazon:webservices:govcloud",
    "urn:amazon:webservices:cn-north-1",
    "urn:amazon:webservices:cn-northwest-1",
    "urn:amazon:webservices:us-gov-west-1",
    "urn:amazon:webservices:eusc-de-east-1",
]
LOOKALIKES = [
    "https://signin.aws.amazon.com.evil/saml",
    "https://signin.aws.amazon.com.evil.example/saml",
    "https://evil-signin.aws.amazon.com/saml",
    "https://evil.example.signin.aws.amazon.com/saml",
    "https://us-east-1.evil.signin.aws.amazon.com/saml",
    "https://us-east-1signin.aws.amazon.com/saml",
    "https://us-east-1.signin.aws.amazon.com:443/saml",
    "https://signin.aws.amazon.com:7878/saml",
    "https://alice@signin.aws.amazon.com/saml",
    "https://signin.aws.amazon.com@evil.example/saml",
    "https://signin.aws.amazon.com/saml@evil.example",
    "https://evil.example/signin.aws.amazon.com/saml",
    "https://signin.aws.amazon.com\\@evil.example/saml",
    "https://signin.aws.amazon.com%2eevil.example/saml",
    "https://signinXaws.amazon.com/saml",
    "https://signin.amazonaws.com/saml",
    "https://signin.amazonaws.cn.evil.example/saml",
    "https://signin.amazonaws-us-gov.com.evil/saml",
    "https://signin.amazonaws-eusc.eu.evil/saml",
    "https://signin-fips.aws.amazon.com/saml",
    "https://signin.c2shome.ic.gov.evil/saml",
    "http://signin.aws.amazon.com/saml",
    "HTTPS://signin.aws.amazon.com/saml",
    "https://SIGNIN.aws.amazon.com/saml",
    "https://signin.aws.amazon.com./saml",
    "//signin.aws.amazon.com/saml",
    "signin.aws.amazon.com/saml",
    "https://signin.aws.amazon.com",
    "https://signin.aws.amazon.com/",
    "https://signin.aws.amazon.com/saml/",
    "https://signin.aws.amazon.com/SAML",
    "https://signin.aws.amazon.com//saml",
    "https://signin.aws.amazon.com/saml2",
    "https://signin.aws.amazon.com/saml?x=1",
    "https://signin.aws.amazon.com/saml#2",
    "https://signin.aws.amazon.com/saml/acs",
    "https://signin.aws.amazon.com/saml/acs/",
    "https://signin.aws.amazon.com/saml/acs/a/b",
    "https://signin.aws.amazon.com/saml/acs/../x",
    "https://signin.aws.amazon.com/saml/acs/SAMLSP3?x",
    f"https://signin.aws.amazon.com/saml/acs/{'a' * 65}",
    "https://us-east-1.signin.aws.amazon.com/platform/saml/acs/0d4c8f6e-6a5b-4f3c-9f0e-0123456789ab",
    "https://signin.aws.amazon.com/saml\n",
    "\nhttps://signin.aws.amazon.com/saml",
    "https://s\u0456gnin.aws.amazon.com/saml",
    "https://signin.aws.amazon.com\u3002evil.example/saml",
]
OTHER_ENTITIES = [
    "urn:amazon:webservices:clientvpn",
    "urn:amazon:webservices:",
    "urn:amazon:webservices:govcloud:x",
    "urn:amazon:webservices:evil",
    "urn:amazon:webservices:govcloud.evil",
    "urn:amazon:webservices.evil.example",
    "urn:amazon:webservicesgovcloud",
    "URN:AMAZON:WEBSERVICES",
    "urn:amazon:webservice",
    "urn:amazon:webservices\n",
]
OURS = SamlSettings()


@pytest.mark.parametrize("name", ADDRESSES)
def test_each_sign_in_address_of_aws_is_ours(name: str) -> None:
    """In every partition, with a region or without, and with the identifier that encryption requires."""
    assert OURS.is_recipient(name)
    assert OURS.is_audience(name)


@pytest.mark.parametrize("name", ENTITY_IDS)
def test_each_entity_id_of_aws_is_an_audience(name: str) -> None:
    """An entity ID is not an address."""
    assert OURS.is_audience(name)
    assert not OURS.is_recipient(name)


@pytest.mark.parametrize("name", [*LOOKALIKES, *OTHER_ENTITIES])
def test_a_name_that_looks_like_awss_is_not_ours(name: str) -> None:
    """The comparison is exact, because the name belongs to another server."""
    assert not OURS.is_audience(name)
    assert not OURS.is_recipient(name)


def test_the_gallery_application_of_entra_id_is_taken_as_it_is(world: World) -> None:
    """It sends the sign-in address as the audience. An operator need not set anything."""
    address = "https://signin.aws.amazon.com/saml"
    assert world.judge(world.response(replace(GOOD, audiences=(address,), recipient=address))).audience == address
    encrypted = "https://eu-central-1.signin.aws.amazon.com/saml/acs/SAMLSP3V2TU7G4AEXAMPLE"
    response = world.response(replace(GOOD, recipient=encrypted), encryption=world.encryption)
    assert world.judge(response).audience == encrypted
    for other in (replace(GOOD, audiences=(f"{address}.evil",)), replace(GOOD, recipient=f"{address}.evil")):
        with pytest.raises(Fault, match="does not contain the required audience"):
            world.judge(world.response(other))
