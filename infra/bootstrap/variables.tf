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

variable "monitors" {
  description = "By environment, each one of deployers: the subjects of the tokens of jobs that run make monitor and make retrain ENV=… there; they may look, and not deploy."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for one in values(var.monitors) : length(one) > 0 && alltrue([for subject in one : length(subject) > 0 && !can(regex("[*?]", replace(subject, "/user/*", "")))])])
    error_message = "monitors has one subject or more for each environment; each is compared letter by letter: no ?, and no * but in /user/*."
  }

  validation {
    condition     = alltrue([for environment in keys(var.monitors) : contains(keys(var.deployers), environment)])
    error_message = "monitors has environments of deployers only."
  }
}
