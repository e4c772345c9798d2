"""Pages for people: a search, a lead, the model; drawn on the server, without scripts."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from serving.pages import home, lead, model, sign_in

__all__ = ["add_pages"]


def add_pages(app: FastAPI) -> None:
    """Add the pages and their style sheet to `app`."""
    for pages in (home, lead, model, sign_in):
        app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
