# Repositories of images. All environments share them: what was proved in staging is what production runs, byte by byte.

resource "aws_ecr_repository" "images" {
  for_each             = module.names.repositories
  name                 = each.value
  image_tag_mutability = "IMMUTABLE"

  encryption_configuration {
    encryption_type = "KMS"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "images" {
  for_each   = aws_ecr_repository.images
  repository = each.value.name

  policy = jsonencode({
    # No later rule expires an image that one rule selects: so what served stays, however many images come after it.
    rules = concat(
      [
        for number, environment in var.environments : {
          rulePriority = number + 1
          description  = "What served in ${environment}"
          selection    = { tagStatus = "tagged", tagPatternList = ["served-${environment}-*"], countType = "imageCountMoreThan", countNumber = var.served_images_kept }
          action       = { type = "expire" }
        }
      ],
      [
        {
          rulePriority = 100
          description  = "Layers that lost their tag"
          selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
          action       = { type = "expire" }
        },
        {
          rulePriority = 101
          description  = "More releases than anybody rolls back over"
          selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.images_kept }
          action       = { type = "expire" }
        },
      ],
    )
  })
}
