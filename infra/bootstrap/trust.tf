# Who may take the roles that deploy and that monitor: jobs of this repository in the environments named for each, and nobody else.

resource "aws_iam_openid_connect_provider" "ci" {
  count          = var.oidc_provider_arn == null ? 1 : 0
  url            = "https://${var.issuer}"
  client_id_list = [var.audience]
}

locals {
  # By role, the subjects that may take it.
  trusted = merge(
    { for environment, deployer in var.deployers : "deploy-${environment}" => deployer.subjects },
    { for environment, subjects in var.monitors : "monitor-${environment}" => subjects },
  )
  oidc_provider = var.oidc_provider_arn == null ? aws_iam_openid_connect_provider.ci[0].arn : var.oidc_provider_arn
}

data "aws_iam_policy_document" "trust" {
  for_each = local.trusted

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.oidc_provider]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.issuer}:aud"
      values   = [var.audience]
    }

    condition {
      test     = strcontains(join("", each.value), "*") ? "StringLike" : "StringEquals" # CircleCI's subjects name a user
      variable = "${var.issuer}:sub"
      values   = each.value
    }
  }
}

resource "aws_iam_role" "deploy" {
  for_each             = var.deployers
  name                 = module.names[each.key].roles.deploy
  description          = "Deploys to ${each.key}, from CI"
  assume_role_policy   = data.aws_iam_policy_document.trust["deploy-${each.key}"].json
  max_session_duration = 7200 # a deployment may bake for an hour
}

resource "aws_iam_role_policy" "deploy" {
  for_each = var.deployers
  name     = "deploy"
  role     = aws_iam_role.deploy[each.key].id
  policy   = data.aws_iam_policy_document.deploy[each.key].json
}
