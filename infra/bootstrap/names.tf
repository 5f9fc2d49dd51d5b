module "shared_names" {
  source = "../names"
  name   = var.name
}

module "names" {
  for_each    = var.deployers
  source      = "../names"
  name        = var.name
  environment = each.key
}
