# Who may talk to whom. A security group for each part; rules name groups, and networks only at the edge.

locals {
  groups = merge(
    { balancer = "The load balancer", app = "Tasks of the service" },
    var.mlflow == null ? {} : { mlflow-balancer = "The load balancer before MLflow", mlflow = "Tasks of MLflow" },
    var.database == null ? {} : { database = "PostgreSQL of MLflow" },
    var.training == null ? {} : { training = "Tasks that train" },
  )

  from_networks = merge(
    { for port in local.public_ports : "world-${port}" => { group = "balancer", port = port, cidr = "0.0.0.0/0" } },
    { for number, cidr in var.trusted_cidrs : "test-${number}" => { group = "balancer", port = local.test_port, cidr = cidr } },
    { for zone in keys(local.nat_zones) : "test-${zone}" => { group = "balancer", port = local.test_port, cidr = "${aws_eip.nat[zone].public_ip}/32" } },
    { test-vpc = { group = "balancer", port = local.test_port, cidr = local.vpc_cidr } },
    var.mlflow == null ? {} : { for number, cidr in concat([local.vpc_cidr], var.trusted_cidrs) : "mlflow-${number}" => { group = "mlflow-balancer", port = local.mlflow_port, cidr = cidr } },
  )

  between_groups = merge(
    { app = { from = "balancer", to = "app", port = var.container_port } },
    var.mlflow == null ? {} : { mlflow = { from = "mlflow-balancer", to = "mlflow", port = local.mlflow_port } },
    var.mlflow == null || var.database == null ? {} : { database = { from = "mlflow", to = "database", port = 5432 } },
  )

  # Tasks reach AWS, and the addresses of their settings, by HTTPS.
  to_world = merge(
    { app = 443 },
    var.mlflow == null ? {} : { mlflow = 443 },
    var.training == null ? {} : { training = 443 },
  )
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:each is used by the part of its name
  for_each    = local.groups
  name        = "${module.names.full}-${each.key}"
  description = each.value
  vpc_id      = local.vpc

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "networks" {
  #checkov:skip=CKV_AWS_260:port 80 is the service's own, or redirects to HTTPS
  for_each          = local.from_networks
  security_group_id = aws_security_group.this[each.value.group].id
  description       = each.key
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
}

# A database that is not made here, on its usual port; its address may be anywhere.
resource "aws_vpc_security_group_egress_rule" "other_database" {
  #checkov:skip=CKV_AWS_382:one port, to a database whose address only its secret knows
  count             = local.other_database == null ? 0 : 1
  security_group_id = aws_security_group.this["mlflow"].id
  description       = "To the database of mlflow.database_secret"
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "training_database" {
  #checkov:skip=CKV_AWS_382:one port, to a database whose address only its secret knows
  count             = length(local.training_secrets)
  security_group_id = aws_security_group.this["training"].id
  description       = "To the database of training.database_secret"
  ip_protocol       = "tcp"
  from_port         = var.training.database_port
  to_port           = var.training.database_port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "groups" {
  for_each                     = local.between_groups
  security_group_id            = aws_security_group.this[each.value.to].id
  description                  = "From ${each.value.from}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_security_group.this[each.value.from].id
}

resource "aws_vpc_security_group_egress_rule" "groups" {
  for_each                     = local.between_groups
  security_group_id            = aws_security_group.this[each.value.from].id
  description                  = "To ${each.value.to}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_security_group.this[each.value.to].id
}

resource "aws_vpc_security_group_egress_rule" "world" {
  for_each          = local.to_world
  security_group_id = aws_security_group.this[each.key].id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "training_to_mlflow" {
  count             = var.training == null || var.mlflow == null ? 0 : 1
  security_group_id = aws_security_group.this["training"].id
  description       = "MLflow"
  ip_protocol       = "tcp"
  from_port         = local.mlflow_port
  to_port           = local.mlflow_port
  cidr_ipv4         = local.vpc_cidr
}
