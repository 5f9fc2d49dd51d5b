# What the deployer (packages/mlops-kit/src/mlops_kit/delivery/deploy/) may do. The kit's own tests record every call of a full
# run and compare it with this.

locals {
  account = data.aws_caller_identity.current.account_id
  here    = "${var.region}:${local.account}"
  records = "arn:aws:s3:::${module.shared_names.short}-records-${local.account}"

  repository = "arn:aws:ecr:${local.here}:repository/${module.shared_names.repositories.app}"
  roles      = "arn:aws:iam::${local.account}:role"
}

data "aws_iam_policy_document" "deploy" {
  #checkov:skip=CKV_AWS_356:these actions take no resource; each statement with * notes it
  #checkov:skip=CKV_AWS_111:the writes without a resource are RegisterTaskDefinition, whose roles PassRole bounds
  for_each = var.deployers

  source_policy_documents = concat(
    [data.aws_iam_policy_document.releases[each.key].json, data.aws_iam_policy_document.rollout[each.key].json],
    each.value.push ? [data.aws_iam_policy_document.push.json] : [],
  )
}

data "aws_iam_policy_document" "push" {
  statement {
    sid       = "LogInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # takes no resource
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:UploadLayerPart",
    ]
    resources = [local.repository]
  }
}

data "aws_iam_policy_document" "releases" {
  for_each = var.deployers

  statement {
    sid       = "LookAtImages"
    actions   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeImageScanFindings"]
    resources = [local.repository]
  }

  statement {
    # An image that served gets a tag that keeps it. Without the actions of Push, PutImage makes no image from missing
    # layers, and immutable tags cannot be moved.
    sid       = "TagWhatServed"
    actions   = ["ecr:PutImage"]
    resources = [local.repository]
  }

  statement {
    sid       = "ReadRecords"
    actions   = ["s3:GetObject"]
    resources = [for folder in ["releases", "passed", "deployments/${each.key}", "locks"] : "${local.records}/${folder}/*"]
  }

  statement {
    sid     = "WriteRecords"
    actions = ["s3:PutObject"]
    resources = [
      "${local.records}/releases/*",
      "${local.records}/passed/${each.key}/*",
      "${local.records}/deployments/${each.key}/*",
      "${local.records}/locks/${each.key}.json",
    ]
  }

  statement {
    # Not bound to a prefix: without this right, S3 answers "denied" instead of "there is no such object".
    sid       = "ListRecords"
    actions   = ["s3:ListBucket"]
    resources = [local.records]
  }

  statement {
    sid       = "ReadTheContract"
    actions   = ["ssm:GetParameter"]
    resources = ["arn:aws:ssm:${local.here}:parameter/${module.names[each.key].path}/*"]
  }

  statement {
    sid       = "LookForSecrets"
    actions   = ["secretsmanager:DescribeSecret"]
    resources = ["arn:aws:secretsmanager:${local.here}:secret:${module.names[each.key].path}/*"]
  }

  statement {
    sid       = "ReadTheKeyOfTheProbe"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:aws:secretsmanager:${local.here}:secret:${module.names[each.key].path}/api-key-*"]
  }
}

data "aws_iam_policy_document" "rollout" {
  for_each = var.deployers

  statement {
    sid       = "LookAtWhatHasNoResource"
    actions   = ["ecs:DescribeTaskDefinition", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetHealth"]
    resources = ["*"] # take no resource
  }

  statement {
    # Takes no resource. What a task definition can do is bounded by the roles that may be passed.
    sid       = "RegisterTaskDefinitions"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid = "Roll"
    actions = [
      "ecs:ContinueServiceDeployment",
      "ecs:CreateService",
      "ecs:DescribeServiceDeployments",
      "ecs:DescribeServiceRevisions",
      "ecs:DescribeServices",
      "ecs:ListServiceDeployments",
      "ecs:StopServiceDeployment",
      "ecs:UpdateService",
    ]
    resources = [
      for kind in ["service", "service-deployment", "service-revision"] :
      "arn:aws:ecs:${local.here}:${kind}/${module.names[each.key].full}/${module.names[each.key].full}${kind == "service" ? "" : "/*"}"
    ]
  }

  statement {
    sid     = "TagWhatIsMade"
    actions = ["ecs:TagResource"]
    resources = [
      "arn:aws:ecs:${local.here}:task-definition/${module.names[each.key].full}:*",
      "arn:aws:ecs:${local.here}:service/${module.names[each.key].full}/${module.names[each.key].full}",
    ]
  }

  statement {
    # Tasks are listed by service; the resource that this action takes is a container instance.
    sid       = "ListTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws:ecs:${local.here}:cluster/${module.names[each.key].full}"]
    }
  }

  statement {
    sid       = "LookAtTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["arn:aws:ecs:${local.here}:task/${module.names[each.key].full}/*"]
  }

  statement {
    sid     = "ReadLogs"
    actions = ["logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = [
      "arn:aws:logs:${local.here}:log-group:/${module.names[each.key].path}/*",
      "arn:aws:logs:${local.here}:log-group:/${module.names[each.key].path}/*:log-stream:*",
    ]
  }

  statement {
    sid       = "LookAtRoles"
    actions   = ["iam:GetRole"]
    resources = [for who in ["execution", "task", "balancer"] : "${local.roles}/${module.names[each.key].roles[who]}"]
  }

  statement {
    sid       = "PassRolesToTasks"
    actions   = ["iam:PassRole"]
    resources = [for who in ["execution", "task"] : "${local.roles}/${module.names[each.key].roles[who]}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "PassTheRoleOnTheBalancer"
    actions   = ["iam:PassRole"]
    resources = ["${local.roles}/${module.names[each.key].roles.balancer}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs.amazonaws.com"]
    }
  }

  statement {
    sid       = "LookAtScaling"
    actions   = ["application-autoscaling:DescribeScalableTargets"]
    resources = ["*"] # takes no resource
  }

  statement {
    sid = "Scale"
    actions = [
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget",
    ]
    resources = ["arn:aws:application-autoscaling:${local.here}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["ecs"]
    }
  }

  statement {
    sid       = "LookAtAlarms"
    actions   = ["cloudwatch:DescribeAlarms"]
    resources = ["*"] # with less, AWS leaves composite alarms out
  }

  statement {
    # Target tracking makes its alarms with the rights of the principal that puts the policy.
    sid       = "AlarmsOfScaling"
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"]
    resources = ["arn:aws:cloudwatch:${local.here}:alarm:TargetTracking-service/${module.names[each.key].full}/*"]
  }

  statement {
    # Only the first autoscaling of an account needs it.
    sid       = "RoleOfScaling"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local.roles}/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["ecs.application-autoscaling.amazonaws.com"]
    }
  }

  statement {
    sid     = "TrainRemotely"
    actions = ["ecs:RunTask"]
    # Without a revision as well, because the call names none.
    resources = [for end in ["", ":*"] : "arn:aws:ecs:${local.here}:task-definition/${module.names[each.key].full}-training${end}"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = ["arn:aws:ecs:${local.here}:cluster/${module.names[each.key].full}"]
    }
  }

  statement {
    sid       = "PassTheRoleOfTraining"
    actions   = ["iam:PassRole"]
    resources = ["${local.roles}/${module.names[each.key].roles.training}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}
