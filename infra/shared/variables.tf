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

variable "images_kept" {
  description = "How many images each repository keeps."
  type        = number
  default     = 100

  validation {
    condition     = var.images_kept >= 10
    error_message = "images_kept has to be 10 or more: a rollback needs its image."
  }
}
