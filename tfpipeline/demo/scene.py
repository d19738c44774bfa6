"""Everything around an object: colours, ground, clutter, pose, light, and noise."""

import colorsys

import numpy as np

from tfpipeline.demo.shapes import Array, Parts, box, disc, line, polygon, ring, turned

Rng = np.random.Generator

# Object and ground differ by at least this in one channel of linear brightness.
_MIN_CONTRAST = 0.4


def grid(size: int) -> tuple[Array, Array]:
    """Return x to the right and y downwards of every pixel's middle, in (-1, 1)."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def colour(rng: Rng) -> Array:
    """Return a random RGB colour, float32 in [0, 1], shape (3,)."""
    hue, saturation, value = rng.uniform(), rng.uniform(0.1, 1), rng.uniform(0.15, 1)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def _unlike(rng: Rng, *others: Array) -> Array:
    """Return a random colour that stands out against the others."""
    best, best_contrast = colour(rng), -1.0
    for _ in range(20):
        candidate = colour(rng)
        contrast = min(float(np.abs(candidate - other).max()) for other in others)
        if contrast > best_contrast:
            best, best_contrast = candidate, contrast
        if contrast > _MIN_CONTRAST + 0.15:
            break
    return best


def value_noise(rng: Rng, size: int, cells: int) -> Array:
    """Return smooth random noise in [0, 1], shape (size, size)."""
    knots = rng.uniform(size=(cells + 2, cells + 2)).astype(np.float32)
    at = np.linspace(0, cells, size, dtype=np.float32)
    low = np.minimum(at.astype(int), cells)
    part = at - low
    part = part * part * (3 - 2 * part)
    rows = knots[low] * (1 - part[:, None]) + knots[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def texture(rng: Rng, x: Array, y: Array) -> Array:
    """Return a random pattern in [0, 1]: plain, blurred, striped, checked or dotted."""
    u, v = turned(x, y, rng.uniform(0, 180))
    many = rng.uniform(2, 9)
    kind = rng.integers(6)
    if kind == 0:
        return np.full(x.shape, 0.5, np.float32)
    if kind == 1:
        return value_noise(rng, len(x), int(rng.integers(2, 14)))
    if kind == 2:
        return (np.sin(u * many * np.pi) * rng.uniform(1, 4)).clip(-0.5, 0.5) + 0.5
    if kind == 3:
        checks = np.sin(u * many * np.pi) * np.sin(v * many * np.pi)
        return (checks * 6).clip(-0.5, 0.5) + 0.5
    if kind == 4:
        dots = np.hypot((u * many) % 1 - 0.5, (v * many) % 1 - 0.5)
        return ((rng.uniform(0.2, 0.4) - dots) * 12).clip(-0.5, 0.5) + 0.5
    return (u * 0.5 + 0.5).clip(0, 1)


def _paint(image: Array, distance: Array, fill: Array, pixel: float) -> Array:
    """Lay a figure over an image; its edge is as soft as a pixel is wide."""
    cover = (0.5 - distance / pixel).clip(0, 1)[..., None]
    return image + (fill - image) * cover


def ground(rng: Rng, x: Array, y: Array) -> tuple[Array, Array]:
    """Return a background of two colours, perhaps with a floor; and its mean colour."""
    first = colour(rng)
    second = first + (colour(rng) - first) * np.float32(rng.uniform(0.2, 0.7))
    pattern = texture(rng, x, y)[..., None]
    image = first + (second - first) * pattern
    if rng.uniform() < 0.4:
        floor = y - rng.uniform(0.1, 0.7) + x * rng.uniform(-0.15, 0.15)
        third = first + (colour(rng) - first) * np.float32(0.6)
        stripes = 0.85 + 0.15 * texture(rng, x, y)[..., None]
        image = np.where(floor[..., None] > 0, third * stripes, image)
    return image, image.mean(axis=(0, 1))


def _scrap(rng: Rng, x: Array, y: Array) -> Array:
    """Return the distance to one small figure that means nothing."""
    u, v = turned(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1), rng.uniform(0, 360))
    size = rng.uniform(0.05, 0.22)
    kind = rng.integers(5)
    if kind == 0:
        return disc(u, v, size)
    if kind == 1:
        return box(u, v, size, size * rng.uniform(0.3, 1))
    if kind == 2:
        return ring(u, v, size, 0.05)
    if kind == 3:
        return line(u, v, (-size * 2, 0), (size * 2, 0), 0.05)
    return polygon(u, v, [(size, 0), (-size, size * 0.7), (-size * 0.6, -size)])


def clutter(rng: Rng, image: Array, x: Array, y: Array, most: int) -> Array:
    """Scatter up to `most` small figures over an image."""
    for _ in range(int(rng.integers(most + 1))):
        image = _paint(image, _scrap(rng, x, y), colour(rng), 2 / len(x))
    return image


def pose(rng: Rng, x: Array, y: Array) -> tuple[Array, Array, float]:
    """Return the object's own coordinates: moved, turned, scaled, sheared, mirrored."""
    scale = rng.uniform(0.65, 0.95)
    free = 1 - scale
    x, y = x - rng.uniform(-free, free), y - rng.uniform(-free, free)
    return (*posed(rng, x, y, scale), scale)


