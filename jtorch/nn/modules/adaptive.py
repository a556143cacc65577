"""Softmax over many classes of unequal frequency (``torch.nn.modules.adaptive``; arXiv:1609.04309)."""

import itertools
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import jtorch
import jtorch.nn.functional as F
from jtorch.nn.modules.container import ModuleList, Sequential
from jtorch.nn.modules.linear import Linear
from jtorch.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log softmax in two stages: frequent classes and clusters first, then the classes of a cluster.

    ``forward(input, target)`` takes (N, in_features) and class indices (N), or the same without N, and returns the log
    probability of each target and the mean negative one. torch computes only the clusters that occur in the batch,
    which makes shapes depend on the data; here all are computed and the ones wanted selected.

    Arguments:
        in_features: width of the input.
        n_classes: number of classes, ordered by decreasing frequency.
        cutoffs: where the clusters begin, increasing, below ``n_classes``.
        div_value: each further cluster works in a space smaller by this factor.
        head_bias: whether the first stage has a bias.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__()
        cutoffs = list(cutoffs)
        if len(cutoffs) == 0:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(cutoffs)
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or len(set(cutoffs)) != len(cutoffs)
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **factory)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **factory),
                    Linear(hidden, high - low, bias=False, **factory),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the initial weights anew."""
        self.head.reset_parameters()
        for to_hidden, to_output in self.tail:
            to_hidden.reset_parameters()
            to_output.reset_parameters()

    def forward(self, input: Any, target: Any) -> _ASMoutput:
        if target.dim() == 1:
            if input.size(0) != target.size(0):
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input.size()}"
                )
        elif target.dim() == 0:
            if input.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input.size()}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        batched = target.dim() > 0
        if not batched:
            input, target = input.unsqueeze(0), target.unsqueeze(0)
        last = self.n_classes - 1
        target = jtorch._in_range(
            target, 0, last, f"Target values should be in [0, {last}], but values out of range were found. "
        )
        head = F.log_softmax(self.head(input), dim=1)
        # A frequent class is an entry of the head; another one has its cluster there.
        output = _pick(head, target.clamp(max=self.shortlist_size - 1))
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            within = F.log_softmax(self.tail[i](input), dim=1)
            both = head[:, self.shortlist_size + i] + _pick(within, (target - low).clamp(0, high - low - 1))
            output = jtorch.where((target >= low) & (target < high), both, output)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _get_full_log_prob(self, input: Any, head_output: Any) -> Any:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return jtorch.cat(parts, dim=1)

    def log_prob(self, input: Any) -> Any:
        """Log probabilities of all classes, (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Any) -> Any:
        """The most likely class of each sample, (N)."""
        head = self.head(input)
        best = head.argmax(dim=1)
        # A cluster is looked into only if it is the likeliest entry of the head.
        return jtorch.where(best < self.shortlist_size, best, self._get_full_log_prob(input, head).argmax(dim=1))


def _pick(table: Any, index: Any) -> Any:
    return table.gather(1, index.unsqueeze(1)).squeeze(1)
