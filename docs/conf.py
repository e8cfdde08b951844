"""Configuration of the documentation, and the generator of its API pages."""

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

from sphinx.util import inspect

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
ROOT_PAGE = """# rlcore

```{{eval-rst}}
.. automodule:: rlcore
```

What most experiments need can be imported from here; each is described where it lives.

{names}
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


def home_of(name):
    """The public module that describes what `rlcore` exports as `name`."""
    exported = getattr(rlcore, name)
    homes = (importlib.import_module(module) for module in public_modules()[1:])
    return next(
        home.__name__
        for home in homes
        if getattr(home, name, None) is exported
        and (name in getattr(home, "__all__", ()) or exported.__module__ == home.__name__)
    )


def write_api_pages(app):
    """Writes `api/<module>.md` for each, and takes away pages of modules that are gone."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.md": PAGE.format(name=name) for name in public_modules()}
    exported = (f"- {{py:obj}}`{home_of(name)}.{name}`" for name in getattr(rlcore, "__all__", ()))
    pages["rlcore.md"] = ROOT_PAGE.format(names="\n".join(exported))
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


def show_constructor(app, what, name, obj, options, signature, returns):
    """Classes that are built by a function with open arguments show those of their `__init__`."""
    if what == "class" and signature and signature.startswith("(*"):
        written = inspect.signature(obj.__init__, bound_method=True)
        shown = inspect.stringify_signature(written, show_return_annotation=False, unqualified_typehints=True)
        shown = re.sub(r"<function (\w+)>", r"\1", shown)
        return re.sub(r"<[^<>]+ object>", "...", shown), returns  # else it would be shown unparsed
    return None


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_api_pages)
    app.connect("autodoc-process-signature", show_constructor)
    app.connect("autodoc-process-docstring", mark_code, priority=400)  # before napoleon reads the sections
