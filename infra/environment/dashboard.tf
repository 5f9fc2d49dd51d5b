# One page: what users notice, and what the service runs on.

locals {
  balancer = aws_lb.app.arn_suffix
  service  = module.names.full

  graphs = concat(
    [
      { title = "Requests a minute", stat = "Sum", metrics = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", local.balancer]] },
      { title = "Errors a minute", stat = "Sum", metrics = [
        ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", local.balancer],
        ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", local.balancer],
      ] },
      { title = "Latency, 95 %, seconds", stat = "p95", metrics = [["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", local.balancer]] },
      { title = "Healthy tasks", stat = "Minimum", metrics = [
        for group in aws_lb_target_group.app : ["AWS/ApplicationELB", "HealthyHostCount", "LoadBalancer", local.balancer, "TargetGroup", group.arn_suffix]
      ] },
      { title = "CPU and memory of the service, %", stat = "Average", metrics = [
        ["AWS/ECS", "CPUUtilization", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", local.service],
        ["AWS/ECS", "MemoryUtilization", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", local.service],
      ] },
    ],
    [
      for database in aws_db_instance.mlflow :
      { title = "CPU of MLflow's database, %", stat = "Average", metrics = [["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", database.identifier]] }
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = module.names.full

  dashboard_body = jsonencode({
    widgets = [
      for number, graph in local.graphs : {
        type   = "metric"
        x      = 12 * (number % 2)
        y      = 6 * floor(number / 2)
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          stat    = graph.stat
          period  = 60
          region  = var.region
          metrics = graph.metrics
        }
      }
    ]
  })
}
