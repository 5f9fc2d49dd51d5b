# The MLflow server: tasks behind a load balancer of its own that has no public address. Artifacts go through it, so that
# its clients need one address and no credentials.

locals {
  mlflow_port = 5000
  # The address of the database without its password, which comes as PGPASSWORD: it may hold any character.
  own_database   = var.database == null ? "" : "postgresql+psycopg2://mlflow@${aws_db_instance.mlflow[0].address}:5432/mlflow?sslmode=require"
  rds_secret     = var.database == null ? null : aws_db_instance.mlflow[0].master_user_secret[0].secret_arn
  other_database = var.mlflow == null ? null : var.mlflow.database_secret
  mlflow_secrets = var.mlflow == null ? [] : compact([local.other_database == null ? local.rds_secret : local.other_database])
  mlflow_address = var.mlflow == null ? "" : "http://${aws_lb.mlflow[0].dns_name}:${local.mlflow_port}"

  # Health checks send an address of these networks as their host. MLflow compares the whole host with these patterns, so
  # that no name like 10.evil.example matches. AWS' subnets are /16 to /28: the first two numbers are always the network's
  # own.
  any_number = ["[0-9]", "[0-9][0-9]", "[0-9][0-9][0-9]"]
  mlflow_hosts = flatten([
    for cidr in local.mlflow_cidrs : [
      for third in tonumber(split("/", cidr)[1]) == 16 ? local.any_number : [
        for number in range(pow(2, max(0, 24 - tonumber(split("/", cidr)[1])))) : tostring(tonumber(split(".", cidr)[2]) + number)
        ] : [
        for fourth in tonumber(split("/", cidr)[1]) <= 24 ? local.any_number : [
          for number in range(pow(2, 32 - tonumber(split("/", cidr)[1]))) : tostring(tonumber(split("/", split(".", cidr)[3])[0]) + number)
        ] : "${join(".", slice(split(".", cidr), 0, 2))}.${third}.${fourth}:*"
      ]
    ]
  ])
}

resource "aws_lb" "mlflow" {
  #checkov:skip=CKV_AWS_91:MLflow logs each request
  #checkov:skip=CKV_AWS_150:protected sets it
  #checkov:skip=CKV2_AWS_20:it is not public
  count                      = var.mlflow == null ? 0 : 1
  name                       = "${module.names.short}-${var.environment}-ml"
  internal                   = true
  security_groups            = [aws_security_group.this["mlflow-balancer"].id]
  subnets                    = local.private_subnets
  idle_timeout               = 60 # seconds; less than MLFLOW_UVICORN_OPTS in docker/Dockerfile
  drop_invalid_header_fields = true
  enable_deletion_protection = var.protected
}

resource "aws_lb_target_group" "mlflow" {
  #checkov:skip=CKV_AWS_378:it is not public
  count                = var.mlflow == null ? 0 : 1
  name                 = "${module.names.short}-${var.environment}-ml"
  vpc_id               = local.vpc
  target_type          = "ip"
  port                 = local.mlflow_port
  protocol             = "HTTP"
  deregistration_delay = 30

  health_check {
    # It queries the database: when AWS has rotated the password, the task fails and its successor gets the new one.
    path                = "/api/2.0/mlflow/experiments/search?max_results=1"
    interval            = 30
    timeout             = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "mlflow" {
  #checkov:skip=CKV_AWS_2:it is not public
  #checkov:skip=CKV_AWS_103:it is not public
  count             = var.mlflow == null ? 0 : 1
  load_balancer_arn = aws_lb.mlflow[0].arn
  port              = local.mlflow_port
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.mlflow[0].arn
  }
}

data "aws_ecr_repository" "mlflow" {
  count = var.mlflow == null ? 0 : 1
  name  = module.names.repositories.mlflow
}

resource "aws_ecs_task_definition" "mlflow" {
  count                    = var.mlflow == null ? 0 : 1
  family                   = "${module.names.full}-mlflow"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.mlflow.cpu
  memory                   = var.mlflow.memory
  execution_role_arn       = aws_iam_role.this["execution"].arn
  task_role_arn            = aws_iam_role.this["mlflow"].arn

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name                   = "mlflow"
    image                  = "${data.aws_ecr_repository.mlflow[0].repository_url}:${var.mlflow.image_tag}"
    essential              = true
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp" }]
    portMappings           = [{ containerPort = local.mlflow_port, hostPort = local.mlflow_port, protocol = "tcp" }]

    environment = concat(
      [
        { name = "MLFLOW_ARTIFACTS_DESTINATION", value = "s3://${aws_s3_bucket.artifacts.bucket}/mlflow" },
        { name = "MLFLOW_WORKERS", value = "2" },
        # Its background jobs serve language models only, and take more than a gigabyte.
        { name = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", value = "false" },
        # The hosts that it accepts: the load balancer, and for health checks an address of the load balancer or the task.
        { name = "MLFLOW_SERVER_ALLOWED_HOSTS", value = join(",", concat(["${aws_lb.mlflow[0].dns_name}:${local.mlflow_port}"], local.mlflow_hosts)) },
        { name = "AWS_DEFAULT_REGION", value = var.region },
      ],
      local.other_database == null ? [{ name = "MLFLOW_BACKEND_STORE_URI", value = local.own_database }] : [],
    )

    secrets = [
      local.other_database == null
      ? { name = "PGPASSWORD", valueFrom = "${local.rds_secret}:password::" }
      : { name = "MLFLOW_BACKEND_STORE_URI", valueFrom = local.other_database }
    ]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this["mlflow"].name
        awslogs-region        = var.region
        awslogs-stream-prefix = "mlflow"
      }
    }
  }])

  lifecycle {
    precondition {
      condition     = var.database != null || local.other_database != null
      error_message = "mlflow needs a database: give database, or mlflow.database_secret."
    }
  }
}

resource "aws_ecs_service" "mlflow" {
  #checkov:skip=CKV_AWS_333:without a NAT gateway tasks need an address to reach ECR; nothing reaches them but the load balancer
  count                              = var.mlflow == null ? 0 : 1
  name                               = "${module.names.full}-mlflow"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.mlflow[0].arn
  desired_count                      = var.mlflow.tasks
  launch_type                        = "FARGATE"
  availability_zone_rebalancing      = "ENABLED"
  health_check_grace_period_seconds  = 120
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.task_subnets
    security_groups  = [aws_security_group.this["mlflow"].id]
    assign_public_ip = local.public_tasks
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.mlflow[0].arn
    container_name   = "mlflow"
    container_port   = local.mlflow_port
  }

  depends_on = [aws_lb_listener.mlflow]
}

data "aws_iam_policy_document" "mlflow" {
  statement {
    sid       = "KeepArtifacts"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${aws_s3_bucket.artifacts.arn}/mlflow/*"]
  }

  statement {
    sid       = "ListArtifacts"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [aws_s3_bucket.artifacts.arn]
  }
}

resource "aws_iam_role_policy" "mlflow" {
  count  = var.mlflow == null ? 0 : 1
  name   = "keep-artifacts"
  role   = aws_iam_role.this["mlflow"].id
  policy = data.aws_iam_policy_document.mlflow.json
}
