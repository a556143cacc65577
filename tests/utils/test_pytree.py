"""Trees of containers."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

from jtorch.utils import _pytree as tree

Point = namedtuple("Point", "x y")
EXAMPLE = {"b": [1, (2, None)], "a": Point(3, deque([4], 5)), "c": OrderedDict(z=6), "d": defaultdict(list, {"q": [7]})}


def test_leaves_in_order_and_back():
    leaves, spec = tree.tree_flatten(EXAMPLE)
    assert leaves == [1, 2, None, 3, 4, 6, 7]
    back = tree.tree_unflatten(leaves, spec)
    assert back == EXAMPLE
    assert [type(x) for x in back.values()] == [type(x) for x in EXAMPLE.values()]
    assert back["a"].y.maxlen == 5
    assert back["d"].default_factory is list
    assert (spec.num_leaves, spec.num_children, spec.type) == (7, 4, dict)


def test_structures_compare_and_hash():
    assert tree.tree_structure(EXAMPLE) == tree.tree_structure(EXAMPLE)
    assert hash(tree.tree_structure([1])) == hash(tree.tree_structure([2]))
    assert tree.tree_structure([1]) != tree.tree_structure((1,))
    assert repr(tree.tree_structure({"a": [1, (2, 3)]})) == (
        "TreeSpec(dict, ['a'], [TreeSpec(list, None, [*,\n    TreeSpec(tuple, None, [*,\n      *])])])"
    )


def test_subclasses_are_leaves():
    class Mine(list):
        pass

    assert tree.tree_leaves([Mine([1])]) == [[1]]


def test_maps():
    assert tree.tree_map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"y": [20], "x": 10}) == {"x": 11, "y": [22]}
    assert tree.tree_map_only(int, str, [1, "a", (2.0, 3)]) == ["1", "a", (2.0, "3")]
    assert tree.tree_map(len, [[1, 2], [3]], is_leaf=lambda x: x and isinstance(x[0], int)) == [2, 1]
    assert tree.tree_map_with_path(lambda p, x: (tree.keystr(p), x), {"a": [1, Point(2, 3)]}) == {
        "a": [("['a'][0]", 1), Point(("['a'][1].x", 2), ("['a'][1].y", 3))]
    }
    assert tree.tree_any(lambda x: x == 7, EXAMPLE)
    assert not tree.tree_all(lambda x: x, EXAMPLE)
    assert tree.tree_all_only(int, lambda x: x > 0, EXAMPLE)


@pytest.mark.parametrize(
    "wrong, message",
    [([1], "type mismatch"), ({"b": 1}, "keys mismatch"), ({"a": (1,)}, "arity mismatch")],
)
def test_trees_that_do_not_fit(wrong, message):
    with pytest.raises(ValueError, match=message):
        tree.tree_map(lambda a, b: a, {"a": (1, 2)}, wrong)
    with pytest.raises(ValueError, match="has length 3 but the spec refers to a pytree that holds 2"):
        tree.tree_unflatten([1, 2, 3], tree.tree_structure([1, 2]))


def test_classes_can_be_registered():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    tree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda children, _: Pair(*children))
    made = tree.tree_map(lambda x: x + 1, Pair(1, [2]))
    assert (made.a, made.b) == (2, [3])
    with pytest.raises(ValueError, match="already registered"):
        tree.register_pytree_node(Pair, lambda p: ([], None), lambda children, _: None)


def test_a_mapping_registered_with_the_functions_of_dict():
    class Output(OrderedDict):
        pass

    tree.register_pytree_node(
        Output,
        tree._dict_flatten,
        lambda values, context: Output(tree._dict_unflatten(values, context)),
        flatten_with_keys_fn=tree._dict_flatten_with_keys,
    )
    doubled = tree.tree_map(lambda x: 2 * x, Output(a=1, b=[2]))
    assert (type(doubled), doubled) == (Output, Output(a=2, b=[4]))
    paths = tree.tree_flatten_with_path(Output(a=1, b=[2]))[0]
    assert [(tree.keystr(path), x) for path, x in paths] == [("['a']", 1), ("['b'][0]", 2)]
