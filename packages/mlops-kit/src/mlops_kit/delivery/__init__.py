"""Delivery: the image, deployments, Terraform."""
