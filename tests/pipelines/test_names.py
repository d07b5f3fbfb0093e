"""Names in pipelines/: a module and a function of its package never share one."""

import ast
from pathlib import Path

import advcore.pipelines

ROOT = Path(advcore.pipelines.__path__[0])


def test_no_module_shares_its_name_with_a_function_of_its_package() -> None:
    shared = []
    for package in [ROOT, *(path for path in ROOT.iterdir() if (path / "__init__.py").is_file())]:
        modules = {path.stem: path for path in package.glob("*.py")}
        functions = {
            node.name
            for path in modules.values()
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        shared += [f"{package.name}/{name}" for name in functions & modules.keys()]
    assert shared == []
