"""Nested containers taken apart into leaves and put together again (torch.utils._pytree).

Dicts keep their own order, None is a leaf, and so is every container of a class that is not registered: a subclass of
list, say.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "GetAttrKey", "MappingKey", "SequenceKey", "TreeSpec", "keystr", "register_pytree_node", "tree_all",
    "tree_all_only", "tree_any", "tree_any_only", "tree_flatten", "tree_flatten_with_path", "tree_iter", "tree_leaves",
    "tree_map", "tree_map_", "tree_map_only", "tree_map_with_path", "tree_structure", "tree_unflatten",
]  # fmt: skip

Context = Any
PyTree = Any
IsLeaf = Callable[[Any], bool] | None


class SequenceKey(NamedTuple):
    """A place in a sequence, as part of a path."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class MappingKey(NamedTuple):
    """A key of a mapping, as part of a path."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(NamedTuple):
    """An attribute, as part of a path."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


class _Kind(NamedTuple):
    """How containers of a class are taken apart: into children and a context, with which they are built again."""

    flatten: Callable[[Any], tuple[list, Any]]
    build: Callable[[Iterable, Any], Any]
    keys: Callable[[Any], Iterable] | None


def _indices(x: Any) -> Iterable:
    return map(SequenceKey, range(len(x)))


def _dict_keys(x: Any) -> Iterable:
    return map(MappingKey, x)


def _dict_flatten(d: dict) -> tuple[list[Any], list[Any]]:
    """How a dict is taken apart; libraries register their own mappings with it and the next two."""
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: dict) -> tuple[list[tuple[MappingKey, Any]], list[Any]]:
    return list(zip(map(MappingKey, d), d.values(), strict=True)), list(d)


def _dict_unflatten(values: Iterable[Any], context: list[Any]) -> dict:
    return dict(zip(context, values, strict=True))


class _NamedTuple:
    """Stands for all classes of named tuples."""


