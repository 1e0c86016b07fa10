"""Every error as RFC 9457 problem details: what, which field, why, in Chinese and English; never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway.refusals import Refusal, RefusalKind

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[RefusalKind, int] = {
    "invalid": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "too_many": 429,
    "unavailable": 503,
}
_HEADERS: Mapping[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "10"},
    503: {"Retry-After": "2"},
}
_HTTP: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "请求无法解析。", "The request cannot be read."),
    404: ("not_found", "没有这一地址。", "There is nothing at this address."),
    405: ("method_not_allowed", "该地址不支持此方法。", "This address does not take that method."),
    413: ("body_too_large", "请求内容过大。", "The request body is too large."),
}


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(default="about:blank", description="Always about:blank; `reason` tells errors apart.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong and what to do, in Chinese.")
    detail_en: str = Field(description="The same in English.")
    reason: str = Field(description="A stable code for machines.")
    field: str | None = Field(default=None, description="The field at fault, dotted from the body's root.")
    about: str | None = Field(default=None, description="The id of what stands in the way, where it can be asked for.")


def problem(
    status: int,
    reason: str,
    zh: str,
    en: str,
    *,
    field: str | None = None,
    about: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=zh, detail_en=en, reason=reason, field=field, about=about
    ).model_dump(exclude_none=True)
    return JSONResponse(
        body, status, {**_HEADERS.get(status, {}), **(headers or {}), "Cache-Control": "no-store"}, MEDIA_TYPE
    )


def problem_of(refusal: Refusal) -> JSONResponse:
    return problem(
        STATUS[refusal.kind], refusal.reason, refusal.zh, refusal.en, field=refusal.field, about=refusal.about
    )


def install(app: FastAPI) -> None:
    """Let refusals, invalid fields and unknown addresses end in problem details; ``front`` catches the unforeseen."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101 - Starlette registers handlers by this type
    return problem_of(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    first: Mapping[str, Any] = error.errors()[0]
    field = field_of(first["loc"])
    if first["type"] == "json_invalid":
        return problem(400, "json_invalid", "请求内容不是有效的 JSON。", "The body is not valid JSON.")
    reason = "field_missing" if first["type"] == "missing" else "field_invalid"
    message = str(first["msg"])
    return problem(422, reason, f"字段“{field}”有误：{message}", f"Field {field!r} is wrong: {message}", field=field)


def field_of(location: Sequence[str | int]) -> str:
    """``("body", "zones", 0, "polygon")`` → ``zones.0.polygon``; the part that names where it stood is left out."""
    parts = [str(part) for part in location]
    return ".".join(parts[1:] or parts)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    phrase = HTTPStatus(error.status_code).phrase
    default = (phrase.lower().replace(" ", "_"), f"请求未能完成（{error.status_code}）。", f"{phrase}.")
    reason, zh, en = _HTTP.get(error.status_code, default)
    return problem(error.status_code, reason, zh, en, headers=error.headers)
