"""Writes grey pictures and curves as PNG with nothing but the standard library and NumPy."""

import os
import struct
import sys
import zlib

import numpy as np


def output(name: str) -> str:
    """Where an example writes: the folder given as its first argument, or ``out``."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "out"
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def rounds(count: int) -> int:
    """How many rounds an example trains: its second argument, or ``count``."""
    return int(sys.argv[2]) if len(sys.argv) > 2 else count


def write_png(path: str, pixels: np.ndarray) -> None:
    """Write an (H, W) array of values between 0 (black) and 1 (white), or (H, W, 3) in colour."""
    data = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    height, width = data.shape[:2]
    rows = np.hstack([np.zeros((height, 1), np.uint8), data.reshape(height, -1)])
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if data.ndim == 3 else 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    print(f"wrote {path}")


def grid(images: np.ndarray, columns: int, zoom: int = 2) -> np.ndarray:
    """Lay (N, H, W) images out in rows of ``columns``, each pixel ``zoom`` times as large."""
    count, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + 2), columns * (width + 2)))
    for i, image in enumerate(images):
        y, x = (i // columns) * (height + 2) + 1, (i % columns) * (width + 2) + 1
        sheet[y : y + height, x : x + width] = image
    return np.kron(sheet, np.ones((zoom, zoom)))


COLOURS = ((0.10, 0.35, 0.75), (0.85, 0.35, 0.10), (0.15, 0.55, 0.25), (0.50, 0.20, 0.60))


def plot(curves: list, width: int = 640, height: int = 360) -> np.ndarray:
    """Draw curves, each a pair (x values, y values), on one white field scaled to hold them all."""
    field = np.ones((height, width, 3))
    xs, ys = (np.concatenate([np.asarray(c[axis], float) for c in curves]) for axis in (0, 1))
    low, span = (xs.min(), ys.min()), (np.ptp(xs) or 1.0, np.ptp(ys) or 1.0)
    field[[10, -11], 10:-10] = field[10:-10, [10, -11]] = 0.6
    for curve, colour in zip(curves, COLOURS, strict=False):
        x = (np.asarray(curve[0], float) - low[0]) / span[0] * (width - 41) + 20
        y = height - 21 - (np.asarray(curve[1], float) - low[1]) / span[1] * (height - 41)
        for i in range(len(x) - 1):
            steps = int(max(abs(x[i + 1] - x[i]), abs(y[i + 1] - y[i]), 1)) + 1
            at = np.linspace(0, 1, steps)
            column = np.round(x[i] + at * (x[i + 1] - x[i])).astype(int)
            row = np.round(y[i] + at * (y[i + 1] - y[i])).astype(int)
            field[row, column] = field[row + 1, column] = colour
    return field
