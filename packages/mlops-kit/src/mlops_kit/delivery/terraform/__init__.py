"""The infrastructure of an account: Terraform (`infra/`) with the settings of `configs/infra/`."""
