"""What can be changed in a module: operators, numbers, truth values, results and calls, one at a time.

Texts, annotations, decorators and calls of loggers stay as they are: no behaviour depends on them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
LOGGERS = {"debug", "info", "warning", "error", "exception", "critical"}


class Mutant(NamedTuple):
    """A module with one change: `before`, in line `line`, is now `after`. `source` is its whole text."""

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """Every possible change of a module after which it can still be parsed."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    found = []
    for node, after in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        before = source.encode()[start:end].decode()
        changed = source.encode()[:start] + after.encode() + source.encode()[end:]
        found.append(Mutant(node.lineno, before, after, changed.decode()))
    return found


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Each node at or below `node` that can be changed, and the code in its place."""
    if isinstance(node, ast.expr):
        for changed in _changed_expressions(node):
            # in brackets, because it may be part of another expression
            yield node, ast.unparse(changed) if isinstance(changed, ast.Name) else f"({ast.unparse(changed)})"
    elif isinstance(node, ast.stmt):
        for statement in _changed_statements(node):
            yield node, ast.unparse(statement)
    for child in _children(node):
        yield from _changes(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one, without those whose change would change no behaviour."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.If) and _reads(node.test, "TYPE_CHECKING")):
        return  # Python 3.11 does not know the positions inside an f-string
    if isinstance(node, ast.Assign) and _reads(node.targets[0], "TYPE_CHECKING"):
        return  # where a module does without `typing`
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return  # of zip(): the lengths never differ
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGERS:
        return
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "type_comment"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _changed_expressions(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that can replace an expression."""
    match node:
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Name(name) if name in OPPOSITES:
            yield ast.Name(OPPOSITES[name])
        case ast.Compare():
            yield from _changed_comparisons(node)
        case _:
            yield from _changed_operations(node)


def _changed_comparisons(node: ast.Compare) -> Iterator[ast.expr]:
    """The same comparison with another operator; one of two in `a < b < c`."""
    for number, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            operators = [*node.ops[:number], other(), *node.ops[number + 1 :]]
            yield ast.Compare(node.left, operators, node.comparators)


def _changed_operations(node: ast.expr) -> Iterator[ast.expr]:
    """The same operands with another operator or without it; a conditional with its branches exchanged."""
    match node:
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in ARITHMETIC and not _text(left, right):
            yield ast.BinOp(left, ARITHMETIC[type(operator)](), right)
        case ast.IfExp(test, body, orelse) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)


def _changed_statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements that can replace a statement."""
    match node:
        case ast.Expr(ast.Call(func) | ast.Await(ast.Call(func))) if not _reads(func, *LOGGERS):
            yield ast.Pass()
        case ast.AugAssign(target, operator, value) if type(operator) in ARITHMETIC:
            yield ast.AugAssign(target, ARITHMETIC[type(operator)](), value)
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()


def _reads(node: ast.expr, *names: str) -> bool:
    """Whether an expression is one of these names, or an attribute with one."""
    return (isinstance(node, ast.Name) and node.id in names) or (
        isinstance(node, ast.Attribute) and node.attr in names
    )


def _text(*operands: ast.expr) -> bool:
    """Whether one of the operands is a text, which is joined or formatted, so that no arithmetic is done."""
    return any(
        isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        for node in operands
    )
