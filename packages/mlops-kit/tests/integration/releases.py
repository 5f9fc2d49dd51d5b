"""A release that several tests deploy, ask or look for."""

from mlops_kit.delivery.deploy.release import Release

DIGEST = f"sha256:{'ab' * 32}"


def release(digest: str = DIGEST, **changes: object) -> Release:
    record = {
        "digest": digest,
        "tag": "0123-v3",
        "commit": "0123",
        "registered_model": "churn",
        "model_version": "3",
        "model_commit": "c0",
        "data_digest": "d0",
        "pushed_by": "ann",
        "pushed_at": "2026-11-24T12:00:00Z",
        "golden": [{"row": {"a": 1}, "answer": {"prediction": 1.0}}],
        "tolerance": 1e-5,
        "scale": 1.0,
    }
    return Release.model_validate({**record, **changes})
