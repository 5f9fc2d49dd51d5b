# Repositories, and names that are too long for a bucket or a load balancer.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "images_stay_what_they_are" {
  assert {
    condition     = alltrue([for one in aws_ecr_repository.images : one.image_tag_mutability == "IMMUTABLE" && one.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags are immutable, and every image is scanned."
  }
}

run "what_served_is_kept_before_anything_expires" {
  assert {
    condition = alltrue([
      for one in aws_ecr_lifecycle_policy.images : [
        for rule in sort([for rule in jsondecode(one.policy).rules : format("%03d %s", rule.rulePriority, try(rule.selection.tagPatternList[0], rule.selection.tagStatus))]) : rule
      ] == ["001 served-production-*", "002 served-staging-*", "100 untagged", "101 any"]
    ])
    error_message = "An earlier rule keeps what served; the one for all images is the last, as ECR wants it."
  }
}

run "a_long_name_is_shortened" {
  variables {
    name = "abcdefghi-klmnopqrstuvwxyz-abcdefghijklm"
  }

  # packages/mlops-kit/src/mlops_kit/delivery/terraform/roots.py shortens it in the same way; the kit's unit tests have the
  # same pair.
  assert {
    condition     = module.names.short == "abcdefghi-d1f3"
    error_message = "Python and Terraform have to agree on the short name."
  }
}

run "few_images_are_no_rollback" {
  command = plan

  variables {
    images_kept = 3
  }

  expect_failures = [var.images_kept]
}
