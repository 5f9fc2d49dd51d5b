# PostgreSQL for MLflow: private, encrypted, its password made and rotated by AWS.

resource "aws_db_subnet_group" "mlflow" {
  count      = var.database == null ? 0 : 1
  name       = "${module.names.full}-mlflow"
  subnet_ids = local.private_subnets
}

# When this database was made: it makes the last snapshot's name differ from those of earlier databases.
resource "terraform_data" "database_made" {
  count = var.database == null ? 0 : 1
  input = formatdate("YYYYMMDDhhmmss", timestamp())

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_db_instance" "mlflow" {
  #checkov:skip=CKV_AWS_157:database.multi_az sets it
  #checkov:skip=CKV_AWS_293:protected sets it
  #checkov:skip=CKV_AWS_161:MLflow logs in with a password, which AWS rotates
  #checkov:skip=CKV_AWS_118:metrics of a minute are enough for a tracking server
  #checkov:skip=CKV_AWS_353:the same
  #checkov:skip=CKV2_AWS_30:statements of MLflow show nothing; its own logs do
  #checkov:skip=CKV2_AWS_69:PostgreSQL 15 and newer refuse what is not encrypted, by default
  count      = var.database == null ? 0 : 1
  identifier = "${module.names.full}-mlflow"

  engine                     = "postgres"
  engine_version             = "17"
  auto_minor_version_upgrade = true
  instance_class             = var.database.instance_class
  multi_az                   = var.database.multi_az

  db_name                     = "mlflow"
  username                    = "mlflow"
  manage_master_user_password = true

  allocated_storage     = var.database.storage_gb
  max_allocated_storage = 4 * var.database.storage_gb
  storage_type          = "gp3"
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.mlflow[0].name
  vpc_security_group_ids = [aws_security_group.this["database"].id]
  publicly_accessible    = false

  backup_retention_period   = var.database.backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.protected
  skip_final_snapshot       = !var.database.last_snapshot
  final_snapshot_identifier = var.database.last_snapshot ? "${module.names.full}-mlflow-${terraform_data.database_made[0].output}" : null

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}
