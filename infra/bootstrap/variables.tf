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
  description = "By environment: the subjects of the tokens that may deploy there, letter by letter (but /user/* for any user of CircleCI), and whether they may push images."
  type = map(object({
    subjects = list(string)
    push     = bool
  }))
  default = {
    staging    = { subjects = ["repo:ml-template-org/ml-template:environment:staging"], push = true }
    production = { subjects = ["repo:ml-template-org/ml-template:environment:production"], push = false }
  }

  validation {
    condition     = alltrue([for one in var.deployers : length(one.subjects) > 0 && alltrue([for subject in one.subjects : length(subject) > 0 && !can(regex("[*?]", replace(subject, "/user/*", "")))])])
    error_message = "subjects has to be one or more; each is compared letter by letter: no ?, and no * but in /user/*."
  }
}
