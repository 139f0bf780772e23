"""Templates of the pages, and how they are filled."""

from __future__ import annotations

import jinja2

from benchmarks import wording


def template(name: str) -> jinja2.Template:
    """A page's template, with the filters of `wording`; what is filled in is escaped, what is undefined is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= wording.FILTERS
    return environment.get_template(name)
