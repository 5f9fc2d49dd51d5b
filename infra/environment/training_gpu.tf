# An instance with GPUs: none while nothing trains.

data "aws_ssm_parameter" "gpu_image" {
  count = local.gpu ? 1 : 0
  name  = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
}

data "aws_iam_policy_document" "gpu_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "gpu" {
  count              = local.gpu ? 1 : 0
  name               = "${module.names.full}-gpu"
  description        = "Instances join the cluster"
  assume_role_policy = data.aws_iam_policy_document.gpu_trust.json
}

resource "aws_iam_role_policy_attachment" "gpu" {
  count      = local.gpu ? 1 : 0
  role       = aws_iam_role.gpu[0].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "gpu" {
  count = local.gpu ? 1 : 0
  name  = "${module.names.full}-gpu"
  role  = aws_iam_role.gpu[0].name
}

resource "aws_launch_template" "gpu" {
  count                  = local.gpu ? 1 : 0
  name                   = "${module.names.full}-gpu"
  image_id               = data.aws_ssm_parameter.gpu_image[0].value
  instance_type          = var.training.instance_type
  vpc_security_group_ids = [aws_security_group.this["training"].id]

  user_data = base64encode(<<-END
    #!/bin/sh
    echo ECS_CLUSTER=${aws_ecs_cluster.this.name} >> /etc/ecs/ecs.config
    echo ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config
  END
  )

  iam_instance_profile {
    arn = aws_iam_instance_profile.gpu[0].arn
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size = 100
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_autoscaling_group" "gpu" {
  count                 = local.gpu ? 1 : 0
  name                  = "${module.names.full}-gpu"
  min_size              = 0
  max_size              = 1
  vpc_zone_identifier   = local.private_subnets
  protect_from_scale_in = true

  launch_template {
    id      = aws_launch_template.gpu[0].id
    version = aws_launch_template.gpu[0].latest_version
  }

  tag {
    key                 = "AmazonECSManaged" # without it ECS would add it, and Terraform take it away again
    value               = ""
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity] # ECS sets it
  }
}

resource "aws_ecs_capacity_provider" "gpu" {
  count = local.gpu ? 1 : 0
  name  = "${module.names.full}-gpu"

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.gpu[0].arn
    managed_termination_protection = "ENABLED"

    managed_scaling {
      status          = "ENABLED"
      target_capacity = 100
    }
  }
}
