"""Names of one tensor: what is written through one of them changes what all of them hold."""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx

from signbit.exporter.trace import Call

SHARING = frozenset(
    {"alias", "chunk", "contiguous", "detach", "dropout", "feature_dropout", "alpha_dropout", "expand", "expand_as",
     "flatten", "getitem", "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "to", "type_as",
     "unsqueeze", "view"}
)  # fmt: skip
"""Operations whose result may be their first argument, or a part of it."""


def overwrites(call: Call, calls: Mapping[fx.Node, Call]) -> bool:
    """Whether an in-place operation changes what is read later under another name.

    What is read under the same name comes, in a trace, from the operation itself.
    """

    def shares(node: fx.Node) -> bool:
        made = calls.get(node)
        return made is not None and (made.in_place or made.op in SHARING)

    order = {node: place for place, node in enumerate(call.node.graph.nodes)}
    whole = call.node.all_input_nodes[0]
    while shares(whole):
        whole = whole.all_input_nodes[0]
    names = [whole]
    for name in names:
        for user in name.users:
            size = user in calls and calls[user].op == "sym_size"
            if user is call.node or size:
                continue
            if order[user] > order[call.node]:
                return True
            if shares(user):
                names.append(user)
    return False
