"""The image registry, over HTTP as Docker uses it, and its images in ECR."""

import base64
import hashlib
import io
import json
import tarfile

import pytest
import requests

from ecs_local import images

from .account import NAME

JSON = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def base(emulator):
    return f"{emulator.url}/v2/{NAME}"


def pushed(base, data):
    """Push a blob in two chunks and return its part of a manifest."""
    location = requests.post(f"{base}/blobs/uploads/").headers["Location"]
    root = base.partition("/v2/")[0]
    half = len(data) // 2
    first = requests.patch(root + location, data=data[:half])
    assert (first.status_code, first.headers["Range"]) == (202, f"0-{half - 1}")
    # Docker sends chunks without a length.
    requests.patch(root + location, data=iter([data[half:]])).raise_for_status()
    assert requests.get(root + location).headers["Range"] == f"0-{len(data) - 1}"
    done = requests.put(root + location, params={"digest": digest(data)})
    assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest(data))
    return {"mediaType": "any", "digest": digest(data), "size": len(data)}


def manifest(base, content):
    parts = [pushed(base, part) for part in (b'{"config": {}}', content)]
    described = {"schemaVersion": 2, "mediaType": JSON, "config": parts[0], "layers": parts[1:]}
    return json.dumps(described).encode()


def put(base, reference, data, media_type=JSON):
    headers = {"Content-Type": media_type}
    return requests.put(f"{base}/manifests/{reference}", data=data, headers=headers)


def error_of(answer):
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_pushed_image_is_pulled_by_tag_and_digest_and_is_in_ecr(emulator, base):
    assert requests.get(f"{emulator.url}/v2/").status_code == 200
    data = manifest(base, b"layer of the first")
    assert put(base, "first", data).status_code == 201
    for reference in ("first", digest(data)):
        found = requests.get(f"{base}/manifests/{reference}")
        assert (found.content, found.headers["Content-Type"]) == (data, JSON)
        there = requests.head(f"{base}/manifests/{reference}")
        assert there.headers["Docker-Content-Digest"] == digest(data)
        assert int(there.headers["Content-Length"]) == len(data)
    layer = requests.get(f"{base}/blobs/{digest(b'layer of the first')}")
    assert layer.content == b"layer of the first"
    known = emulator.client("ecr").describe_images(
        repositoryName=NAME, imageIds=[{"imageTag": "first"}]
    )["imageDetails"][0]
    assert (known["imageDigest"], known["imageTags"]) == (digest(data), ["first"])


def test_tags_are_immutable_but_the_same_image_may_be_pushed_again(base):
    data = manifest(base, b"layer of the second")
    assert put(base, "second", data).status_code == 201
    assert put(base, "second", data).status_code == 201
    other = manifest(base, b"layer of another")
    assert error_of(put(base, "second", other)) == (409, "TAG_INVALID")
    assert requests.get(f"{base}/manifests/second").content == data
    assert put(base, digest(other), other).status_code == 201


def test_bytes_with_another_digest_are_refused(base):
    wrong = digest(b"other bytes")
    answer = requests.post(f"{base}/blobs/uploads/?digest={wrong}", data=b"bytes")
    assert error_of(answer) == (400, "DIGEST_INVALID")
    assert requests.head(f"{base}/blobs/{wrong}").status_code == 404
    data = manifest(base, b"layer of the third")
    assert error_of(put(base, wrong, data)) == (400, "DIGEST_INVALID")
    for invalid in (b"[]", data.decode().encode("utf-16"), b'{"layers": [{"digest": 1}]}'):
        assert error_of(put(base, "third", invalid)) == (400, "MANIFEST_INVALID")
    invalid = {"digest": "sha256:short"}
    assert error_of(requests.post(f"{base}/blobs/uploads/", params=invalid, data=b"x")) == (
        400,
        "DIGEST_INVALID",
    )
    lacking = data.replace(digest(b"layer of the third").encode(), wrong.encode())
    assert error_of(put(base, "third", lacking)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_missing_and_unsupported_have_the_apis_error_codes(emulator, base):
    assert error_of(requests.get(f"{base}/manifests/none")) == (404, "MANIFEST_UNKNOWN")
    assert error_of(requests.get(f"{base}/blobs/{digest(b'none')}")) == (404, "BLOB_UNKNOWN")
    assert error_of(requests.delete(f"{base}/manifests/none")) == (405, "UNSUPPORTED")
    upload = f"{base}/blobs/uploads/{'0' * 32}"
    assert error_of(requests.patch(upload, data=b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    data = manifest(base, b"layer of the fourth")
    unknown = f"{emulator.url}/v2/nowhere"
    assert error_of(put(unknown, "t", data)) == (404, "NAME_UNKNOWN")


def test_a_blob_that_is_there_is_mounted_and_a_list_names_manifests(base):
    data = manifest(base, b"layer of the fifth")
    put(base, digest(data), data)
    layer = digest(b"layer of the fifth")
    mounted = requests.post(f"{base}/blobs/uploads/?mount={layer}&from={NAME}")
    assert mounted.status_code == 201
    for unknown in (digest(b"none"), "sha256:short", "sha512:0", "../../port"):
        answer = requests.post(f"{base}/blobs/uploads/", params={"mount": unknown, "from": NAME})
        assert answer.status_code == 202, unknown
        assert answer.headers["Location"].startswith(f"/v2/{NAME}/blobs/uploads/")
    part = {"mediaType": JSON, "digest": digest(data), "size": len(data)}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    listed = json.dumps({**index, "manifests": [part]}).encode()
    assert put(base, "many", listed, index["mediaType"]).status_code == 201
    assert requests.get(f"{base}/manifests/many").headers["Content-Type"] == index["mediaType"]


def test_docker_is_sent_to_this_registry_by_ecr(emulator):
    [token] = emulator.client("ecr").get_authorization_token()["authorizationData"]
    assert token["proxyEndpoint"] == emulator.url
    assert base64.b64decode(token["authorizationToken"]).startswith(b"AWS:")


@pytest.mark.parametrize("name", ["../out", "/out", "link"])
def test_a_layer_that_reaches_out_of_its_folder_is_not_unpacked(tmp_path, name):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        if name == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry, io.BytesIO())
    store = images.Images(tmp_path / "store")
    layer = packed.getvalue()
    store.add_blob([layer], digest(layer))
    data = json.dumps({"layers": [{"digest": digest(layer)}]}).encode()
    made = store.add_manifest("r", "", data, JSON)
    with pytest.raises(ValueError, match="no plain file"):
        store.unpacked(made)
    assert not (tmp_path / "out").exists()
