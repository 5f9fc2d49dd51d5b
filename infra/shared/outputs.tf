output "repositories" {
  description = "Addresses of the repositories, by what is in them."
  value       = { for what, repository in aws_ecr_repository.images : what => repository.repository_url }
}

output "records_bucket" {
  description = "Bucket of release records."
  value       = aws_s3_bucket.records.bucket
}
