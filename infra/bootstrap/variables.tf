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

variable "issuer" {
  description = "Who signs the tokens of the CI system: a host name, for GitHub Actions token.actions.githubusercontent.com."
  type        = string
  default     = "token.actions.githubusercontent.com"

  validation {
    condition     = !startswith(var.issuer, "http") && !endswith(var.issuer, "/")
    error_message = "issuer is a host name, without https:// and without a slash at its end."
  }
}

variable "audience" {
  description = "For whom the tokens have to be signed."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "oidc_provider_arn" {
  description = "The account's OIDC provider of this issuer, where there is one already (an account can have one); null makes it."
  type        = string
  default     = null
}

variable "deployers" {
  description = "By environment: the subject of the tokens that may deploy there, letter by letter (but /user/* for any user of CircleCI), and whether it may push images."
  type = map(object({
    subject = string
    push    = bool
  }))
  default = {
    staging    = { subject = "repo:ml-template-org/ml-template:environment:staging", push = true }
    production = { subject = "repo:ml-template-org/ml-template:environment:production", push = false }
  }

  validation {
    condition     = alltrue([for one in var.deployers : length(one.subject) > 0 && !can(regex("[*?]", replace(one.subject, "/user/*", "")))])
    error_message = "A subject is compared letter by letter: no ?, and no * but in /user/*."
  }
}
