"""The HTTP service of a model: its routes but that of predictions, which is in predict_route.py."""

from __future__ import annotations

import html
from typing import Any, Optional, Union

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from pydantic_core import to_json

from mlops_kit.artifact import request_schema
from mlops_kit.artifact.predictor import Model
from mlops_kit.core.errors import UserError

from . import page
from .document import Answers, FieldProblems, Problem
from .metrics import Measures
from .middleware import Middleware
from .predict_route import PredictRoute
from .served import Served
from .settings import SHADOW, SHARE, ChallengerConfig, LimitsConfig, RecordConfig
from .shadow import Shadow
from .variant import Variant

# For the OpenAPI document alone; predict_route.py checks the key.
_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)

PATHS = frozenset(("/", "/predict", "/healthz", "/readyz", "/version", "/metrics"))
_VERSION = (
    "registered_model",
    "version",
    "challenger",
    "run_id",
    "git_commit",
    "git_dirty",
    "data_source",
    "data_digest",
    "model_sha256",
    "task",
    "target",
    "format",
    "metrics",
)


class Service:
    """The HTTP service of a model."""

    def __init__(
        self,
        model: Model,
        limits: LimitsConfig,
        api_key: str,
        release: str = "",
        record: Optional[RecordConfig] = None,
        root_path: str = "",
        challenger: Optional[ChallengerConfig] = None,
        variant: Optional[Model] = None,
    ) -> None:
        """Take a loaded model; with an empty `api_key` requests need none. /version shows `release`.

        For clients all paths begin with `root_path`; requests are accepted with and without it. `challenger` are the
        settings of the challenger, and `variant` is its model where it predicts a share of the requests.

        Raises:
            UserError: The folder of `record` cannot be written, `record` or `challenger` names a column that the model does
                not have, or the provider of the share cannot be loaded.
        """
        card, example = model.card, model.card["golden"][0]["row"]
        self._model, self._needs_key, self._is_right = model, bool(api_key), False
        self.measures = Measures(card)
        to_keep = record if record and record.folder else None
        served = Served(model, to_keep, self.measures)
        self.recorder = served.recorder
        self.shadow = self.variant = beside = None
        if challenger and challenger.mode == SHADOW:
            self.shadow = Shadow(self.measures)
            beside = {"version": card["challenger"]["version"], "mode": SHADOW}
        elif challenger and variant:
            self.variant = Variant(
                variant, challenger.share, card["columns"], to_keep, self.measures
            )
            beside = {"version": variant.card["version"], "mode": SHARE}
        self._predict_route = PredictRoute(
            served, limits, api_key, self.measures, self.shadow, self.variant
        )
        self._page = page.render(card, self._needs_key, beside)
        self._version = to_json(
            {"release": release or None, **{key: card[key] for key in _VERSION}}
        )
        self.app = self._routes(request_schema.body_schema(card["columns"], example, limits.rows))
        self.observed = Middleware(self.app, self.measures, PATHS, root_path)

    def _routes(self, schema: dict[str, Any]) -> FastAPI:
        predict = self._predict_route.predict
        app = FastAPI(
            title=self._model.name,
            version=self._model.card["version"],
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,  # it would redirect clients to any host in their Host header
        )
        app.add_exception_handler(Exception, _unexpected)
        problems: dict[Union[int, str], Any] = {
            code: {"model": Problem} for code in (401, 408, 413, 500, 503, 504)
        }
        # The first route responds; the second documents it. FastAPI's own dispatch takes as long as the prediction.
        app.add_route("/predict", predict, methods=["POST"])
        app.post(
            "/predict",
            response_model=None,
            responses={**problems, 200: {"model": Answers}, 422: {"model": FieldProblems}},
            dependencies=[Depends(_KEY)] if self._needs_key else [],
            openapi_extra={"requestBody": {"required": True}},
        )(predict)
        app.get("/healthz")(self.healthz)
        app.get("/readyz", responses={503: {"model": Problem}})(self.readyz)
        app.get("/version")(self.version)
        app.get("/metrics", response_class=PlainTextResponse)(self.metrics)
        app.get("/", include_in_schema=False)(self.page)
        app.get("/static/{name}", include_in_schema=False)(self.static)
        app.get("/docs", include_in_schema=False)(self.docs)
        for route in [one for one in app.routes if isinstance(one, APIRoute)]:
            if "GET" in (route.methods or ()):
                app.head(route.path, include_in_schema=False)(route.endpoint)
        # Put into the finished document, because FastAPI removes every null, even from the example.
        body = app.openapi()["paths"]["/predict"]["post"]["requestBody"]
        body["content"] = {"application/json": {"schema": schema}}
        return app

    async def healthz(self) -> dict[str, str]:
        """Return 200 while the process responds."""
        return {"status": "alive"}

    async def readyz(self) -> JSONResponse:
        """Return 200 if the model reproduces its golden predictions and the service is not shutting down, else 503.

        Where a challenger has a share, it is 503 also until the share is known, for 5 seconds at most.
        """
        if self.observed.draining:
            return JSONResponse({"detail": "shutting down"}, 503)
        if not self._is_right:
            try:
                self._model.check()
            except UserError as error:
                return JSONResponse({"detail": str(error)}, 503)
            self._is_right = True
        if self.variant and not self.variant.is_settled():
            return JSONResponse({"detail": "the challenger's share is not known yet"}, 503)
        return JSONResponse({"status": "ready"})

    async def version(self) -> Response:
        """Return the model's version and provenance."""
        return Response(self._version, media_type="application/json")

    async def metrics(self) -> Response:
        """Return the metrics, in Prometheus' format."""
        return Response(self.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(self) -> Response:
        """Return the HTML page with the form."""
        return Response(
            self._page,
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": page.CSP, "X-Content-Type-Options": "nosniff"},
        )

    async def docs(self, request: Request) -> Response:
        """Return the Swagger UI of the OpenAPI document; FastAPI's own page does not escape the title."""
        where = f"{request.scope['root_path']}/openapi.json"
        return get_swagger_ui_html(openapi_url=where, title=html.escape(self._model.name))

    async def static(self, name: str) -> Response:
        """Return a static file of the page.

        Raises:
            HTTPException: There is no such file (404).
        """
        try:
            content, media_type = page.static_file(name)
        except KeyError:
            raise HTTPException(404, "Not Found") from None
        return Response(
            content, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"}
        )


async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
    """Return 500 for an unexpected error; Starlette raises it again, so that the middleware logs it."""
    number = request.state.request_id
    return JSONResponse({"detail": f"unexpected error; the log has more under {number}"}, 500)
