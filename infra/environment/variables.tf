variable "name" {
  description = "Name of the project; names of resources begin with it."
  type        = string
  default     = "ml-template"
}

variable "environment" {
  description = "Name of the environment, as configs/infra/ and configs/deploy/ have it."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
}

variable "protected" {
  description = "Whether databases and buckets with contents refuse to be destroyed. True where losing them hurts."
  type        = bool
  default     = true
}

variable "alert_emails" {
  description = "Who gets notices of alarms, rollbacks and the budget, 1 to 10 addresses. AWS asks each to confirm."
  type        = list(string)

  validation {
    condition     = length(var.alert_emails) >= 1 && length(var.alert_emails) <= 10 && alltrue([for one in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+$", one)) && !endswith(one, ".example")])
    error_message = "alert_emails has to be 1 to 10 addresses that somebody reads: .example is nobody's."
  }
}

variable "monthly_budget" {
  description = "US dollars a month for what carries this environment's tag; a mail at 80 % spent and at 100 % foreseen."
  type        = number

  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget has to be more than 0."
  }
}

variable "cidr" {
  description = "Addresses of the network that is made; a /16 to a /20 that overlaps with no other network of yours."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20
    error_message = "cidr has to be a network like 10.20.0.0/16, between /16 and /20."
  }
}

variable "nat" {
  description = "How tasks reach the internet: none (they get public addresses, and no way in but the load balancer's), single (one NAT gateway), per_zone (one in each)."
  type        = string
  default     = "single"

  validation {
    condition     = contains(["none", "single", "per_zone"], var.nat)
    error_message = "nat has to be none, single or per_zone."
  }
}

variable "existing_network" {
  description = "A network that is there already, instead of one of our own: its private subnets need a way to ECR, CloudWatch and S3."
  type = object({
    vpc_id          = string
    public_subnets  = list(string)
    private_subnets = list(string)
  })
  default = null

  validation {
    condition     = var.existing_network == null ? true : length(var.existing_network.public_subnets) >= 2 && length(var.existing_network.private_subnets) >= 2
    error_message = "existing_network needs two public and two private subnets, in two zones."
  }
}

variable "trusted_cidrs" {
  description = "Networks that reach the test listener and MLflow, beside this VPC: a VPN, runners of CI. Never the whole internet."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.trusted_cidrs : can(cidrhost(one, 0)) && tonumber(split("/", one)[1]) >= 8])
    error_message = "trusted_cidrs has to be a list of networks like 192.0.2.0/24, none wider than /8."
  }
}

variable "https" {
  description = "Certificate (ARN in ACM) and the domain that it is for; null: plain HTTP under the load balancer's own name."
  type        = object({ certificate_arn = string, domain = string })
  default     = null
}

variable "container_port" {
  description = "Port on which the service listens in its container."
  type        = number
  default     = 8000
}

variable "secrets" {
  description = "Variables of the container, each with the ARN of a secret or parameter below NAME/ENVIRONMENT/, like ml-template/staging/api-key."
  type        = map(string)
  default     = {}
}

variable "latency_seconds" {
  description = "The 95th percentile above which the alarm on latency rings, in seconds."
  type        = number
  default     = 1

  validation {
    condition     = var.latency_seconds > 0
    error_message = "latency_seconds has to be more than 0."
  }
}

variable "log_days" {
  description = "How long logs are kept, in days that CloudWatch accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …."
  type        = number
  default     = 30
}

variable "prediction_days" {
  description = "How long the service's records of its requests are kept in S3, in days; 0: it records nothing."
  type        = number
  default     = 0

  validation {
    condition     = var.prediction_days >= 0 && floor(var.prediction_days) == var.prediction_days
    error_message = "prediction_days has to be a whole number of days, or 0."
  }
}

variable "database" {
  description = "PostgreSQL for MLflow: class of the instance, storage in GB, whether a second zone stands by, days of backups, and whether a last snapshot stays when it is destroyed. null: none."
  type = object({
    instance_class = string
    storage_gb     = number
    multi_az       = bool
    backup_days    = number
    last_snapshot  = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.database == null ? true : var.database.storage_gb >= 20 && var.database.backup_days >= 1 && var.database.backup_days <= 35
    error_message = "database needs storage_gb of 20 or more and backup_days of 1 to 35."
  }
}

variable "mlflow" {
  description = "The MLflow server: tag of its image, CPU units, MiB, number of tasks. database_secret: ARN of a secret that holds the address of another database. null: no server."
  type = object({
    image_tag       = string
    cpu             = number
    memory          = number
    tasks           = number
    database_secret = optional(string)
  })
  default = null
}

variable "training" {
  description = "Training on ECS: tag of its image, CPU units, MiB; gpus and the instances that have them; schedule: a cron or rate expression, null: only make train-remote; database_secret: ARN of a secret that holds DATABASE_URL, on database_port. null: no training here."
  type = object({
    image_tag     = string
    cpu           = number
    memory        = number
    gpus          = optional(number, 0)
    instance_type = optional(string, "g5.xlarge")
    schedule      = optional(string)

    database_secret = optional(string)
    database_port   = optional(number, 5432)
  })
  default = null

  validation {
    condition     = var.training == null ? true : contains([0, 1, 4, 8], var.training.gpus)
    error_message = "training.gpus has to be 0, 1, 4 or 8, as instances have them."
  }
}
