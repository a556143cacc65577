"""Which operators run in which precision under autocast (https://docs.pytorch.org/docs/stable/amp.html).

``lower``: in the dtype of the autocast block. ``fp32``: halves come in as float32. ``promote``: all tensors in the
widest of their dtypes. Float64 stays as it is. What is not listed takes its inputs as they come. The names are torch's,
and so are the lists; those of the CPU and of a GPU differ widely. A TPU follows the GPU's.

An operator that torch makes of listed ones, and jtorch has as one, stands here with what comes of it.
"""

_LISTS = {
    ("cpu cuda", "lower"): """
        addbmm addmm affine_grid_generator baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d
        conv_transpose2d conv_transpose3d _einsum_contracting linalg_matrix_power linalg_multi_dot linalg_vecdot linear
        matmul mm prelu scaled_dot_product_attention""",
    ("cpu", "lower"): "inner lstm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell _tensordot",
    ("cuda", "lower"): """
        addmv addr einsum gru gru_cell lstm lstm_cell mv rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell""",
    ("cpu cuda", "fp32"): """
        binary_cross_entropy_with_logits cdist cosine_embedding_loss hinge_embedding_loss huber_loss kl_div l1_loss
        margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss nll_loss2d poisson_nll_loss prod
        smooth_l1_loss soft_margin_loss triplet_margin_loss""",
    ("cpu", "fp32"): """
        adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy cholesky cholesky_inverse cholesky_solve
        cross_entropy_loss ctc_loss fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_irfft
        fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn fractional_max_pool2d fractional_max_pool3d geqrf
        grid_sampler grid_sampler_2d grid_sampler_3d linalg_cholesky linalg_cholesky_ex linalg_eig
        linalg_eigh linalg_eigvals linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq
        linalg_matrix_rank linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve lu_solve
        max_pool3d max_unpool2d max_unpool3d nanquantile ormqr pinverse polar qr quantile reflection_pad1d
        reflection_pad2d replication_pad1d replication_pad2d replication_pad3d stft svd trace triangular_solve""",
    ("cuda", "fp32"): """
        acos asin cosh cosine_similarity cumprod cumsum dist erfinv exp expm1 frobenius_norm group_norm layer_norm
        linalg_vector_norm log log10 log1p log2 log_softmax logsumexp matrix_norm native_layer_norm norm nuclear_norm
        pairwise_distance pdist pow reciprocal renorm rms_norm rsqrt sinh softmax softplus sum tan
        _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
        _upsample_nearest_exact3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
        upsample_nearest2d upsample_nearest3d upsample_trilinear3d""",
    ("cpu", "promote"): "cat gru gru_cell index_copy lstm_cell stack",
    ("cuda", "promote"): """
        addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put inner scatter_add tensordot vdot""",
}

CLASSES: dict[str, dict[str, str]] = {}
"""By name and kind of device; filled from the lists."""

for (_kinds, _class), _names in _LISTS.items():
    for _name in _names.split():
        for _kind in _kinds.replace("cuda", "cuda tpu").split():
            CLASSES.setdefault(_name, {})[_kind] = _class
