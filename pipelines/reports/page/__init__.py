"""The page of a study's results: one HTML file that needs nothing else, offline."""

from advcore.pipelines.reports.page.contents import (
    ClaimRow,
    Page,
    Picture,
    as_address,
    claim_row,
    page_of,
)
from advcore.pipelines.reports.page.rendering import render, render_page

__all__ = [
    "ClaimRow",
    "Page",
    "Picture",
    "as_address",
    "claim_row",
    "page_of",
    "render",
    "render_page",
]
