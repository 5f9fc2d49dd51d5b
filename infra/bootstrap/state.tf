# The bucket of Terraform's states. Its first state is written into it by `make infra-apply ENV=bootstrap`.

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_145:S3's own key; a key of ours would be one more grant for administrators
  #checkov:skip=CKV_AWS_18:versions show what changed, and CloudTrail who did it
  #checkov:skip=CKV_AWS_144:a state can be imported again; a second region doubles what has to be kept secret
  #checkov:skip=CKV2_AWS_61:states are small, and any version of them may be wanted
  #checkov:skip=CKV2_AWS_62:nothing waits for a new state
  bucket = "${module.shared_names.short}-terraform-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "state" {
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]

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

resource "aws_s3_bucket_policy" "state" {
  bucket     = aws_s3_bucket.state.id
  policy     = data.aws_iam_policy_document.state.json
  depends_on = [aws_s3_bucket_public_access_block.state]
}
