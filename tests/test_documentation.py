"""Runs every Python block of the README and of the documentation, and follows their links to files.

The blocks of one file run in order in one namespace, in an empty working directory. A block after
`<!-- not run: reason -->` is skipped. A `text` or `console` block after `<!-- output -->` is what the Python block
before it prints.
"""

import contextlib
import io
import linecache
import re
import sys
import textwrap
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"))]
FENCE = re.compile(r"^ *(?P<fence>`{3,})(?P<language>[^`\n]*)\n(?P<code>.*?)^ *(?P=fence)\s*$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass
class Block:
    """A fenced block: its language, its text, the line it starts on, and the comment directly before it."""

    language: str
    code: str
    line: int
    comment: str


def blocks(text):
    for match in FENCE.finditer(text):
        before = [line.strip() for line in text[: match.start()].splitlines() if line.strip()]
        comment = before[-1] if before and before[-1].startswith("<!--") else ""
        line = text.count("\n", 0, match.start("code"))
        yield Block(match["language"].strip(), textwrap.dedent(match["code"]), line, comment)


def run_block(block, namespace, path):
    """Runs it so that a traceback shows the page's own lines; returns what it printed."""
    program = compile("\n" * block.line + block.code, str(path), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, namespace)
    return printed.getvalue()


def run_page(path, namespace):
    """Runs the page's blocks; returns how many ran."""
    text = path.read_text(encoding="utf-8")
    n_run, printed = 0, None
    for block in blocks(text):
        if block.comment == "<!-- output -->":
            place = f"{path.name}:{block.line}"
            assert block.language in {"text", "console"}, f"{place}: output in a {block.language} block"
            assert printed is not None, f"{place}: no Python block ran before this output"
            assert printed.rstrip() == block.code.rstrip(), f"{place}: printed something else"
        if block.language != "python":
            continue
        skipped = "not run" in block.comment
        assert not skipped or NOT_RUN.fullmatch(block.comment), f"{path.name}:{block.line}: say why it is not run"
        printed = None if skipped else run_block(block, namespace, path)
        n_run += not skipped
    return n_run


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path.exists() and "```python" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.name,
)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    module = types.ModuleType(f"page_{path.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    linecache.checkcache(str(path))
    text = path.read_text(encoding="utf-8")
    n_skipped = sum(block.language == "python" and "not run" in block.comment for block in blocks(text))
    n_run = run_page(path, vars(module))
    assert n_run + n_skipped == text.count("```python"), "a fence that this test does not read"


@pytest.mark.parametrize("path", [path for path in PAGES if path.parent != ROOT], ids=lambda path: path.name)
def test_code_is_fenced_so_that_it_is_run(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\{code(-block|-cell)?\}|^\.\. code", text, re.M), "write ```python, or literalinclude a file"


@pytest.mark.parametrize("path", LINKING, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            file = path.parent / target.split("#")[0]
            is_generated = file.is_relative_to(ROOT / "docs/api")
            assert is_generated or file.exists() or file.with_suffix(".md").exists(), f"{path.name} links to {target}"


PAGE = """
```python
x = 2
print(x)
```

<!-- output -->
```text
{output}
```

<!-- not run: needs a GPU -->
```python
raise SystemExit
```

```python
print(x + 1)
```
"""


def test_a_page_is_one_namespace_and_its_output_is_compared(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE.format(output="2"))
    assert run_page(path, {}) == 2
    path.write_text(PAGE.format(output="3"))
    with pytest.raises(AssertionError, match="printed something else"):
        run_page(path, {})
