"""Configuration of the documentation, and the generator of its API pages."""

import pkgutil
import re
import tomllib
from pathlib import Path

import rlcore

ROOT = Path(__file__).parents[1]

project = "rlcore"
author = "The rlcore developers"
copyright = author
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"rlcore {release}"

default_role = "code"  # docstrings write names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "both"  # what a constructor refuses may stand at the class or at `__init__`
autodoc_inherit_docstrings = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

PAGE = """# {name}

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :show-inheritance:
```
"""
INDEX = """# API

One page per folder and top-level file of the package, generated from the docstrings.

```{{toctree}}
:maxdepth: 1

{names}
```
"""


def public_modules():
    """The folders and top-level files of the package whose names have no underscore."""
    found = pkgutil.iter_modules(rlcore.__path__, "rlcore.")
    return ["rlcore", *sorted(module.name for module in found if not module.name.startswith("rlcore._"))]


def write_api_pages(app):
    """Writes `api/<module>.md` for each, and takes away pages of modules that are gone."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.md": PAGE.format(name=name) for name in public_modules()}
    pages["index.md"] = INDEX.format(names="\n".join(public_modules()))
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def mark_code(app, what, name, obj, options, lines):
    """Docstrings write code in single backticks, also directly before a letter, which reStructuredText refuses."""
    for i, line in enumerate(lines):
        lines[i] = re.sub(
            r"(?<![`:])`([^`]+)`(?![`_])(\w?)", lambda m: f"``{m[1]}``" + (f"\\ {m[2]}" if m[2] else ""), line
        )


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_api_pages)
    app.connect("autodoc-process-docstring", mark_code, priority=400)  # before napoleon reads the sections
