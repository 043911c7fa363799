"""A specification of another schema is refused before its fields are looked at."""

import json

import pytest

from edge.contract.spec import decode_spec, encode_spec
from edge.errors import DataError, RefusedError
from tests.fakes import spec


def changed(**fields):
    described = json.loads(encode_spec(spec()))
    for name, value in fields.items():
        described.pop(name) if value is None else described.update({name: value})
    return json.dumps(described).encode()


def test_what_is_written_is_read():
    assert decode_spec(encode_spec(spec())) == spec()


def test_an_older_schema_is_refused_with_what_to_run_whatever_fields_it_has():
    with pytest.raises(RefusedError, match=r"schema 1, this version reads 2.*sonocart export"):
        decode_spec(changed(schema=1, ood_threshold=None))


@pytest.mark.parametrize("threshold", [None, 0.0, -1.0, "2"])
def test_a_threshold_of_ood_that_makes_no_sense_is_named(threshold):
    with pytest.raises(DataError, match="ood_threshold"):
        decode_spec(changed(ood_threshold=threshold))


def test_a_graph_without_ood_is_named():
    with pytest.raises(DataError, match="no output 'ood'"):
        decode_spec(changed(outputs=json.loads(encode_spec(spec()))["outputs"][:2]))


def test_a_specification_that_is_no_text_is_refused():
    with pytest.raises(DataError, match="not valid"):
        decode_spec(encode_spec(spec()).replace(b"fake", b"fa\xffe"))


POINT = {"name": "balanced", "threshold": 0.5}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ["malignant", "benign"]}, "labels"),
        ({"temperature": 0.0}, "temperature"),
        ({"operating_points": [POINT, {**POINT, "threshold": 0.9}]}, "same name"),
        ({"preprocessing": {**json.loads(encode_spec(spec()))["preprocessing"], "context": -1.0}}, "context"),
        (
            {"outputs": [{**o, "dtype": "float64"} for o in json.loads(encode_spec(spec()))["outputs"]]},
            "expected float32",
        ),
    ],
)
def test_figures_that_would_mean_something_else_are_named(fields, message):
    with pytest.raises(DataError, match=message):
        decode_spec(changed(**fields))
