"""The service keeps to its own OpenAPI document, whatever Schemathesis makes of it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
]
KEY = "a key"

drawn = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def operations(service):
    schema = schemathesis.openapi.from_url(service.url + "/openapi.json")
    return {f"{one.ok().method} {one.ok().path}": one.ok() for one in schema.get_all_operations()}


def conforms(operation, mode, **headers):
    """Send drawn requests; return how often each status was answered."""
    statuses: dict = {}

    @drawn
    @given(operation.as_strategy(generation_mode=mode))
    def answered(case):
        if mode is schemathesis.GenerationMode.POSITIVE and isinstance(case.body, dict):
            for row in case.body["rows"]:
                row["born"] = "31/12/1999"  # JSON schema cannot express its form
        response = case.call(headers=headers, timeout=60)
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS, headers=headers)

    answered()
    return statuses


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", ["binary", "number"])
def test_predictions_keep_to_the_document(served, name, mode):
    statuses = conforms(operations(served(name))["post /predict"], mode)
    assert set(statuses) == ({200} if mode is schemathesis.GenerationMode.POSITIVE else {422})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/metrics"])
def test_everything_else_keeps_to_the_document(served, path):
    operation = operations(served("binary"))[f"get {path}"]
    assert set(conforms(operation, schemathesis.GenerationMode.POSITIVE)) == {200}


def test_with_an_api_key_too(serve, exported):
    service = serve(exported("binary").checkout, API_KEY=KEY)
    operation = operations(service)["post /predict"]
    positive = schemathesis.GenerationMode.POSITIVE
    assert set(conforms(operation, positive, **{"X-API-Key": KEY})) == {200}
    refused = operation.Case(body={"rows": []}).call()
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == ["APIKey"]
    operation.Case(body={"rows": []}).validate_response(
        refused, checks=[status_code_conformance, response_schema_conformance]
    )


def test_openapi_document_is_complete(served):
    service = served("binary")
    document = service.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    documented = {path: set(methods) for path, methods in document["paths"].items()}
    assert documented == {
        "/predict": {"post"},
        **{path: {"get"} for path in ("/healthz", "/readyz", "/version", "/metrics")},
    }
    answers = document["paths"]["/predict"]["post"]["responses"]
    assert set(answers) == {"200", "401", "408", "413", "422", "500", "503", "504"}
