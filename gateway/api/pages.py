"""The console's built pages, served from this machine; whatever is no file is a view of the console itself."""

from __future__ import annotations

from pathlib import Path

from fastapi import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

BUILT = Path(__file__).resolve().parent.parent / "console" / "dist"

_NOT_BUILT = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>控制台尚未构建</title></head>
<body><h1>控制台尚未构建</h1>
<p>服务正在运行，接口说明见 <a href="/openapi.json">/openapi.json</a>。构建控制台：<code>make console</code></p>
<p lang="en">The service is running; its doors are described in <a href="/openapi.json">/openapi.json</a>.
The console has not been built yet: <code>make console</code>.</p></body></html>
"""


class ConsolePages:
    """Answers what no router matched: a built file, else the console's first page; under ``/api`` only a 404."""

    def __init__(self, built: Path = BUILT) -> None:
        self._built = built.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = str(scope["path"])
        if scope["method"] not in ("GET", "HEAD") or path == "/api" or path.startswith("/api/"):
            raise HTTPException(404)
        await self._page(path)(scope, receive, send)

    def _page(self, path: str) -> Response:
        wanted = self._file(path)
        if wanted is not None:
            # Vite puts a hash of the content into the names under assets/, so those may be kept for ever.
            kept = "public, max-age=31536000, immutable" if "/assets/" in path else "no-cache"
            return FileResponse(wanted, headers={"Cache-Control": kept})
        if path.startswith("/assets/"):
            raise HTTPException(404)
        first = self._built / "index.html"
        if first.is_file():
            return FileResponse(first, headers={"Cache-Control": "no-cache"})
        return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-cache"})

    def _file(self, path: str) -> Path | None:
        try:
            wanted = (self._built / path.lstrip("/")).resolve()
            return wanted if wanted.is_relative_to(self._built) and wanted.is_file() else None
        except (OSError, ValueError):  # a name too long for a file, or one that holds a NUL
            return None
