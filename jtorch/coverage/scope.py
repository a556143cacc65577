"""What jtorch leaves out of torch's public names, and why."""

from fnmatch import fnmatchcase
from functools import cache

__all__ = ["LEFT_OUT", "why_not"]

_QUANTISED = "dequantize int_repr q_per_channel_* q_scale q_zero_point"
_SPARSE = "*col_indices* *row_indices* indices* resize_as_sparse_ slice_inverse smm sspaddmm"

# reason -> namespace -> patterns of names, with a space between them
LEFT_OUT: dict[str, dict[str, str]] = {
    "quantised tensors": {
        "torch": f"{_QUANTISED} quantize* q[iu]* fake_quantize_* fused_moving_avg_* fbgemm_* empty_quantized "
        "choose_qparams_*",
        "torch.Tensor": f"{_QUANTISED} qscheme",
        "torch.nn.functional": "ScalingType SwizzleType scaled_mm scaled_grouped_mm",
    },
    "sparse layouts": {
        "torch": f"{_SPARSE} sparse_*_tensor sparse_bs[cr] sparse_cs[cr] values_copy hsmm hspmm dsmm spmm saddmm",
        "torch.Tensor": f"{_SPARSE} sparse_* to_sparse* to_dense *coalesce* values index",
        "torch.cuda": "sparse",
    },
    "nested tensors": {"torch": "jagged", "torch.Tensor": "to_padded_tensor"},
    "complex numbers of half precision, which XLA lacks": {"torch": "complex32 chalf", "torch.Tensor": "chalf"},
    "dtypes that torch names and does not compute with": {"torch": "bit bits* int[1-7] uint[1-7] float4_*"},
    "kernels of cuDNN, MIOpen, MAGMA and oneDNN by name: XLA chooses its own": {
        "torch": "cudnn_* miopen_* mkldnn_* batch_norm_*elemt* batch_norm_*stats* batch_norm_backward_reduce "
        "convolution has_lapack has_mkl has_openmp has_spectral init_num_threads native_norm",
        "torch.Tensor": "to_mkldnn",
        "torch.backends.cpu": "*",
        "torch.backends.cuda": "cuBLASModule cuFFT* cufft_* *blas* preferred_* is_ck_* SDPAParams can_use_* "
        "*fp16_bf16_*",
        "torch.backends.cudnn": "depthwise_kernel fp32_precision is_acceptable",
        "torch.backends.mkldnn": "*",
        "torch.backends.mkl": "verbose",
        "torch.backends.opt_einsum": "*",
        "torch.nn.attention": "*_flash_attention_impl* WARN_FOR_UNFUSED_KERNELS",
    },
    "the compiler of TorchScript, its types and graphs": {
        "torch": "*Type AliasDb Argument* Block Benchmark* BufferDict CallStack Capsule Code Compil* Complete* "
        "Concrete* DeepCopyMemoTable *StorageContext ErrorReport ExecutionPlan FileCheck FunctionSchema Future "
        "Gradient Graph* IODescriptor JITException LiteScriptModule LockingLogger ModuleDict Node NoopLogger "
        "OperatorInfo ParameterDict PyTorchFile* Script* StaticModule ThroughputBenchmark TracingState Use Value AVG "
        "SUM import_ir_module* merge_type_from_type_comment parse_* unify_type_list fork wait cpp",
        "torch.jit": "Attribute CompilationUnit Error Future *onednn* export_opnames fork wait interface load save "
        "set_fusion_strategy strict_fusion",
        "torch.testing": "FileCheck",
        "torch.nn.functional": "assert_int_or_pair",
        "torch.utils": "ThroughputBenchmark",
        "torch.futures": "*",
    },
    "symbolic shapes and graphs of FX: every shape compiles for itself, jtorch.export exports": {
        "torch": "Sym* sym_* cond",
        "torch.export": "*",
        "torch.compiler": "config *_cache_artifacts* load_compiled_function skip_* keep_* substitute_in_graph "
        "wrap_numpy set_enable_guard_collectives nested_compile_region "
        "is_exporting",
    },
    "torch's dispatcher: jtorch has an op table": {
        "torch": "Dispatch* ExcludeDispatchKeyGuard Tag DisableTorchFunction",
        "torch.library": "*",
        "torch.utils": "*_privateuse1_backend get_cpp_backtrace",
        "torch.overrides": "*dispatch* get_*",
    },
    "classes of storages by dtype, which torch has given up": {"torch": "*Storage", "torch.cuda": "*Storage"},
    "what torch itself only keeps to raise or warn": {
        "torch": "AcceleratorError FatalError",
        "torch.Tensor": "reinforce resize resize_as volatile name grad_dtype storage_type",
        "torch.cuda": "DeferredCudaCallError *memory_cached",
        "torch.cuda.memory": "*memory_cached",
    },
    "devices that JAX lacks": {
        "torch": "*_ipu* *_xla* is_vulkan_available",
        "torch.Tensor": "ipu is_ipu is_xla is_maia mtia is_mtia xpu",
        "torch.mps": "*",
        "torch.xpu": "*",
        "torch.backends.mps": "get_* is_macos*",
    },
    "many processes: JAX spreads one program over devices": {
        "torch.distributed": "*",
        "torch.nn.parallel": "DistributedDataParallel parallel_apply replicate gather scatter",
        "torch.cuda": "nccl",
    },
    "streams, graphs, allocators and libraries of CUDA: XLA's runtime has them to itself": {
        "torch.cuda": "CUDA* Cuda* cuda* caching_allocator_* *_allocator* *Allocator* MemPool use_mem_pool graph* "
        "GreenContext ExternalStream get_stream_from_external make_graphed_callables jiterator tunable "
        "memory_snapshot current_*_handle check_error *per_process_memory_fraction *sync_debug_mode "
        "list_gpu_processes device_memory_used memory_usage power_draw temperature utilization clock_rate "
        "host_memory_* *host_memory_stats can_device_access_peer profiler get_gencode_flags reset_*",
        "torch.cuda.memory": "*_allocator* *Allocator* MemPool use_mem_pool caching_allocator_* memory_snapshot "
        "*per_process_memory_fraction list_gpu_processes host_memory_* *host_memory_stats reset_*",
        "torch.accelerator": "Graph *stream empty_host_cache reset_* *reserved memory_stats get_device_capability",
        "torch.cpu": "get_capabilities",
        "torch.autograd.graph": "set_override_stale_capture_stream set_warn_on_* region_activation_memory_budget",
        "torch.autograd": "enforce_grad_layout_policy",
        "torch.autograd.profiler": "emit_* *nvprof* EnforceUnique KinetoStepTracker MemRecordsAcc FunctionEvent",
        "torch.profiler": "DeviceType ExecutionTraceObserver kineto_available",
    },
    "out= gives the same class as its operator": {"torch.return_types": "*_out"},
    "what downloads and runs programs": {"torch.hub": "*"},
    "DataPipes, which torch itself has given up": {
        "torch.utils.data": "*DataPipe DataChunk *datapipe* argument_validation non_deterministic runtime_validation*",
    },
}  # fmt: skip


@cache
def why_not(namespace: str, name: str) -> str | None:
    """The reason for which jtorch leaves a name out; None where there is none."""
    for reason, spaces in LEFT_OUT.items():
        if any(fnmatchcase(name, pattern) for pattern in spaces.get(namespace, "").split()):
            return reason
    return None
