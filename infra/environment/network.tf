# A network over two zones, or the one that is there already.

data "aws_availability_zones" "here" {
  #checkov:skip=CKV_AWS_394:the first two by name; a new zone comes behind them
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_vpc" "existing" {
  count = var.existing_network == null ? 0 : 1
  id    = var.existing_network.vpc_id
}

data "aws_subnet" "mlflow" {
  for_each = toset(var.mlflow == null || local.own_network ? [] : var.existing_network.private_subnets)
  id       = each.key
}

locals {
  own_network = var.existing_network == null
  zones       = { for number, zone in slice(data.aws_availability_zones.here.names, 0, 2) : zone => number }
  own_zones   = local.own_network ? local.zones : {}
  nat_zones   = { none = {}, single = { for zone, number in local.own_zones : zone => number if number == 0 }, per_zone = local.own_zones }[var.nat]

  vpc             = local.own_network ? aws_vpc.own[0].id : var.existing_network.vpc_id
  vpc_cidr        = local.own_network ? var.cidr : data.aws_vpc.existing[0].cidr_block
  public_subnets  = local.own_network ? [for zone in keys(local.zones) : aws_subnet.public[zone].id] : var.existing_network.public_subnets
  private_subnets = local.own_network ? [for zone in keys(local.zones) : aws_subnet.private[zone].id] : var.existing_network.private_subnets

  # Where MLflow's load balancer and tasks are.
  mlflow_cidrs = local.own_network ? [for subnet in concat(values(aws_subnet.private), local.public_tasks ? values(aws_subnet.public) : []) : subnet.cidr_block] : [for subnet in data.aws_subnet.mlflow : subnet.cidr_block]

  # Without a NAT gateway tasks reach ECR only from a public address of their own.
  public_tasks = local.own_network && var.nat == "none"
  task_subnets = local.public_tasks ? local.public_subnets : local.private_subnets
}

resource "aws_vpc" "own" {
  #checkov:skip=CKV2_AWS_11:flow logs cost more than the rest of a small environment; turn them on when somebody reads them
  count                = local.own_network ? 1 : 0
  cidr_block           = var.cidr
  enable_dns_hostnames = true

  tags = { Name = module.names.full }
}

# Without rules it lets nothing through, so nothing works with it by mistake.
resource "aws_default_security_group" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
}

resource "aws_internet_gateway" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id

  tags = { Name = module.names.full }
}

resource "aws_subnet" "public" {
  for_each          = local.own_zones
  vpc_id            = aws_vpc.own[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value)

  tags = { Name = "${module.names.full}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each          = local.own_zones
  vpc_id            = aws_vpc.own[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value + 8)

  tags = { Name = "${module.names.full}-private-${each.key}" }
}

resource "aws_route_table" "public" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.own[0].id
  }

  tags = { Name = "${module.names.full}-public" }
}

resource "aws_route_table_association" "public" {
  for_each       = local.own_zones
  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:they belong to the NAT gateways
  for_each = local.nat_zones
  domain   = "vpc"

  tags = { Name = "${module.names.full}-nat-${each.key}" }
}

resource "aws_nat_gateway" "own" {
  for_each      = local.nat_zones
  subnet_id     = aws_subnet.public[each.key].id
  allocation_id = aws_eip.nat[each.key].id
  depends_on    = [aws_internet_gateway.own]

  tags = { Name = "${module.names.full}-${each.key}" }
}

resource "aws_route_table" "private" {
  for_each = local.own_zones
  vpc_id   = aws_vpc.own[0].id

  dynamic "route" {
    for_each = length(local.nat_zones) > 0 ? [1] : []

    content {
      cidr_block     = "0.0.0.0/0"
      nat_gateway_id = try(aws_nat_gateway.own[each.key].id, values(aws_nat_gateway.own)[0].id)
    }
  }

  tags = { Name = "${module.names.full}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each       = local.own_zones
  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# Images and artifacts come from S3; through this endpoint their traffic costs nothing.
resource "aws_vpc_endpoint" "s3" {
  count           = local.own_network ? 1 : 0
  vpc_id          = aws_vpc.own[0].id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = concat([aws_route_table.public[0].id], [for table in aws_route_table.private : table.id])

  tags = { Name = "${module.names.full}-s3" }
}
