# Which parts there are with which variables, and what the variables refuse. Nothing here asks AWS.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
  }

  mock_data "aws_vpc" {
    defaults = { cidr_block = "10.99.0.0/16" }
  }

  mock_data "aws_subnet" {
    defaults = { cidr_block = "100.64.6.0/23" }
  }

  mock_resource "aws_eip" {
    defaults = { public_ip = "192.0.2.1" }
  }

  mock_resource "aws_db_instance" {
    defaults = {
      address            = "mlflow.example.com"
      master_user_secret = [{ kms_key_id = "key", secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1", secret_status = "active" }]
    }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/x/1" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/x/1" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/x/1/1" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/x" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:x" }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/x:1", arn_without_revision = "arn:aws:ecs:eu-west-1:123456789012:task-definition/x" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/x" }
  }

  mock_resource "aws_autoscaling_group" {
    defaults = { arn = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/x" }
  }

  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/x" }
  }

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-12345678", latest_version = 1 }
  }
}

variables {
  environment    = "staging"
  protected      = false
  alert_emails   = ["somebody@example.com"]
  monthly_budget = 100
}

run "only_the_service" {
  variables {
    nat = "none"
  }

  assert {
    condition     = length(aws_lb.mlflow) + length(aws_db_instance.mlflow) + length(aws_ecs_task_definition.training) + length(aws_nat_gateway.own) == 0
    error_message = "What is not asked for is not made."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.contract.value).assign_public_ip
    error_message = "Without a NAT gateway tasks need addresses of their own."
  }

  assert {
    condition     = [for name, rule in aws_vpc_security_group_ingress_rule.networks : name if rule.cidr_ipv4 == "0.0.0.0/0"] == ["world-80"]
    error_message = "The world reaches the service, and nothing else."
  }
}

run "nothing_is_recorded_unless_asked" {
  assert {
    condition     = length(aws_iam_role_policy.task) == 0 && jsondecode(aws_ssm_parameter.contract.value).predictions == "" && length(aws_s3_bucket_lifecycle_configuration.artifacts.rule) == 1 && length(aws_cloudwatch_metric_alarm.records) == 0
    error_message = "A service that records nothing may put nothing."
  }
}

run "what_is_recorded_may_be_put_and_nothing_else" {
  variables {
    prediction_days = 30
  }

  assert {
    condition     = length(aws_iam_role_policy.task) == 1 && length(data.aws_iam_policy_document.task.statement) == 1 && data.aws_iam_policy_document.task.statement[0].actions == toset(["s3:PutObject"]) && data.aws_iam_policy_document.task.statement[0].resources == toset(["${aws_s3_bucket.artifacts.arn}/predictions/*"])
    error_message = "A task may put what was recorded."
  }

  assert {
    condition     = length(data.aws_iam_policy_document.flags.statement) == 1 && data.aws_iam_policy_document.flags.statement[0].actions == toset(["s3:GetObject"]) && data.aws_iam_policy_document.flags.statement[0].resources == toset(["${aws_s3_bucket.artifacts.arn}/flags/*"])
    error_message = "A task may read its flags, and nothing else."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.contract.value).predictions == "s3://${aws_s3_bucket.artifacts.bucket}/predictions" && [for rule in aws_s3_bucket_lifecycle_configuration.artifacts.rule : rule.expiration[0].days if rule.id == "predictions"] == [30]
    error_message = "The contract names where records go, and they expire."
  }

  assert {
    condition     = alltrue([for event in ["not shipped", "not recorded", "records dropped"] : strcontains(aws_cloudwatch_log_metric_filter.records[0].pattern, "\"${event}\"")]) && aws_cloudwatch_metric_alarm.records[0].metric_name == "RecordsFailed" && aws_cloudwatch_metric_alarm.records[0].alarm_actions == toset([aws_sns_topic.alarms.arn])
    error_message = "Records that do not arrive ring."
  }
}

