# What the deployer reads (packages/mlops-kit/src/mlops_kit/delivery/deploy/contract.py). It is readable for people and roles that may deploy.

data "aws_ecr_repository" "app" {
  name = module.names.repositories.app
}

data "aws_s3_bucket" "records" {
  bucket = "${module.names.short}-records-${local.account}"
}

resource "aws_ssm_parameter" "contract" {
  #checkov:skip=CKV2_AWS_34:it holds names, no secret
  #checkov:skip=CKV_AWS_337:it holds names, no secret
  name = "/${module.names.path}/deploy"
  type = "String"
  tier = "Intelligent-Tiering" # a contract of many secrets is longer than the 4 KB that cost nothing

  value = jsonencode({
    environment        = var.environment
    region             = var.region
    account_id         = local.account
    cluster            = aws_ecs_cluster.this.name
    service            = module.names.full
    container_port     = var.container_port
    subnets            = local.task_subnets
    security_groups    = [aws_security_group.this["app"].id]
    assign_public_ip   = local.public_tasks
    repository         = data.aws_ecr_repository.app.repository_url
    records_bucket     = data.aws_s3_bucket.records.bucket
    blue_target_group  = aws_lb_target_group.app["blue"].arn
    green_target_group = aws_lb_target_group.app["green"].arn
    production_rule    = aws_lb_listener_rule.app["production"].arn
    test_rule          = aws_lb_listener_rule.app["test"].arn
    production_url     = "${local.scheme}://${local.host}"
    test_url           = "${local.scheme}://${local.host}:${local.test_port}"
    load_balancer_role = aws_iam_role.this["balancer"].arn
    execution_role     = aws_iam_role.this["execution"].arn
    task_role          = aws_iam_role.this["task"].arn
    predictions        = local.records ? "s3://${aws_s3_bucket.artifacts.bucket}/${local.predictions}" : ""
    log_group          = aws_cloudwatch_log_group.this["app"].name
    alarm_topic        = aws_sns_topic.alarms.arn
    secrets            = var.secrets
    alarms = [
      aws_cloudwatch_metric_alarm.errors.alarm_name,
      aws_cloudwatch_metric_alarm.latency.alarm_name,
      aws_cloudwatch_metric_alarm.hosts["unhealthy"].alarm_name,
    ]
  })

  # Once the contract exists, so does everything that it names.
  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.task, aws_iam_role_policy.balancer, aws_ecs_cluster_capacity_providers.this]
}
