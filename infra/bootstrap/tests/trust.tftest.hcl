# Who may deploy, and what the variables refuse. Nothing here asks AWS.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "a_role_for_each_environment" {
  assert {
    condition     = { for name, role in aws_iam_role.deploy : name => role.name } == { staging = "${var.name}-staging-deploy", production = "${var.name}-production-deploy" }
    error_message = "There has to be one role for each environment."
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.trust : alltrue([for one in document.statement[0].condition : one.test == "StringEquals"])
    ])
    error_message = "Tokens have to be compared letter by letter."
  }
}

run "who_monitors_may_look_and_not_deploy" {
  variables {
    monitors = { production = ["repo:some-org/some-repo:environment:training"] }
  }

  assert {
    condition     = { for name, role in aws_iam_role.monitor : name => role.name } == { production = "${var.name}-production-monitor" }
    error_message = "Only the environments that are named are looked at."
  }

  assert {
    condition     = { for role, document in data.aws_iam_policy_document.trust : role => one([for each in document.statement[0].condition : toset(each.values) if endswith(each.variable, ":sub")]) } == merge({ for name, deployer in var.deployers : "deploy-${name}" => toset(deployer.subjects) }, { monitor-production = toset(var.monitors.production) })
    error_message = "Each role trusts its own subjects, and no other's."
  }

  assert {
    condition     = toset(flatten([for one in data.aws_iam_policy_document.monitor["production"].statement : one.actions])) == toset(["ssm:GetParameter", "s3:GetObject", "s3:ListBucket", "sns:Publish"])
    error_message = "It reads the contract, predictions and data, and publishes drift: nothing else."
  }

  assert {
    condition     = alltrue([for one in data.aws_iam_policy_document.monitor["production"].statement : alltrue([for resource in one.resources : strcontains(resource, "production")])])
    error_message = "It reaches no other environment."
  }
}

run "a_monitor_of_nothing" {
  command = plan

  variables {
    monitors = { nowhere = ["repo:some-org/some-repo:environment:training"] }
  }

  expect_failures = [var.monitors]
}

run "an_existing_provider_is_not_made_again" {
  variables {
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.ci) == 0
    error_message = "An account can have one provider of an issuer."
  }
}

run "no_wildcard_in_a_subject" {
  command = plan

  variables {
    deployers = { staging = { subjects = ["repo:some-org/some-repo:environment:staging", "repo:some-org/*"], push = true } }
  }

  expect_failures = [var.deployers]
}

run "nobody_is_no_subject" {
  command = plan

  variables {
    deployers = { staging = { subjects = [], push = true } }
  }

  expect_failures = [var.deployers]
}

run "a_repository_with_ids_in_its_subject_beside_one_without" {
  variables {
    deployers = { staging = { subjects = ["repo:some-org/some-repo:environment:staging", "repo:some-org@1/some-repo@2:environment:staging"], push = true } }
  }

  assert {
    condition     = [for one in data.aws_iam_policy_document.trust["deploy-staging"].statement[0].condition : toset(one.values) if endswith(one.variable, ":sub")] == [toset(var.deployers.staging.subjects)] && alltrue([for one in data.aws_iam_policy_document.trust["deploy-staging"].statement[0].condition : one.test == "StringEquals"])
    error_message = "Each subject of the list may deploy, letter by letter."
  }
}

run "any_user_of_one_project_of_circleci" {
  variables {
    deployers = { staging = { subjects = ["org/o-1/project/p-1/user/*/vcs-origin/github.com/o/r/vcs-ref/refs/heads/main"], push = true } }
  }

  assert {
    condition     = [for one in data.aws_iam_policy_document.trust["deploy-staging"].statement[0].condition : one.test] == ["StringEquals", "StringLike"]
    error_message = "Only the subject may hold a wildcard."
  }
}

run "any_project_is_too_many" {
  command = plan

  variables {
    deployers = { staging = { subjects = ["org/o-1/project/*/user/*"], push = true } }
  }

  expect_failures = [var.deployers]
}

run "the_issuer_is_a_host" {
  command = plan

  variables {
    issuer = "https://gitlab.example.com"
  }

  expect_failures = [var.issuer]
}
