"""Compiled drawing of strands: place, project, light (Kajiya and Kay 1989), and blend with soft edges."""

import math

import numpy as np

from people.drawing.compiled import compiled
from people.drawing.light import LightField

__all__ = ["draw_strands", "light_strands", "shade_from_strands"]


@compiled
def light_strands(
    points: np.ndarray,
    rise: np.ndarray,
    colour: np.ndarray,
    shine: float,
    scatter: float,
    light: LightField,
    middle: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute the light that S strands of K points send to the camera.

    Args:
        points: [S, K, 3], camera axes.
        rise: [S, K], height over the skin, 0 shaded .. 1 open.
        colour: [S, 3], linear.
        shine: Strength of highlights.
        scatter: Strength of diffuse light.
        light: The lights.
        middle: [3], of the head: what points away from it is outside.
        out: [S, K, 3], filled with the radiance.
    """
    lx, ly, lz = light.direction[0], light.direction[1], light.direction[2]
    right = light.right
    up = light.up
    depth = light.depth
    ambient = light.ambient
    way = light.fill_direction
    for s in range(points.shape[0]):
        for k in range(points.shape[1]):
            px, py, pz = points[s, k, 0], points[s, k, 1], points[s, k, 2]
            # t: along the strand, n: out of the head, e: to the eye, h: half way between the eye and the light
            a = max(k - 1, 0)
            b = min(k + 1, points.shape[1] - 1)
            tx = points[s, b, 0] - points[s, a, 0]
            ty = points[s, b, 1] - points[s, a, 1]
            tz = points[s, b, 2] - points[s, a, 2]
            length = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-7
            tx, ty, tz = tx / length, ty / length, tz / length
            nx, ny, nz = px - middle[0], py - middle[1], pz - middle[2]
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-7
            nx, ny, nz = nx / length, ny / length, nz / length
            length = math.sqrt(px * px + py * py + pz * pz) + 1e-7
            ex, ey, ez = -px / length, -py / length, -pz / length
            hx, hy, hz = lx + ex, ly + ey, lz + ez
            half = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
            along = tx * lx + ty * ly + tz * lz
            facing = max(0.0, min(1.0, 0.35 + 0.65 * (nx * lx + ny * ly + nz * lz)))
            diffuse = math.sqrt(max(0.0, 1 - along * along)) * facing
            slant = (tx * hx + ty * hy + tz * hz) / half
            # two highlights: of the surface, and of light that came back through the hair, shifted the other way
            first = slant + 0.10
            second = slant - 0.14
            gloss = math.sqrt(max(0.0, 1 - first * first)) ** 80 * 0.5
            glow = math.sqrt(max(0.0, 1 - second * second)) ** 22
            lit = 1.0
            i = int((px * right[0] + py * right[1] + pz * right[2] - light.origin_u) * light.scale)
            j = int((px * up[0] + py * up[1] + pz * up[2] - light.origin_v) * light.scale)
            if 0 <= i < depth.shape[1] and 0 <= j < depth.shape[0]:
                behind = -(px * lx + py * ly + pz * lz) - depth[j, i]
                lit = 1 - light.shadow + light.shadow * math.exp(-55.0 * max(0.0, behind - 0.003))
            back = max(0.0, -(lx * ex + ly * ey + lz * ez))  # light through thin hair
            open_air = 0.30 + 0.70 * rise[s, k]
            second_facing = max(0.0, nx * way[0] + ny * way[1] + nz * way[2] + 0.2)
            for c in range(3):
                around = ambient[c, 0] + ambient[c, 1] * nx + ambient[c, 2] * ny + ambient[c, 3] * nz
                around = max(0.02, around) * open_air * 0.85
                albedo = colour[s, c]
                strength = light.key[c] * lit
                value = albedo * (around + strength * diffuse * (0.55 + 0.45 * open_air) * scatter)
                value += strength * shine * (gloss * 0.10 + glow * (0.25 * albedo + 0.012)) * (0.3 + 0.7 * diffuse)
                value += strength * albedo * back * 0.9 * open_air
                value += light.fill[c] * second_facing * (albedo * 0.8 + 0.02 * shine) * open_air
                value += around * 0.014 * shine * (0.6 + 0.4 * ny) * open_air
                out[s, k, c] = value


@compiled
def shade_from_strands(u: np.ndarray, v: np.ndarray, distance: np.ndarray, every: int, buffer: np.ndarray) -> None:
    """Write strands into the light's depth map.

    Args:
        u: [S, K], pixels of the map from the left.
        v: [S, K], pixels from the top.
        distance: [S, K], from the light.
        every: Only each so many-th strand is written.
        buffer: [H, W], filled with the smallest distance in each pixel where that is below what it holds.
    """
    height, width = buffer.shape
    for s in range(0, u.shape[0], every):
        for k in range(1, u.shape[1]):
            du = u[s, k] - u[s, k - 1]
            dv = v[s, k] - v[s, k - 1]
            steps = int(max(abs(du), abs(dv))) + 1
            for step in range(steps):
                t = step / steps
                i = int(u[s, k - 1] + du * t)
                j = int(v[s, k - 1] + dv * t)
                if 0 <= i < width and 0 <= j < height:
                    value = distance[s, k - 1] + (distance[s, k] - distance[s, k - 1]) * t
                    if value < buffer[j, i]:
                        buffer[j, i] = value


@compiled
def draw_strands(  # noqa: C901 - one loop from strands down to samples: calls in it would pass a dozen arguments on
    x: np.ndarray,
    y: np.ndarray,
    inverse: np.ndarray,
    radiance: np.ndarray,
    width: np.ndarray,
    taper: float,
    bits: int,
    slack: float,
    image: np.ndarray,
    depth: np.ndarray,
    cover: np.ndarray,
    regions: np.ndarray,
) -> None:
    """Blend S strands of K points into a picture, sample by sample along the longer side of every segment.

    Args:
        x: [S, K], samples from the left.
        y: [S, K], samples from the top.
        inverse: [S, K], 1 / depth.
        radiance: [S, K, 3].
        width: [S], samples; strands thinner than 0.7 are drawn that wide, and paler.
        taper: How much of the width the ends lose.
        bits: What `regions` gets where more than half of a sample is covered; 0 leaves the regions alone.
        slack: How far behind the surface a strand still shows, as a share of its depth.
        image: [H, W, 3], blended into.
        depth: [H, W], 1 / depth; raised where a strand covers nearly half of a sample.
        cover: [H, W], share of each sample that strands cover; added to.
        regions: [H, W], bits.
    """
    height, wide = depth.shape
    for s in range(x.shape[0]):
        last = x.shape[1] - 1
        for k in range(last):
            x0, y0 = x[s, k], y[s, k]
            x1, y1 = x[s, k + 1], y[s, k + 1]
            dx = x1 - x0
            dy = y1 - y0
            flat = abs(dx) >= abs(dy)
            reach = abs(dx) if flat else abs(dy)
            if reach < 0.05 or reach > 4000:
                continue
            slant = math.sqrt(dx * dx + dy * dy) / reach
            first = x0 if flat else y0
            second = x1 if flat else y1
            low = min(first, second)
            high = max(first, second)
            start = math.ceil(low - 0.5)
            stop = math.ceil(high - 0.5)
            limit = wide if flat else height
            for major in range(max(start, 0), min(stop, limit)):
                t = (major + 0.5 - first) / (second - first)
                minor = y0 + dy * t if flat else x0 + dx * t
                place = (k + t) / last
                full = width[s] * (1 - taper * place * place * place)
                thick = max(full, 0.7) * slant
                strength = min(1.0, full / 0.7)
                near = inverse[s, k] + (inverse[s, k + 1] - inverse[s, k]) * t
                top = minor - 0.5 * thick
                bottom = minor + 0.5 * thick
                for other in range(math.floor(top), math.floor(bottom) + 1):
                    if other < 0 or other >= (height if flat else wide):
                        continue
                    share = (min(bottom, other + 1.0) - max(top, float(other))) * strength
                    row, column = (other, major) if flat else (major, other)
                    if share <= 0.01 or near < depth[row, column] * (1 - slack):
                        continue
                    share = min(share, 1.0)
                    for c in range(3):
                        value = radiance[s, k, c] + (radiance[s, k + 1, c] - radiance[s, k, c]) * t
                        image[row, column, c] += (value - image[row, column, c]) * share
                    if share > 0.45 and near > depth[row, column]:
                        depth[row, column] = near
                    cover[row, column] += (1 - cover[row, column]) * share
                    if bits > 0 and cover[row, column] > 0.5:
                        regions[row, column] = bits
