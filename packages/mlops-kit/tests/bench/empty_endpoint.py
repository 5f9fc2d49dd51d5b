"""The most that a FastAPI service can do: an endpoint that answers without looking."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/ready")
@app.post("/predict")
async def predict() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
