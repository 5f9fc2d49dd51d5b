# Where tasks run. The service and its task definition are the deployer's, and are not here.

resource "aws_ecs_cluster" "this" {
  name = module.names.full

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = concat(["FARGATE", "FARGATE_SPOT"], [for one in aws_ecs_capacity_provider.gpu : one.name])
}

locals {
  log_groups = concat(["app"], var.mlflow == null ? [] : ["mlflow"], var.training == null ? [] : ["training"])
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch's own key; a key of ours would be one more grant for each reader
  #checkov:skip=CKV_AWS_338:log_days sets how long
  for_each          = toset(local.log_groups)
  name              = "/${module.names.path}/${each.key}"
  retention_in_days = var.log_days
}
