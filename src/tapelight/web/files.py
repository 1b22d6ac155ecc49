"""The dashboard's files, or a page that says how to build them."""

import asyncio
import os
import re
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")
"""Names that the UI's build gives to files whose content never changes."""
IMMUTABLE = "public, max-age=31536000, immutable"
MOST_KEPT = 64
"""Files kept in memory; a build has about ten."""

UNBUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tapelight: the dashboard isn't built</title>
<style>body{background:#0b0e11;color:#d6d9de;font:16px/1.5 system-ui;max-width:40em;margin:4em auto}
a{color:#7ab7ff}</style><body>
<h1>The dashboard isn't built yet</h1>
<p>The gateway runs, but its folder of web files is empty. In the checkout, run</p>
<pre>make setup</pre>
<p>and load this page again. The data is here meanwhile:
<a href="/api/boards">/api/boards</a>,
<a href="/health">/health</a>,
<a href="/api/openapi.json">/api/openapi.json</a>.</p></body></html>
"""


class Dashboard(StaticFiles):
    """Serve the built UI: hashed files are kept by browsers, everything else is asked again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self.config_checked = True  # the folder may be built while the gateway runs
        self._index = folder / "index.html"
        self._kept: dict[str, bytes] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or the page that says how to build them."""
        if path in (".", "index.html") and not self._index.is_file():
            return HTMLResponse(
                UNBUILT, HTTPStatus.SERVICE_UNAVAILABLE, {"cache-control": "no-store"}
            )
        response = await super().get_response(path, scope)
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        hashed = path.startswith(f"assets{os.sep}") and HASHED.search(path)
        response.headers["cache-control"] = IMMUTABLE if hashed else "no-cache"
        if hashed and isinstance(response, FileResponse) and scope["method"] == "GET":
            content = await self._content(path, Path(response.path))
            del response.headers["accept-ranges"]
            return Response(content, headers=response.headers)
        return response

    async def _content(self, path: str, file: Path) -> bytes:
        """Return a file's bytes: sent as one piece, it waits for a busy loop once, not per 64 KB."""
        if path not in self._kept:
            content = await asyncio.to_thread(file.read_bytes)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[path] = content
        return self._kept[path]
