# Records of releases and deployments (packages/mlops-kit/src/mlops_kit/delivery/deploy/records.py), and the deployer's lock.

resource "aws_s3_bucket" "records" {
  #checkov:skip=CKV_AWS_145:S3's own key; a key of ours would be one more grant for each deployer
  #checkov:skip=CKV_AWS_18:every record has its author; CloudTrail has the rest
  #checkov:skip=CKV_AWS_144:records matter where the deployments are
  #checkov:skip=CKV2_AWS_61:records are small, and their history is what they are for
  #checkov:skip=CKV2_AWS_62:nothing waits for a record
  bucket = "${module.names.short}-records-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_bucket_versioning" "records" {
  bucket = aws_s3_bucket.records.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "records" {
  bucket = aws_s3_bucket.records.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "records" {
  bucket                  = aws_s3_bucket.records.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "records" {
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.records.arn, "${aws_s3_bucket.records.arn}/*"]

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

resource "aws_s3_bucket_policy" "records" {
  bucket     = aws_s3_bucket.records.id
  policy     = data.aws_iam_policy_document.records.json
  depends_on = [aws_s3_bucket_public_access_block.records]
}