run "everything_redundant" {
  variables {
    nat           = "per_zone"
    protected     = true
    https         = { certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/x", domain = "churn.example.com" }
    trusted_cidrs = ["192.0.2.0/24"]
    database      = { instance_class = "db.t4g.small", storage_gb = 50, multi_az = true, backup_days = 30 }
    mlflow        = { image_tag = "1", cpu = 1024, memory = 4096, tasks = 2 }
    training      = { image_tag = "1", cpu = 4096, memory = 12288, gpus = 1, schedule = "cron(0 4 * * ? *)" }
  }

  assert {
    condition     = length(aws_nat_gateway.own) == 2 && aws_db_instance.mlflow[0].multi_az && aws_db_instance.mlflow[0].deletion_protection
    error_message = "Production stands on two zones and is not destroyed by mistake."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.contract.value).production_url == "https://churn.example.com"
    error_message = "With a certificate, the domain is the address."
  }

  assert {
    condition     = !aws_db_instance.mlflow[0].skip_final_snapshot && can(regex("^${var.name}-staging-mlflow-[0-9]{14}$", aws_db_instance.mlflow[0].final_snapshot_identifier))
    error_message = "A database leaves a last snapshot, under a name that no earlier one has."
  }

  assert {
    condition     = toset(jsondecode(aws_cloudwatch_event_rule.deployments.event_pattern).resources) == toset(["arn:aws:ecs:eu-west-1:123456789012:service/${var.name}-staging/${var.name}-staging", "arn:aws:ecs:eu-west-1:123456789012:service/${var.name}-staging/${var.name}-staging-mlflow"])
    error_message = "Rollbacks of the service and of MLflow are published."
  }

  assert {
    condition     = aws_lb.mlflow[0].internal && !aws_db_instance.mlflow[0].publicly_accessible
    error_message = "MLflow and its database are not public."
  }

  assert {
    condition     = toset([for name, rule in aws_vpc_security_group_ingress_rule.networks : name if rule.cidr_ipv4 == "0.0.0.0/0"]) == toset(["world-80", "world-443"])
    error_message = "The world reaches the service, and nothing else."
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.training[0].value).capacity_provider == "${var.name}-staging-gpu"
    error_message = "GPUs come from instances."
  }
}

run "a_database_goes_without_a_snapshot_only_where_that_is_said" {
  variables {
    protected = false
    database  = { instance_class = "db.t4g.micro", storage_gb = 20, multi_az = false, backup_days = 1, last_snapshot = false }
  }

  assert {
    condition     = aws_db_instance.mlflow[0].skip_final_snapshot && aws_db_instance.mlflow[0].final_snapshot_identifier == null
    error_message = "last_snapshot is the switch."
  }
}

run "mlflow_is_asked_by_addresses_of_its_subnets" {
  variables {
    existing_network = { vpc_id = "vpc-1", public_subnets = ["subnet-1", "subnet-2"], private_subnets = ["subnet-3", "subnet-4"] }
    database         = { instance_class = "db.t4g.micro", storage_gb = 20, multi_az = false, backup_days = 1 }
    mlflow           = { image_tag = "1", cpu = 512, memory = 2048, tasks = 1 }
  }

  assert {
    condition     = toset(local.mlflow_hosts) == toset([for pair in setproduct(["6", "7"], ["[0-9]", "[0-9][0-9]", "[0-9][0-9][0-9]"]) : "100.64.${pair[0]}.${pair[1]}:*"])
    error_message = "A /23 is two numbers in the third place, and any in the fourth."
  }

  assert {
    condition     = !aws_db_instance.mlflow[0].skip_final_snapshot && !aws_db_instance.mlflow[0].deletion_protection
    error_message = "Whoever takes the protection away to destroy still gets a last snapshot."
  }
}

