"""An ECS with real tasks on this machine, in front of moto: `python -m ecs_local up`."""
