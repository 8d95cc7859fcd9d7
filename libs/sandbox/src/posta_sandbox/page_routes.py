"""Serves the page's files, and nothing else, with headers that let it load nothing foreign."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from posta_sandbox.local_only import page_headers
from posta_sandbox.problems import Problem

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def page_routes() -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter()
    folder = files("posta_sandbox.page")
    names = {
        entry.name for entry in folder.iterdir() if any(entry.name.endswith(suffix) for suffix in _TYPES)
    }

    def file(name: str) -> Response:
        if name not in names:
            raise Problem(404, "No such file", f"The page has no file {name!r}.")
        kind = _TYPES["." + name.rsplit(".", 1)[1]]
        headers = page_headers() | {"cache-control": "no-cache"}
        return Response((folder / name).read_bytes(), media_type=kind, headers=headers)

    @router.get("/", include_in_schema=False)
    async def index() -> Response:
        return file("index.html")

    @router.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        return file(name)

    return router
