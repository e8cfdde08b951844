"""What CONTRIBUTING.md says of layout and style, as far as a machine can read it."""

import ast
import importlib
import inspect
import re
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rlcore"
FLOORS = {
    **dict.fromkeys(
        [
            "stages",
            "interfaces",
            "errors",
            "struct",
            "random",
            "arguments",
            "signals",
            "block",
            "fixed",
            "leaves",
            "tape",
            "threefry",
            "blame",
            "effects",
            "players",
            "games",
            "legal",
            "priorities",
        ],
        0,
    ),
    **dict.fromkeys(["stop_conditions", "reset_conditions", "returns", "statistics"], 1),
    **dict.fromkeys(["explorers", "networks", "trajectories", "environments"], 1),
    **dict.fromkeys(["hooks", "approximators", "offline"], 2),
    **dict.fromkeys(["run", "learners"], 3),
    "policies": 4,
    **dict.fromkeys(["compiled", "composition", "openspiel"], 5),
    **dict.fromkeys(["experiment", "seeds", "tournament"], 6),
    "__init__": 7,
}
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "types", "misc", "contrib", "experimental", "legacy"}
FORBIDDEN_NAMES |= {"manager", "managers", "registry", "tools", "lib", "base_classes", "core"}
STEPS_AN_ENVIRONMENT = {"run", "environments", "compiled"}

FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in FILES}
FOLDERS = sorted(path.parent for path in FILES if path.name == "__init__.py" and path.parent != PACKAGE)
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def unit(name):
    """The folder or the top-level file that a module belongs to: `hooks` for `rlcore.hooks.base`."""
    return [*name.split("."), "__init__"][1]


def imports(tree):
    """Every `(node, module)` that is imported; `from rlcore import hooks` counts as `rlcore.hooks`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield node, whole if whole in MODULES else module


def functions(tree):
    """Every function with the names of the classes and functions around it."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.around = [*getattr(node, "around", []), node]
        if isinstance(node, FUNCTION):
            yield node, [parent for parent in node.around if isinstance(parent, FUNCTION | ast.ClassDef)]


def length(function):
    """Lines from `def` to the end, without the docstring."""
    text = function.body[0] if ast.get_docstring(function) is not None else None
    return function.end_lineno - function.lineno + 1 - (text.end_lineno - text.lineno + 1 if text else 0)


