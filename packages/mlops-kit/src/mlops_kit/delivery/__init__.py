"""The way to users: the image, deployments, Terraform."""
