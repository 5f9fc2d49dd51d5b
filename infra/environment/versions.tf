terraform {
  required_version = ">= 1.10" # the first whose state bucket needs no table to lock

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # Bucket, key and region come from make: they hold the account's number.
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = var.name, environment = var.environment, managed-by = "terraform" }
  }
}

data "aws_caller_identity" "current" {}

module "names" {
  source      = "../names"
  name        = var.name
  environment = var.environment
}
