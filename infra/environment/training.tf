# Training on ECS: a task definition that `make train-remote` or a schedule starts.

locals {
  gpu = var.training != null && try(var.training.gpus, 0) > 0

  # For the database that `data.source: sql:…` reads; empty where there is none.
  training_secrets = var.training == null ? [] : compact([var.training.database_secret])
}

data "aws_ecr_repository" "training" {
  count = var.training == null ? 0 : 1
  name  = module.names.repositories.training
}

resource "aws_ecs_task_definition" "training" {
  #checkov:skip=CKV_AWS_336:a run writes beside its configs
  count                    = var.training == null ? 0 : 1
  family                   = "${module.names.full}-training"
  requires_compatibilities = [local.gpu ? "EC2" : "FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.training.cpu
  memory                   = var.training.memory
  execution_role_arn       = aws_iam_role.this["execution"].arn
  task_role_arn            = aws_iam_role.this["training"].arn

  container_definitions = jsonencode([merge(
    {
      name       = "training"
      image      = "${data.aws_ecr_repository.training[0].repository_url}:${var.training.image_tag}"
      essential  = true
      entryPoint = ["/bin/sh", "-c"]
      command    = ["for step in train validate register; do python3 -m ml_template $step || exit; done"]

      environment = [
        { name = "MLFLOW_TRACKING_URI", value = local.mlflow_address },
        { name = "AWS_DEFAULT_REGION", value = var.region },
      ]

      secrets = [for arn in local.training_secrets : { name = "DATABASE_URL", valueFrom = arn }]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this["training"].name
          awslogs-region        = var.region
          awslogs-stream-prefix = "training"
        }
      }
    },
    local.gpu ? { resourceRequirements = [{ type = "GPU", value = tostring(var.training.gpus) }] } : {},
  )])

  lifecycle {
    precondition {
      condition     = var.mlflow != null
      error_message = "training needs mlflow: a run that nobody keeps is lost with its task."
    }

    precondition {
      condition     = !local.gpu || !local.public_tasks
      error_message = "training.gpus needs nat = \"single\" or \"per_zone\": tasks on instances get no public address."
    }
  }
}

data "aws_iam_policy_document" "training" {
  statement {
    sid       = "ReadData"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.artifacts.arn}/data/*"]
  }

  statement {
    sid       = "ListData"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.artifacts.arn]
  }
}

resource "aws_iam_role_policy" "training" {
  count  = var.training == null ? 0 : 1
  name   = "read-data"
  role   = aws_iam_role.this["training"].id
  policy = data.aws_iam_policy_document.training.json
}

# Read by make train-remote.
resource "aws_ssm_parameter" "training" {
  #checkov:skip=CKV2_AWS_34:it holds names, no secret
  count = var.training == null ? 0 : 1
  name  = "/${module.names.path}/training"
  type  = "String"

  value = jsonencode({
    cluster           = aws_ecs_cluster.this.name
    task_definition   = aws_ecs_task_definition.training[0].family
    container         = "training"
    capacity_provider = local.gpu ? aws_ecs_capacity_provider.gpu[0].name : "FARGATE"
    subnets           = local.task_subnets
    security_groups   = [aws_security_group.this["training"].id]
    assign_public_ip  = local.public_tasks
    log_group         = aws_cloudwatch_log_group.this["training"].name
  })
}
