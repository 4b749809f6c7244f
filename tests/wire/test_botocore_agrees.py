"""botocore is the oracle: it serializes our inputs and parses our outputs."""

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json
from tests.wire.requests import post
from tests.wire.shapes import inputs, outputs

from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode
from daypass.wire.faults import answer
from daypass.wire.model import SERVICES, load_service

OURS = {service: load_service(service) for service in SERVICES}
ACTIONS = [(service, action) for service, model in OURS.items() for action in model.operations]
QUICK = settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def botocores(service: str) -> Any:
    """Return botocore's own model of a service."""
    path = files("botocore") / "data" / service / SERVICES[service] / "service-2.json.gz"
    return ServiceModel(json.decode(gzip.decompress(path.read_bytes())), service)


@pytest.mark.parametrize(("service", "action"), ACTIONS)
@QUICK
@given(data=st.data())
def test_what_a_client_sends_is_read(catalog: Catalog, service: str, action: str, data: st.DataObject) -> None:
    """Any valid input that the AWS CLI serializes is parsed to an equal value, and each of its names is accepted."""
    shape = OURS[service].operations[action].input
    params = data.draw(inputs(OURS[service].shapes, shape.shape)) if shape else {}
    operation = botocores(service).operation_model(action)
    sent = create_serializer("query").serialize_to_request(params, operation)
    prepared = AWSRequest("POST", "http://sts/", data=sent["body"]).prepare()
    call = decode(post(prepared.body), catalog)
    assert (call.service, call.action) == (service, action)
    call.model.compile_supported(None)(call.form_params)
    assert call.model.parse(call.form_params) == params


@pytest.mark.parametrize(("service", "action"), ACTIONS)
@QUICK
@given(data=st.data())
def test_what_we_answer_is_read(catalog: Catalog, service: str, action: str, data: st.DataObject) -> None:
    """The AWS CLI parses any result to an equal value."""
    shape = OURS[service].operations[action].output
    result = data.draw(outputs(OURS[service].shapes, shape.shape)) if shape else {}
    operation = catalog.find(action, SERVICES[service])
    response = answer(operation.render(result, "id"), request_id="id", wants_json=False)
    headers = {name.decode(): value.decode() for name, value in response.headers}
    received = {"body": response.body, "headers": headers, "status_code": response.status}
    theirs = botocores(service).operation_model(action).output_shape
    parsed = create_parser("query").parse(received, theirs)
    assert parsed.pop("ResponseMetadata")["RequestId"] == "id"
    assert parsed == result


@pytest.mark.parametrize(("service", "action"), ACTIONS)
@QUICK
@given(data=st.data())
def test_the_json_answer_says_the_same(catalog: Catalog, service: str, action: str, data: st.DataObject) -> None:
    """Any result has a JSON form without markup and with the same members."""
    shape = OURS[service].operations[action].output
    result = data.draw(outputs(OURS[service].shapes, shape.shape)) if shape else {}
    encoded = catalog.find(action, SERVICES[service]).render_json(result, "id")
    assert not set(encoded) & set(b"<>&")
    response = json.decode(encoded)[f"{action}Response"]
    assert response.get(f"{action}Result", {}).keys() == result.keys()