def posed(rng: Rng, x: Array, y: Array, scale: float) -> tuple[Array, Array]:
    """Return the coordinates of an object of that size about the origin."""
    x, y = turned(x, y, rng.uniform(-25, 25))
    x = x + y * np.float32(rng.uniform(-0.15, 0.15))
    stretch = np.exp(rng.uniform(-0.16, 0.16))
    flip = rng.choice([-1.0, 1.0])
    return x * np.float32(flip / scale * stretch), y / np.float32(scale / stretch)


def place(rng: Rng, image: Array, mean: Array, parts: Parts, scale: float) -> Array:
    """Draw an object with its shadow, colours, patterns and shading."""
    size = len(image)
    pixel = 2 / size / scale
    main = _unlike(rng, mean)
    dark = main * np.float32(rng.uniform(0.1, 0.45))
    fills = (main, _unlike(rng, mean, main), dark)
    outline = np.minimum.reduce([distance for distance, _ in parts])
    if rng.uniform() < 0.5:
        shift = [int(s) for s in rng.integers(-size // 16, size // 16 + 1, 2)]
        shadow = np.roll(outline, shift, (0, 1))
        image = _paint(image, shadow, image * np.float32(0.55), pixel * 4)
    if rng.uniform() < 0.35:
        edge = fills[2] if rng.uniform() < 0.5 else np.float32(1) - dark
        image = _paint(image, outline - rng.uniform(0.03, 0.06), edge, pixel)
    grain = rng.uniform(0, 0.45)
    pattern = texture(rng, *grid(size))[..., None] * grain + (1 - grain)
    roundness = rng.uniform(0, 0.4)
    for distance, tone in parts:
        depth = 1 - roundness * np.exp(distance / 0.12).clip(0, 1)
        image = _paint(image, distance, fills[tone] * pattern * depth[..., None], pixel)
    return image


def photograph(rng: Rng, image: Array) -> Array:
    """Return the picture as a cheap camera would: light, blur, contrast, noise."""
    x, y = grid(len(image))
    u, _ = turned(x, y, rng.uniform(0, 360))
    image = image * (1 + np.float32(rng.uniform(0, 0.35)) * u)[..., None]
    if rng.uniform() < 0.4:
        image = _blurred(image, rng.uniform(0.3, 1))
    mean = np.float32(image.mean())
    image = (image - mean) * np.float32(rng.uniform(0.7, 1.15)) + mean
    image = image * rng.uniform(0.8, 1.15, 3).astype(np.float32)
    noise = rng.standard_normal(image.shape, np.float32)
    image = image + noise * np.float32(rng.uniform(0.005, 0.04))
    return (image.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _blurred(image: Array, strength: float) -> Array:
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4
    soft = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return image + (soft - image) * np.float32(strength)
