# The load balancer with two listeners: production for the world, test for the deployer's probe. ECS moves the weights of
# their rules between blue and green; Terraform makes them once and leaves them alone.

locals {
  tls          = var.https != null
  scheme       = local.tls ? "https" : "http"
  test_port    = local.tls ? 8443 : 8080
  public_ports = local.tls ? [80, 443] : [80]
  host         = local.tls ? var.https.domain : aws_lb.app.dns_name
  listeners    = { production = local.tls ? 443 : 80, test = local.test_port }
}

resource "aws_lb" "app" {
  #checkov:skip=CKV_AWS_91:the service logs each request; access logs are a bucket to pay for and to keep
  #checkov:skip=CKV2_AWS_28:a WAF costs more than a small service; put one before a service that is attacked
  #checkov:skip=CKV2_AWS_20:where https is given, port 80 redirects
  #checkov:skip=CKV_AWS_150:protected sets it
  name                       = "${module.names.short}-${var.environment}"
  security_groups            = [aws_security_group.this["balancer"].id]
  subnets                    = local.public_subnets
  idle_timeout               = 60 # seconds; less than limits.keep_alive_seconds in configs/serve.yaml
  drop_invalid_header_fields = true
  enable_deletion_protection = var.protected
}

resource "aws_lb_target_group" "app" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it is one security group
  for_each             = toset(["blue", "green"])
  name                 = "${module.names.short}-${var.environment}-${each.key}"
  vpc_id               = local.vpc
  target_type          = "ip"
  port                 = var.container_port
  protocol             = "HTTP"
  deregistration_delay = 30

  health_check {
    path                = "/readyz"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "app" {
  #checkov:skip=CKV_AWS_2:HTTPS where https is given
  #checkov:skip=CKV_AWS_103:TLS 1.3 where https is given
  for_each          = local.listeners
  load_balancer_arn = aws_lb.app.arn
  port              = each.value
  protocol          = upper(local.scheme)
  certificate_arn   = local.tls ? var.https.certificate_arn : null
  ssl_policy        = local.tls ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "app" {
  for_each     = local.listeners
  listener_arn = aws_lb_listener.app[each.key].arn
  priority     = 1

  condition {
    path_pattern {
      values = ["/*"]
    }
  }

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.app["blue"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.app["green"].arn
        weight = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [action] # they are ECS' from the first deployment on
  }
}

resource "aws_lb_listener" "redirect" {
  count             = local.tls ? 1 : 0
  load_balancer_arn = aws_lb.app.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

check "https" {
  assert {
    condition     = local.tls || !var.protected
    error_message = "What users send to ${var.environment} travels unencrypted: give https a certificate and its domain."
  }
}
