"""How jtorch sets JAX up when it is imported: 64-bit types on, no memory seized, compiled programs kept on disk."""

import os
from pathlib import Path

import jax

from jtorch.engine import record


def setup() -> None:
    """Configure JAX, without starting any device. What the user has set stays as it is."""
    jax.config.update("jax_enable_x64", True)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    unset = jax.config.jax_compilation_cache_dir is None  # type: ignore[attr-defined]
    if unset and os.environ.get("JTORCH_CACHE", "1") != "0":
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "jtorch" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    record.eager = os.environ.get("JTORCH_EAGER", "0") not in ("", "0")
