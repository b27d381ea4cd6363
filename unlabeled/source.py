"""Python source as hashes see it: what it does, not how it is worded or laid out."""

from __future__ import annotations

import ast


def normalised(source: str) -> str:
    """Module text without comments, docstrings and layout, equal for every Python version we support."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # A bare string anywhere in a body is a docstring, of the body or of the constant above it.
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
