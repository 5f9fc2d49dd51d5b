"""The operation in a request to S3, as boto3 sends it."""

import io

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config

from ecs_local import calls

BUCKET, OBJECT = {"Bucket": "b"}, {"Bucket": "b", "Key": "a/b c"}
UPLOAD = {**OBJECT, "UploadId": "1"}
SOURCE = {"CopySource": "b/other"}
CALLS = {
    "ListBuckets": {},
    "CreateBucket": BUCKET,
    "HeadBucket": BUCKET,
    "DeleteBucket": BUCKET,
    "ListObjects": BUCKET,
    "ListObjectsV2": {**BUCKET, "Prefix": "location"},
    "ListObjectVersions": BUCKET,
    "ListMultipartUploads": BUCKET,
    "GetBucketLocation": BUCKET,
    "GetBucketPolicy": BUCKET,
    "GetBucketLifecycleConfiguration": BUCKET,
    "GetPublicAccessBlock": BUCKET,
    "ListBucketMetricsConfigurations": BUCKET,
    "GetBucketMetricsConfiguration": {**BUCKET, "Id": "1"},
    "PutBucketVersioning": {**BUCKET, "VersioningConfiguration": {"Status": "Enabled"}},
    "DeleteBucketPolicy": BUCKET,
    "DeleteObjects": {**BUCKET, "Delete": {"Objects": [{"Key": "k"}]}},
    "GetObject": OBJECT,
    "HeadObject": OBJECT,
    "PutObject": {**OBJECT, "Body": b"x"},
    "DeleteObject": OBJECT,
    "CopyObject": {**OBJECT, **SOURCE},
    "GetObjectTagging": OBJECT,
    "PutObjectTagging": {**OBJECT, "Tagging": {"TagSet": []}},
    "CreateMultipartUpload": OBJECT,
    "UploadPart": {**UPLOAD, "PartNumber": 1, "Body": b"x"},
    "UploadPartCopy": {**UPLOAD, **SOURCE, "PartNumber": 1},
    "ListParts": UPLOAD,
    "CompleteMultipartUpload": UPLOAD,
    "AbortMultipartUpload": UPLOAD,
}


class SentError(Exception):
    """Ends a call of boto3 with its request."""


@pytest.fixture(scope="module")
def client():
    made = boto3.client(
        "s3",
        region_name="eu-central-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(s3={"addressing_style": "path"}),
    )

    def sent(request, **_):
        raise SentError(request)

    made.meta.events.register("before-send.s3", sent)
    return made


@pytest.mark.parametrize("operation", CALLS)
def test_a_request_to_s3_has_the_operation_that_was_called(client, operation):
    with pytest.raises(SentError) as caught:
        getattr(client, xform_name(operation))(**CALLS[operation])
    [request] = caught.value.args
    path, _, query = request.url.partition("127.0.0.1:1")[2].partition("?")
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": (
            value.decode() if isinstance(value, bytes) else str(value)
        )
        for name, value in request.headers.items()
    }
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(),
        **headers,
    }
    call = calls.read(environ)
    assert (call.service, call.operation) == ("s3", operation)


def test_a_request_that_is_no_operation_has_none():
    credential = {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=k/20261129/r/s3/aws4_request,"}
    environ = {"REQUEST_METHOD": "PATCH", "PATH_INFO": "/b", "wsgi.input": io.BytesIO()}
    assert calls.read({**environ, **credential}).operation == ""
