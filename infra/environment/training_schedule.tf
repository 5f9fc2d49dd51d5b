# Training on a schedule.

locals {
  scheduled = try(var.training.schedule, null) != null
}

data "aws_iam_policy_document" "schedule_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "schedule" {
  count              = local.scheduled ? 1 : 0
  name               = "${module.names.full}-schedule"
  description        = "Starts training by the clock"
  assume_role_policy = data.aws_iam_policy_document.schedule_trust.json
}

data "aws_iam_policy_document" "schedule" {
  count = local.scheduled ? 1 : 0

  statement {
    sid     = "StartTraining"
    actions = ["ecs:RunTask"]
    # Without a revision as well, because the call names none.
    resources = [for end in ["", ":*"] : "arn:aws:ecs:${local.here}:task-definition/${aws_ecs_task_definition.training[0].family}${end}"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "PassItsRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.this["execution"].arn, aws_iam_role.this["training"].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count  = local.scheduled ? 1 : 0
  name   = "start-training"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule[0].json
}

resource "aws_scheduler_schedule" "training" {
  #checkov:skip=CKV_AWS_297:EventBridge's own key; a schedule is no secret
  count               = local.scheduled ? 1 : 0
  name                = "${module.names.full}-training"
  schedule_expression = var.training.schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.this.arn
    role_arn = aws_iam_role.schedule[0].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.training[0].arn_without_revision

      capacity_provider_strategy {
        capacity_provider = local.gpu ? aws_ecs_capacity_provider.gpu[0].name : "FARGATE"
        weight            = 1
      }

      network_configuration {
        subnets          = local.task_subnets
        security_groups  = [aws_security_group.this["training"].id]
        assign_public_ip = local.public_tasks
      }
    }

    retry_policy {
      maximum_retry_attempts = 2
    }
  }
}
