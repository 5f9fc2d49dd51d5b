output "url" {
  description = "Address of the service."
  value       = "${local.scheme}://${local.host}"
}

output "load_balancer" {
  description = "Name to which the domain of `https` has to point."
  value       = aws_lb.app.dns_name
}

output "contract" {
  description = "Parameter that make deploy reads."
  value       = aws_ssm_parameter.contract.name
}

output "mlflow" {
  description = "MLFLOW_TRACKING_URI, from within the network."
  value       = local.mlflow_address
}

output "artifacts_bucket" {
  description = "Bucket of artifacts; training reads what is below data/."
  value       = aws_s3_bucket.artifacts.bucket
}
