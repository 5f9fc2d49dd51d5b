# What tasks may do, and ECS for them.

data "aws_iam_policy_document" "trust" {
  for_each = toset(["ecs-tasks", "ecs"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    # AWS documents it for tasks. Its policy for the load balancer's role has no condition, and no document names the keys
    # that ECS sends there: a key that it does not send would lock it out.
    dynamic "condition" {
      for_each = each.key == "ecs-tasks" ? [local.account] : []

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

locals {
  account = data.aws_caller_identity.current.account_id
  here    = "${var.region}:${local.account}"

  roles = merge(
    {
      execution = { service = "ecs-tasks", does = "ECS starts tasks: images, logs, secrets" }
      task      = { service = "ecs-tasks", does = "The service itself: what it recorded goes to S3, and it reads its flags there" }
      balancer  = { service = "ecs", does = "ECS moves traffic on the load balancer" }
    },
    var.mlflow == null ? {} : { mlflow = { service = "ecs-tasks", does = "MLflow keeps artifacts" } },
    var.training == null ? {} : { training = { service = "ecs-tasks", does = "Training reads data" } },
  )

  # Whether the service records its requests, and where the records go.
  records     = var.prediction_days > 0
  predictions = "predictions"

  # Without the :key:stage:version that a task definition takes behind a secret's ARN.
  own_secrets    = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7)) if !strcontains(arn, ":ssm:")])
  own_parameters = [for arn in values(var.secrets) : arn if strcontains(arn, ":ssm:")]
  all_secrets    = concat(local.own_secrets, local.mlflow_secrets, local.training_secrets)
}

resource "aws_iam_role" "this" {
  for_each           = local.roles
  name               = module.names.roles[each.key]
  description        = each.value.does
  assume_role_policy = data.aws_iam_policy_document.trust[each.value.service].json
}

data "aws_iam_policy_document" "execution" {
  #checkov:skip=CKV_AWS_356:only ecr:GetAuthorizationToken, which takes no resource
  statement {
    sid       = "LogInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # takes no resource
  }

  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for name in values(module.names.repositories) : "arn:aws:ecr:${local.here}:repository/${name}"]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in local.log_groups : "arn:aws:logs:${local.here}:log-group:/${module.names.path}/${group}:log-stream:*"]
  }

  dynamic "statement" {
    for_each = length(local.all_secrets) > 0 ? [1] : []

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.all_secrets
    }
  }

  dynamic "statement" {
    for_each = length(local.own_parameters) > 0 ? [1] : []

    content {
      sid       = "ReadParameters"
      actions   = ["ssm:GetParameters"]
      resources = local.own_parameters
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.this["execution"].id
  policy = data.aws_iam_policy_document.execution.json
}

data "aws_iam_policy_document" "task" {
  statement {
    sid       = "KeepPredictions"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.artifacts.arn}/${local.predictions}/*"]
  }
}

resource "aws_iam_role_policy" "task" {
  count  = local.records ? 1 : 0
  name   = "keep-predictions"
  role   = aws_iam_role.this["task"].id
  policy = data.aws_iam_policy_document.task.json
}

# challenger.share.file of configs/serve.yaml.
data "aws_iam_policy_document" "flags" {
  statement {
    sid       = "ReadFlags"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.artifacts.arn}/flags/*"]
  }
}

resource "aws_iam_role_policy" "flags" {
  name   = "read-flags"
  role   = aws_iam_role.this["task"].id
  policy = data.aws_iam_policy_document.flags.json
}

data "aws_iam_policy_document" "balancer" {
  #checkov:skip=CKV_AWS_356:only what describes, which takes no resource
  statement {
    sid = "Look"
    actions = [
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeRules",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"] # take no resource
  }

  statement {
    sid       = "MoveTraffic"
    actions   = ["elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"]
    resources = concat([for listener in aws_lb_listener.app : listener.arn], [for rule in aws_lb_listener_rule.app : rule.arn])
  }

  statement {
    sid       = "MoveTasks"
    actions   = ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
    resources = [for group in aws_lb_target_group.app : group.arn]
  }
}

resource "aws_iam_role_policy" "balancer" {
  name   = "move-traffic"
  role   = aws_iam_role.this["balancer"].id
  policy = data.aws_iam_policy_document.balancer.json
}
