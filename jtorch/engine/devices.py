"""Device names (``cpu``, ``cuda:0``, ``tpu:0``) and the JAX devices behind them, found when first asked for."""

from functools import cache

import jax

PLATFORMS = {"cpu": "cpu", "cuda": "cuda", "tpu": "tpu"}


@cache
def devices(kind: str) -> tuple[jax.Device, ...]:
    """All JAX devices of a kind; empty where JAX has no such backend."""
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
def sharding(name: str) -> jax.sharding.SingleDeviceSharding:
    """Places an array on the device of ``name``."""
    return jax.sharding.SingleDeviceSharding(jax_device(name))


def name_of(device: jax.Device) -> str:
    """The name under which jtorch knows a JAX device."""
    kind = "cuda" if device.platform in ("gpu", "cuda", "rocm") else device.platform
    return "cpu" if kind == "cpu" else f"{kind}:{devices(kind).index(device)}"
