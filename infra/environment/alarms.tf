# The alarms. The first three also roll a deployment back (the contract's `alarms`).

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot publish with SNS' own key, and an alarm's name is no secret
  name = "${module.names.full}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.alert_emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${module.names.full}-5xx"
  alarm_description   = "Users get errors, of the service or of the load balancer, which answers where no task does"
  evaluation_periods  = 1
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "all"
    expression  = "FILL(service, 0) + FILL(balancer, 0)"
    label       = "Errors"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { service = "HTTPCode_Target_5XX_Count", balancer = "HTTPCode_ELB_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        stat        = "Sum"
        period      = 60
        dimensions  = { LoadBalancer = aws_lb.app.arn_suffix }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  alarm_name          = "${module.names.full}-latency"
  alarm_description   = "The service is slow"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  extended_statistic  = "p95"
  dimensions          = { LoadBalancer = aws_lb.app.arn_suffix }
  period              = 60
  evaluation_periods  = 3
  threshold           = var.latency_seconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  alarms_of_hosts = {
    unhealthy = {
      name         = "unhealthy"
      description  = "Tasks fail their health check"
      metric       = "UnHealthyHostCount"
      label        = "Unhealthy tasks"
      periods      = 2
      compares     = "GreaterThanOrEqualToThreshold"
      without_data = "notBreaching"
    }
    # Without a registered target there are no data points: the alarm rings then as well, even before the first deployment.
    nobody = {
      name         = "no-healthy-host"
      description  = "No task answers: users get errors"
      metric       = "HealthyHostCount"
      label        = "Healthy tasks"
      periods      = 3
      compares     = "LessThanThreshold"
      without_data = "breaching"
    }
  }
}

# One alarm for both colours, since either may serve the users.
resource "aws_cloudwatch_metric_alarm" "hosts" {
  for_each            = local.alarms_of_hosts
  alarm_name          = "${module.names.full}-${each.value.name}"
  alarm_description   = each.value.description
  evaluation_periods  = each.value.periods
  threshold           = 1
  comparison_operator = each.value.compares
  treat_missing_data  = each.value.without_data
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "both"
    expression  = "FILL(blue, 0) + FILL(green, 0)"
    label       = each.value.label
    return_data = true
  }

  dynamic "metric_query" {
    for_each = aws_lb_target_group.app

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = each.value.metric
        stat        = "Maximum"
        period      = 60
        dimensions  = { LoadBalancer = aws_lb.app.arn_suffix, TargetGroup = metric_query.value.arn_suffix }
      }
    }
  }
}

# The service works without its records, so only its log shows that they are lost, or wait and will be lost.
resource "aws_cloudwatch_log_metric_filter" "records" {
  count          = local.records ? 1 : 0
  name           = "records"
  log_group_name = aws_cloudwatch_log_group.this["app"].name
  pattern        = "{ $.event = \"not shipped\" || $.event = \"not recorded\" || $.event = \"records dropped\" }"

  metric_transformation {
    namespace = module.names.full
    name      = "RecordsFailed"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "records" {
  count               = local.records ? 1 : 0
  alarm_name          = "${module.names.full}-records"
  alarm_description   = "Recorded predictions do not arrive in S3: monitoring is blind"
  namespace           = aws_cloudwatch_log_metric_filter.records[0].metric_transformation[0].namespace
  metric_name         = aws_cloudwatch_log_metric_filter.records[0].metric_transformation[0].name
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3 # one attempt that fails is made good by the next one
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "database_storage" {
  count               = var.database == null ? 0 : 1
  alarm_name          = "${module.names.full}-database-storage"
  alarm_description   = "MLflow's database is nearly full"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  statistic           = "Minimum"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.mlflow[0].identifier }
  period              = 300
  evaluation_periods  = 1
  threshold           = 2 * 1024 * 1024 * 1024
  comparison_operator = "LessThanThreshold"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
