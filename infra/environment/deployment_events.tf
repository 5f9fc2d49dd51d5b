# Notices of failed deployments and rollbacks go to the topic of the alarms, even if the deployer that began them is gone.

locals {
  watched_services = concat(
    ["arn:aws:ecs:${local.here}:service/${module.names.full}/${module.names.full}"],
    var.mlflow == null ? [] : ["arn:aws:ecs:${local.here}:service/${module.names.full}/${module.names.full}-mlflow"],
  )
}

resource "aws_cloudwatch_event_rule" "deployments" {
  name        = "${module.names.full}-deployments"
  description = "A deployment failed, or ECS rolls back"

  # ECS has no event for a rollback, which begins as a deployment with that reason.
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Deployment State Change"]
    resources     = local.watched_services
    detail = {
      "$or" = [
        { eventName = ["SERVICE_DEPLOYMENT_FAILED"] },
        { reason = [{ wildcard = "*roll*back*" }, { wildcard = "*ROLLBACK*" }] },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "deployments" {
  rule = aws_cloudwatch_event_rule.deployments.name
  arn  = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths    = { event = "$.detail.eventName", reason = "$.detail.reason", service = "$.resources[0]", time = "$.time" }
    input_template = "\"<time> <event> of <service>: <reason>. make status ENV=${var.environment} shows what serves.\""
  }
}

# With a policy of our own SNS' default is gone, so it names CloudWatch as well.
data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  statement {
    # Without a condition: EventBridge sends SNS no key that one could compare, so none would ever hold.
    sid       = "Deployments"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}
