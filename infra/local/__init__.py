"""The local ECS emulator that ENV=local deploys to: real processes behind a real proxy, and moto for the rest of AWS."""