_KINDS: dict[type, _Kind] = {
    list: _Kind(lambda x: (x, None), lambda children, _: list(children), _indices),
    tuple: _Kind(lambda x: (list(x), None), lambda children, _: tuple(children), _indices),
    dict: _Kind(_dict_flatten, _dict_unflatten, _dict_keys),
    OrderedDict: _Kind(
        _dict_flatten,
        lambda children, keys: OrderedDict(zip(keys, children, strict=True)),
        _dict_keys,
    ),
    defaultdict: _Kind(
        lambda x: (list(x.values()), [x.default_factory, list(x)]),
        lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
        _dict_keys,
    ),
    deque: _Kind(lambda x: (list(x), x.maxlen), deque, _indices),
    _NamedTuple: _Kind(
        lambda x: (list(x), type(x)), lambda children, kind: kind(*children), lambda x: map(GetAttrKey, x._fields)
    ),
}
_SHOWN: dict[type, str] = {_NamedTuple: "namedtuple"}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list, Any]],
    unflatten_fn: Callable[[Iterable, Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable | None = None,
    from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable | None = None,
) -> None:
    """Have objects of a class taken apart too; ValueError for one that already is.

    The names that torch.export saves specs under are taken and not used: jtorch saves none.
    """
    if cls in _KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    keys = None if flatten_with_keys_fn is None else lambda x: [k for k, _ in flatten_with_keys_fn(x)[0]]
    _KINDS[cls] = _Kind(flatten_fn, unflatten_fn, keys)


def _kind_of(x: Any, is_leaf: IsLeaf) -> type | None:
    """Under which class ``x`` is taken apart; None for a leaf."""
    if is_leaf is not None and is_leaf(x):
        return None
    kind = type(x)
    if kind in _KINDS:
        return kind
    named = kind.__bases__ == (tuple,) and isinstance(getattr(kind, "_fields", None), tuple)
    return _NamedTuple if named else None


class TreeSpec:
    """The structure of a tree without its leaves: a class, its context, the children's structures; a leaf has None."""

    __slots__ = ("type", "context", "_children", "num_nodes", "num_leaves", "num_children")

    def __init__(self, type: Any, context: Any, children: list["TreeSpec"]) -> None:
        self.type = type
        self.context = context
        self._children = children
        self.num_nodes: int = 1 + sum(c.num_nodes for c in children)
        self.num_leaves: int = sum(c.num_leaves for c in children) if type is not None else 1
        self.num_children = len(children)

    def children(self) -> list["TreeSpec"]:
        """The structures of the children."""
        return list(self._children)

    def child(self, index: int) -> "TreeSpec":
        """The structure of one child."""
        return self._children[index]

    def is_leaf(self) -> bool:
        """Whether it is a leaf."""
        return self.type is None

    def unflatten(self, leaves: Iterable) -> Any:
        """The tree with these leaves; ValueError where their number is another."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a pytree "
                f"that holds {self.num_leaves} items ({self})."
            )
        return self._build(iter(given))

    def _build(self, leaves: Any) -> Any:
        if self.type is None:
            return next(leaves)
        return _KINDS[self.type].build([c._build(leaves) for c in self._children], self.context)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The parts of a tree that stand where this structure has leaves; ValueError where it is built otherwise."""
        if self.type is None:
            return [tree]
        kind = _kind_of(tree, None)
        if kind is not self.type:
            raise ValueError(
                f"Node type mismatch; expected {_shown(self.type)}, but got {_shown(kind) if kind else type(tree)}."
            )
        children, context = _KINDS[kind].flatten(tree)
        if self.type in (dict, OrderedDict, defaultdict):
            want, have = (c[1] if self.type is defaultdict else c for c in (self.context, context))
            if set(want) != set(have):
                missing, extra = set(want) - set(have), set(have) - set(want)
                raise ValueError(
                    f"Node keys mismatch; missing key(s): {missing or '{}'}; extra key(s): {extra or '{}'}."
                )
            children = [tree[k] for k in want]
        if len(children) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(children)}.")
        if self.type is _NamedTuple and context is not self.context:
            raise ValueError(f"Node context mismatch for node type namedtuple: {self.context} and {context}")
        return [part for c, x in zip(self._children, children, strict=True) for part in c.flatten_up_to(x)]

    def _key(self) -> tuple:
        return self.type, repr(self.context), tuple(c._key() for c in self._children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and (self.type, self.context, self._children) == (
            other.type, other.context, other._children,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        inner = indent + 2
        parts = [c._text(inner) for c in self._children]
        return f"TreeSpec({_shown(self.type)}, {self.context}, [{(',' + chr(10) + ' ' * inner).join(parts)}])"


def _shown(kind: type) -> str:
    return _SHOWN.get(kind, kind.__name__)


_LEAF = TreeSpec(None, None, [])


def _flatten(tree: Any, leaves: list, is_leaf: IsLeaf) -> TreeSpec:
    kind = _kind_of(tree, is_leaf)
    if kind is None:
        leaves.append(tree)
        return _LEAF
    children, context = _KINDS[kind].flatten(tree)
    return TreeSpec(kind, context, [_flatten(x, leaves, is_leaf) for x in children])


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves and the structure of a tree."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"Expected `treespec` to be an instance of TreeSpec but got item of type {type(treespec)}.")
    return treespec.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """An iterator over the leaves of a tree."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree with ``func`` of each leaf, and of what stands at its place in ``rests``."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *[spec.flatten_up_to(r) for r in rests]))


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Call ``func`` as :func:`tree_map` does, for what it does to the leaves; returns the tree."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _chosen(which: Any) -> Callable[[Any], bool]:
    if isinstance(which, type) or not callable(which):
        return lambda x: isinstance(x, which)
    return which


def tree_map_only(which: Any, /, func: Callable, tree: Any, is_leaf: IsLeaf = None) -> Any:
    """:func:`tree_map` of the leaves of some types, or for which a function says so; others stay."""
    chosen = _chosen(which)
    return tree_map(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for some leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any_only(which: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for some leaf of some types."""
    chosen = _chosen(which)
    return any(pred(x) for x in tree_iter(tree, is_leaf) if chosen(x))


def tree_all_only(which: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for all leaves of some types."""
    chosen = _chosen(which)
    return all(pred(x) for x in tree_iter(tree, is_leaf) if chosen(x))


def _paths(tree: Any, path: tuple, is_leaf: IsLeaf) -> Iterable[tuple[tuple, Any]]:
    kind = _kind_of(tree, is_leaf)
    if kind is None:
        yield path, tree
        return
    how = _KINDS[kind]
    if how.keys is None:
        raise ValueError(f"Did not find a flatten_with_keys_fn for type: {kind}.")
    for key, child in zip(how.keys(tree), how.flatten(tree)[0], strict=True):
        yield from _paths(child, (*path, key), is_leaf)


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[tuple, Any]], TreeSpec]:
    """The leaves, each with the path of keys that leads to it, and the structure."""
    return list(_paths(tree, (), is_leaf)), tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """:func:`tree_map` of a function that is given the path first."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(r) for r in rests]
    return spec.unflatten(map(func, [p for p, _ in found], [x for _, x in found], *others))


def keystr(path: Iterable) -> str:
    """A path as Python code."""
    return "".join(map(str, path))