run "alarms_and_who_hears_of_them" {
  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.errors.metric_query : query.metric[0].metric_name if length(query.metric) > 0]) == toset(["HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"])
    error_message = "Where no task answers, the load balancer's errors are what users see."
  }

  assert {
    condition = {
      for service, document in data.aws_iam_policy_document.trust : service => [for one in document.statement[0].condition : one.variable]
    } == { ecs = [], ecs-tasks = ["aws:SourceAccount"] }
    error_message = "AWS' own policy for the role on the load balancer has no condition."
  }

  assert {
    condition = {
      for statement in data.aws_iam_policy_document.alarms.statement : one(one(statement.principals).identifiers) => length(statement.condition)
    } == { "cloudwatch.amazonaws.com" = 1, "events.amazonaws.com" = 0 }
    error_message = "Both may publish; EventBridge under no condition, since it sends SNS none of the keys."
  }

  assert {
    condition     = aws_cloudwatch_event_target.deployments.arn == aws_sns_topic.alarms.arn
    error_message = "Who hears of alarms hears of rollbacks."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.hosts["nobody"].treat_missing_data == "breaching" && toset([for query in aws_cloudwatch_metric_alarm.hosts["nobody"].metric_query : query.metric[0].metric_name if length(query.metric) > 0]) == toset(["HealthyHostCount"])
    error_message = "Where no target is registered, nobody counts."
  }
}

run "a_budget_of_the_environment" {
  assert {
    condition     = [for one in aws_budgets_budget.this.cost_filter : one.values[0]] == ["user:environment$staging"]
    error_message = "The budget has to watch the tag that everything here carries."
  }
}

run "a_network_that_is_there" {
  variables {
    existing_network = { vpc_id = "vpc-1", public_subnets = ["subnet-1", "subnet-2"], private_subnets = ["subnet-3", "subnet-4"] }
  }

  assert {
    condition     = length(aws_vpc.own) + length(aws_subnet.private) + length(aws_nat_gateway.own) == 0
    error_message = "No second network is made."
  }

  assert {
    condition     = join(",", jsondecode(aws_ssm_parameter.contract.value).subnets) == "subnet-3,subnet-4"
    error_message = "Tasks run in its private subnets."
  }
}

run "another_database" {
  variables {
    mlflow = { image_tag = "1", cpu = 512, memory = 2048, tasks = 1, database_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other" }
  }

  assert {
    condition     = length(aws_db_instance.mlflow) == 0 && strcontains(aws_ecs_task_definition.mlflow[0].container_definitions, "secret:other")
    error_message = "MLflow takes the database that it is given."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.other_database : rule.from_port] == [5432]
    error_message = "MLflow has to reach the database that it is given."
  }
}

run "training_reads_a_database" {
  variables {
    database = { instance_class = "db.t4g.micro", storage_gb = 20, multi_az = false, backup_days = 1, last_snapshot = false }
    mlflow   = { image_tag = "1", cpu = 512, memory = 2048, tasks = 1 }
    training = { image_tag = "1", cpu = 1024, memory = 4096, database_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rows", database_port = 3306 }
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.training[0].container_definitions)[0].secrets == [{ name = "DATABASE_URL", valueFrom = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rows" }]
    error_message = "Training has the address of its database."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.training_database : rule.from_port] == [3306] && !strcontains(aws_ecs_task_definition.mlflow[0].container_definitions, "secret:rows")
    error_message = "Training reaches its database, and nothing else has its address."
  }

  assert {
    condition     = anytrue([for statement in data.aws_iam_policy_document.execution.statement : contains(statement.resources, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rows")])
    error_message = "ECS may read the secret that it hands to training."
  }
}

run "mlflow_needs_a_database" {
  command = plan

  variables {
    mlflow = { image_tag = "1", cpu = 512, memory = 2048, tasks = 1 }
  }

  expect_failures = [aws_ecs_task_definition.mlflow]
}

run "the_test_listener_stays_closed" {
  command = plan

  variables {
    trusted_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.trusted_cidrs]
}

run "nobody_reads_an_example" {
  command = plan

  variables {
    alert_emails = ["authors@ml-template.example"]
  }

  expect_failures = [var.alert_emails]
}

run "somebody_is_told" {
  command = plan

  variables {
    alert_emails = []
  }

  expect_failures = [var.alert_emails]
}

