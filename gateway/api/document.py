"""The OpenAPI document as the doors really answer: every error is a problem, in its own media type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.api.problems import MEDIA_TYPE, Problem

_ERROR = {
    "description": "RFC 9457 problem details",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The function that FastAPI asks for the document; it is made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            for operations in made["paths"].values():
                for operation in operations.values():
                    responses = operation.get("responses", {})
                    # FastAPI announces a form of its own for invalid fields; ours is a problem like all others.
                    responses.pop("422", None)
                    responses["4XX"] = responses["5XX"] = _ERROR
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["Problem"] = Problem.model_json_schema()
            app.openapi_schema = made
        return app.openapi_schema

    return document
