# The names of everything, in one place: what one root makes, another finds under the same name.

variable "name" {
  description = "Name of the project, as the repository is called."
  type        = string

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])*$", var.name)) && length(var.name) <= 40
    error_message = "name has to be lower-case letters, digits and single hyphens, at most 40."
  }
}

variable "environment" {
  description = "Name of the environment; empty for what all environments share."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z][a-z0-9]*)?$", var.environment)) && length(var.environment) <= 10
    error_message = "environment has to be lower-case letters and digits, at most 10: names are made of it."
  }
}

locals {
  # Names of load balancers and target groups have to be short; those of buckets are not ours alone.
  short = length(var.name) <= 15 ? var.name : "${trimsuffix(substr(var.name, 0, 10), "-")}-${substr(sha1(var.name), 0, 4)}"
}

output "short" {
  description = "At most 15 characters of the project's name, with a digest of it where it is longer."
  value       = local.short
}

output "full" {
  description = "Cluster, service, task definitions, alarms and roles begin with this."
  value       = "${var.name}-${var.environment}"
}

output "path" {
  description = "Parameters, secrets and log groups of the environment lie below this."
  value       = "${var.name}/${var.environment}"
}

output "repositories" {
  description = "Repositories of images, by what is in them."
  value       = { app = var.name, mlflow = "${var.name}-mlflow", training = "${var.name}-training" }
}

output "roles" {
  description = "Roles of the environment, by who takes them."
  value = {
    for who in ["deploy", "monitor", "execution", "task", "balancer", "mlflow", "training"] : who => "${var.name}-${var.environment}-${who}"
  }
}
