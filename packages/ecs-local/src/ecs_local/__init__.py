"""An emulator of ECS that runs tasks as processes on this machine, in front of moto: `python -m ecs_local up`."""
