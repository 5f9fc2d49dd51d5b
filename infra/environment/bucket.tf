# Artifacts of runs and models, below data/ what training reads, and below predictions/ what the service recorded.

resource "aws_s3_bucket" "artifacts" {
  #checkov:skip=CKV_AWS_145:S3's own key; a key of ours would be one more grant for each reader
  #checkov:skip=CKV_AWS_18:who reads and writes are two roles; CloudTrail has the rest
  #checkov:skip=CKV_AWS_144:versions guard against mistakes; a second region doubles the price
  #checkov:skip=CKV2_AWS_62:nothing waits for an artifact
  bucket        = "${module.names.short}-${var.environment}-artifacts-${local.account}"
  force_destroy = !var.protected
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = local.records ? [1] : []

    content {
      id     = "predictions"
      status = "Enabled"

      filter {
        prefix = "${local.predictions}/"
      }

      expiration {
        days = var.prediction_days
      }

      # They hold what people sent, so expired ones do not stay as old versions.
      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }
}

data "aws_iam_policy_document" "artifacts" {
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "artifacts" {
  bucket     = aws_s3_bucket.artifacts.id
  policy     = data.aws_iam_policy_document.artifacts.json
  depends_on = [aws_s3_bucket_public_access_block.artifacts]
}
