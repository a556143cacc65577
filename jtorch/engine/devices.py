"""Device names (``cpu``, ``cuda:0``, ``tpu:0``) and the JAX devices behind them, found when first asked for."""

from functools import cache

import jax

PLATFORMS = {"cpu": "cpu", "cuda": "cuda", "tpu": "tpu"}

forked = False  # a forked process: see fork.py


@cache
def devices(kind: str) -> tuple[jax.Device, ...]:
    """All JAX devices of a kind; empty where JAX has no such backend. Raises RuntimeError for accelerators after a
    fork.
    """
    if forked and kind != "cpu":
        raise RuntimeError(
            f"Cannot re-initialize {kind.upper()} in forked subprocess. To use {kind.upper()} with multiprocessing, "
            "you must use the 'spawn' start method"
        )
    try:
        return tuple(jax.devices(PLATFORMS[kind]))
    except RuntimeError:
        return ()


@cache
def jax_device(name: str) -> jax.Device:
    """The JAX device of ``name``; raises RuntimeError where there is none."""
    kind, _, index = name.partition(":")
    found = devices(kind)
    number = int(index or 0)
    if number >= len(found):
        raise RuntimeError(f"jtorch: no device {name!r} here (JAX sees {len(found)} of kind {kind!r})")
    return found[number]


@cache
def is_default(name: str) -> bool:
    """Whether JAX puts arrays there that nobody places."""
    return jax_device(name) == jax.devices()[0]


@cache
def sharding(name: str) -> jax.sharding.SingleDeviceSharding:
    """Places an array on the device of ``name``."""
    return jax.sharding.SingleDeviceSharding(jax_device(name))


def name_of(device: jax.Device) -> str:
    """The name under which jtorch knows a JAX device."""
    kind = "cuda" if device.platform in ("gpu", "cuda", "rocm") else device.platform
    return "cpu" if kind == "cpu" else f"{kind}:{devices(kind).index(device)}"