def without_nested(function):
    """The nodes of a function's own body, not those of functions and classes inside it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTION | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


@each_file
def test_imports_point_down(path):
    own = unit(module_name(path))
    assert own in FLOORS, f"{own} has no floor; add it to the table in CONTRIBUTING.md and here"
    for node, module in imports(TREES[path]):
        if module.split(".")[0] != "rlcore":
            continue
        other = unit(module)
        assert other in FLOORS, f"line {node.lineno}: {module} has no floor"
        same_place = own == other or (FLOORS[own] == FLOORS[other] and is_file(own) and is_file(other))
        assert FLOORS[other] < FLOORS[own] or same_place, (
            f"line {node.lineno}: {own} (floor {FLOORS[own]}) imports {module} (floor {FLOORS[other]})"
        )


def is_file(name):
    return (PACKAGE / f"{name}.py").is_file()


def test_modules_form_no_cycle():
    needs = {module_name(path): {module for _, module in imports(TREES[path])} & MODULES for path in FILES}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
    assert set(order) == MODULES


@each_file
def test_imports_are_absolute_and_no_star(path):
    for node, module in imports(TREES[path]):
        assert not module.startswith("."), f"line {node.lineno}: relative import {module}"
        assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}: from {module} import *"


@each_file
def test_imports_stand_at_the_top(path):
    """Also none under `if TYPE_CHECKING`; the sole exception is an optional package, in the one file that serves it."""
    top = set(TREES[path].body)
    for node, module in imports(TREES[path]):
        assert node in top or is_optional(module), f"line {node.lineno}: {module} is imported below the top level"


def test_an_optional_package_is_served_by_one_file():
    served = {}
    for path in FILES:
        for _, module in imports(TREES[path]):
            if is_optional(module):
                served.setdefault(module.split(".")[0], set()).add(path.name)
    assert {package: files for package, files in served.items() if len(files) > 1} == {}


@each_file
def test_top_level_imports_are_declared_dependencies(path):
    top = set(TREES[path].body)
    for node, module in imports(TREES[path]):
        assert node not in top or not is_optional(module), f"line {node.lineno}: {module} is no dependency"


def is_optional(module):
    package = module.split(".")[0]
    return package not in {"rlcore", ""} | dependencies() and package not in sys.stdlib_module_names


@cache
def dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}


@each_folder
def test_public_list_is_sorted_and_documented(folder):
    package = importlib.import_module(module_name(folder / "__init__.py"))
    assert package.__all__ == sorted(set(package.__all__))
    for name in package.__all__:
        assert inspect.getdoc(getattr(package, name)), f"{name} has no docstring"


@each_folder
def test_public_list_is_complete(folder):
    """A name without an underscore that the list lacks is a part: other code of the package uses it."""
    listed = set(importlib.import_module(module_name(folder / "__init__.py")).__all__)
    for path in sorted(folder.glob("*.py")):
        used = listed | names_used_of(path)
        for node in TREES[path].body:
            if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_"):
                assert node.name in used, (
                    f"{path.name}:{node.lineno}: {node.name} is not in __all__, and nothing uses it"
                )


def names_used_of(path):
    """What other files than the lists import from this one, and what it uses itself."""
    used = {node.id for node in ast.walk(TREES[path]) if isinstance(node, ast.Name)}
    nodes = [node for other, tree in TREES.items() if other.name != "__init__.py" for node in tree.body]
    own = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == module_name(path)]
    return used | {alias.name for node in own for alias in node.names}


def test_top_list_is_sorted_and_importable():
    package = importlib.import_module("rlcore")
    assert package.__all__ == sorted(set(package.__all__))
    for name in package.__all__:
        assert inspect.getdoc(getattr(package, name)), f"{name} has no docstring"


@pytest.mark.parametrize("folder", [PACKAGE, *FOLDERS], ids=lambda folder: folder.name)
def test_init_holds_only_the_list(folder):
    for node in TREES[folder / "__init__.py"].body:
        is_list = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        is_list = is_list and node.targets[0].id in {"__all__", "__version__"}
        assert is_list or isinstance(node, ast.Import | ast.ImportFrom | ast.Expr), f"line {node.lineno}"


@each_file
def test_public_things_have_docstrings(path):
    assert ast.get_docstring(TREES[path]), "the module has no docstring"
    module = importlib.import_module(module_name(path))
    for node in TREES[path].body:
        if not isinstance(node, FUNCTION | ast.ClassDef) or node.name.startswith("_"):
            continue
        assert ast.get_docstring(node), f"line {node.lineno}: {node.name} has no docstring"
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(method, FUNCTION) and not method.name.startswith("_"):
                assert documentation(module, node, method), f"line {method.lineno}: {node.name}.{method.name}"


def documentation(module, cls, method):
    """Its own docstring, or that of the method it overrides."""
    return ast.get_docstring(method) or inspect.getdoc(getattr(getattr(module, cls.name), method.name))


@each_file
def test_configuration_errors_are_documented(path):
    module = importlib.import_module(module_name(path))
    for function, around in functions(TREES[path]):
        raised = {error for node in without_nested(function) for error in raised_errors(node)}
        if not raised or len(around) > 1 or (around and not isinstance(around[0], ast.ClassDef)):
            continue
        is_constructor = function.name in {"__init__", "__post_init__"}
        if (function.name.startswith("_") and not is_constructor) or (around and around[0].name.startswith("_")):
            continue
        text = ast.get_docstring(function)
        if is_constructor:
            text = f"{ast.get_docstring(around[0])}\n{text}"
        if text is None and around:
            text = documentation(module, around[0], function)
        assert re.search(r"^\s*Raises\b", text or "", re.M), (
            f"line {function.lineno}: {function.name} raises {', '.join(raised)}, its docstring has no `Raises:`"
        )


def raised_errors(node):
    called = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
    return {called.id} & {"ConfigError", "HookError"} if isinstance(called, ast.Name) else set()


@each_file
def test_public_signatures_have_types(path):
    for function, around in functions(TREES[path]):
        if function.name.startswith("_") and function.name != "__init__":
            continue
        if any(isinstance(parent, FUNCTION) or parent.name.startswith("_") for parent in around):
            continue
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        arguments += [argument for argument in (function.args.vararg, function.args.kwarg) if argument]
        bare = [each.arg for each in arguments if not each.annotation and each.arg not in {"self", "cls"}]
        bare += [] if function.returns else ["return"]
        assert not bare, f"line {function.lineno}: {function.name} has no type for {', '.join(bare)}"


@each_file
def test_names_say_what_a_file_holds(path):
    assert not FORBIDDEN_NAMES & set(path.relative_to(PACKAGE).with_suffix("").parts)


@each_file
def test_sizes(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400
    for function, _ in functions(TREES[path]):
        assert length(function) < 60, f"{function.name} has {length(function)} lines"


def test_only_the_loop_steps_an_environment():
    outside = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if unit(module_name(path)) not in STEPS_AN_ENVIRONMENT
        for node in ast.walk(TREES[path])
        if is_act(node)
    ]
    assert outside == []


def test_the_loop_is_one_short_function():
    loops = [
        function
        for function, _ in functions(TREES[PACKAGE / "run.py"])
        if any(is_act(node) for node in without_nested(function))
    ]
    assert len(loops) == 1
    assert length(loops[0]) <= 40


def is_act(node):
    """Whether it names a method `act` of something: `env.act(action)`, or `act = env.act`."""
    return isinstance(node, ast.Attribute) and node.attr == "act" and isinstance(node.ctx, ast.Load)
