output "state_bucket" {
  description = "Bucket of Terraform's states."
  value       = aws_s3_bucket.state.bucket
}

output "deploy_roles" {
  description = "ARN of the role that CI takes to deploy, by environment (AWS_ROLE_ARN of the CI system's environment)."
  value       = { for name, role in aws_iam_role.deploy : name => role.arn }
}

output "monitor_roles" {
  description = "ARN of the role that CI takes to monitor, by environment (AWS_ROLE_ARN where training runs)."
  value       = { for name, role in aws_iam_role.monitor : name => role.arn }
}
