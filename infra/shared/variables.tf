variable "name" {
  description = "Name of the project; names of resources begin with it."
  type        = string
  default     = "ml-template"
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
}

variable "environments" {
  description = "Environments whose images are kept by a rule of their own. Of an image that served in several the first counts."
  type        = list(string)
  default     = ["production", "staging"]

  validation {
    condition     = length(var.environments) < 50 && alltrue([for one in var.environments : can(regex("^[a-z][a-z0-9]*$", one))])
    error_message = "environments has to be a list of names in lower-case letters and digits, fewer than 50."
  }
}

variable "served_images_kept" {
  description = "How many images that served in an environment each repository keeps."
  type        = number
  default     = 500

  validation {
    condition     = var.served_images_kept >= 10
    error_message = "served_images_kept has to be 10 or more: what serves must not expire."
  }
}

variable "images_kept" {
  description = "How many images each repository keeps, beside those that served."
  type        = number
  default     = 100

  validation {
    condition     = var.images_kept >= 10
    error_message = "images_kept has to be 10 or more: a rollback needs its image."
  }
}
