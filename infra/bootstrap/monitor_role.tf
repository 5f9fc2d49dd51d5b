# Who may look at what a service recorded, from CI: jobs of this repository in the environment that trains, which may not deploy.

resource "aws_iam_role" "monitor" {
  for_each             = var.monitors
  name                 = module.names[each.key].roles.monitor
  description          = "Looks at what the service in ${each.key} recorded, from CI"
  assume_role_policy   = data.aws_iam_policy_document.trust["monitor-${each.key}"].json
  max_session_duration = 21600 # after drift it trains
}

data "aws_iam_policy_document" "monitor" {
  for_each = var.monitors

  statement {
    sid       = "ReadTheContract"
    actions   = ["ssm:GetParameter"]
    resources = ["arn:aws:ssm:${local.here}:parameter/${module.names[each.key].path}/deploy"]
  }

  statement {
    sid       = "ReadPredictions"
    actions   = ["s3:GetObject"]
    resources = ["${local.artifacts[each.key]}/predictions/*"]
  }

  statement {
    # make retrain also reads training data.
    sid       = "ReadData"
    actions   = ["s3:GetObject"]
    resources = ["${local.artifacts[each.key]}/data/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.artifacts[each.key]]
  }

  statement {
    sid       = "TellOfDrift"
    actions   = ["sns:Publish"]
    resources = ["arn:aws:sns:${local.here}:${module.names[each.key].full}-alarms"]
  }
}

resource "aws_iam_role_policy" "monitor" {
  for_each = var.monitors
  name     = "monitor"
  role     = aws_iam_role.monitor[each.key].id
  policy   = data.aws_iam_policy_document.monitor[each.key].json
}

locals {
  artifacts = { for environment, names in module.names : environment => "arn:aws:s3:::${names.short}-${environment}-artifacts-${local.account}" }
}
