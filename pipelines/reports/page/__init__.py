"""The page of a study's results: one HTML file that needs nothing else, offline."""

from advcore.pipelines.reports.page.contents import Page, page_of
from advcore.pipelines.reports.page.rendering import render_page

__all__ = ["Page", "page_of", "render_page"]
