"""Pages from templates: everything that they show is escaped."""

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from advcore.pipelines.reports.page.contents import Page
from advcore.pipelines.settings.small import SIZES_OF_CLAIMS

TEMPLATES = "advcore.pipelines.reports.page"


def render_page(page: Page) -> str:
    """Return the page as one HTML file.

    It asks for nothing from elsewhere: a policy in its head lets no browser load or run anything
    but what stands in it.
    """
    return render("report.html.j2", page=page)


def render(template: str, **values: object) -> str:
    """Return a template with its values, beside the style and the script that all pages share."""
    environment = Environment(
        loader=PackageLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _shared("page.js")
    return environment.get_template(template).render(
        style=Markup(_shared("page.css")),
        script=Markup(script),
        sizes_of_claims=SIZES_OF_CLAIMS,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        **values,
    )


def _shared(name: str) -> str:
    return (resources.files(TEMPLATES) / "templates" / name).read_text(encoding="utf-8")
