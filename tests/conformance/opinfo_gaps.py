"""What jtorch does not do as torch's operator database has it: ``kind:operator-dtype`` patterns, each with its reason.

A test that is listed and passes fails the suite, so the list only shrinks.
"""

_INTERNAL = "an operator that torch's own functions and compiler call, not programs"

GAPS: dict[str, str] = {
    "*:jiterator_*": "compiles CUDA source text",
    "*:to_sparse-*": "sparse tensors",
    "*:sparse.*-*": "sparse tensors",
    "*:chalf-*": "complex numbers of half precision, which JAX has not",
    "*:_softmax_backward_data-*": _INTERNAL,
    "*:_native_batch_norm_legit-*": _INTERNAL,
    "*:_batch_norm_with_update-*": _INTERNAL,
    "*:_upsample_bilinear2d_aa-*": _INTERNAL,
    "*:max_pool2d_with_indices_backward-*": _INTERNAL,
    "*:native_dropout_backward-*": _INTERNAL,
    "*:torch.ops.aten._safe_softmax.default-*": _INTERNAL,
    "*:_unsafe_masked_index*": _INTERNAL,
    "*:_chunk_cat*": _INTERNAL,
    "gradient:as_strided.partial_views-*": "a leaf that is a view itself: as_strided begins at what it is a view of",
    "gradient:cholesky_inverse-*": "the other triangle of the factor, which is not read, gets no gradient",
    "gradient:cholesky_solve-*": "the other triangle of the factor, which is not read, gets no gradient",
    "gradient:as_strided_scatter-*": "torch gives elements that are overwritten a gradient, and others none",
    "errors:narrow_copy": "an assertion inside torch fails, where narrow and jtorch raise IndexError",
    "errors:__rdiv__": "of numbers alone torch's method fails for want of an attribute",
}
