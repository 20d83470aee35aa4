"""Compiled drawing of strands: place, project, light (Kajiya and Kay 1989), and blend with soft edges."""

import math

from people.drawing.compiled import njit

__all__ = ["draw_strands", "light_strands", "shade_from_strands"]


@njit(cache=True, fastmath=True)
def light_strands(points, rise, colour, shine, scatter, direction, right, up, origin_u, origin_v, scale, depth,
                  key, ambient, fill_direction, fill, middle, shadow, out):  # fmt: skip
    """Radiance `out` [S, K, 3] of strands at `points` [S, K, 3] (camera axes)."""
    lx, ly, lz = direction[0], direction[1], direction[2]
    for s in range(points.shape[0]):
        for k in range(points.shape[1]):
            px, py, pz = points[s, k, 0], points[s, k, 1], points[s, k, 2]
            a, b = max(k - 1, 0), min(k + 1, points.shape[1] - 1)
            tx, ty = points[s, b, 0] - points[s, a, 0], points[s, b, 1] - points[s, a, 1]
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
            first, second = slant + 0.10, slant - 0.14
            gloss = math.sqrt(max(0.0, 1 - first * first)) ** 80 * 0.5
            glow = math.sqrt(max(0.0, 1 - second * second)) ** 22
            lit = 1.0
            i = int((px * right[0] + py * right[1] + pz * right[2] - origin_u) * scale)
            j = int((px * up[0] + py * up[1] + pz * up[2] - origin_v) * scale)
            if 0 <= i < depth.shape[1] and 0 <= j < depth.shape[0]:
                behind = -(px * lx + py * ly + pz * lz) - depth[j, i]
                lit = 1 - shadow + shadow * math.exp(-55.0 * max(0.0, behind - 0.003))
            back = max(0.0, -(lx * ex + ly * ey + lz * ez))  # light through thin hair
            open_air = 0.30 + 0.70 * rise[s, k]
            second_facing = max(0.0, nx * fill_direction[0] + ny * fill_direction[1] + nz * fill_direction[2] + 0.2)
            for c in range(3):
                around = ambient[c, 0] + ambient[c, 1] * nx + ambient[c, 2] * ny + ambient[c, 3] * nz
                around = max(0.02, around) * open_air * 0.85
                albedo = colour[s, c]
                strength = key[c] * lit
                value = albedo * (around + strength * diffuse * (0.55 + 0.45 * open_air) * scatter)
                value += strength * shine * (gloss * 0.10 + glow * (0.25 * albedo + 0.012)) * (0.3 + 0.7 * diffuse)
                value += strength * albedo * back * 0.9 * open_air
                value += fill[c] * second_facing * (albedo * 0.8 + 0.02 * shine) * open_air
                value += around * 0.014 * shine * (0.6 + 0.4 * ny) * open_air
                out[s, k, c] = value


@njit(cache=True, fastmath=True)
def shade_from_strands(u, v, distance, every, buffer):
    """Write strands `[S, K]` (pixels of the light's depth map, distance from the light) into the map."""
    height, width = buffer.shape
    for s in range(0, u.shape[0], every):
        for k in range(1, u.shape[1]):
            du, dv = u[s, k] - u[s, k - 1], v[s, k] - v[s, k - 1]
            steps = int(max(abs(du), abs(dv))) + 1
            for step in range(steps):
                t = step / steps
                i, j = int(u[s, k - 1] + du * t), int(v[s, k - 1] + dv * t)
                if 0 <= i < width and 0 <= j < height:
                    value = distance[s, k - 1] + (distance[s, k] - distance[s, k - 1]) * t
                    if value < buffer[j, i]:
                        buffer[j, i] = value


@njit(cache=True, fastmath=True)
def draw_strands(x, y, inverse, radiance, width, taper, bits, slack, image, depth, cover, regions):
    """Blend strands into `image` [H, W, 3]; x, y, inverse [S, K] are samples and 1 / depth.

    `width` [S] is in samples; thinner strands are paler. `taper` thins the ends. Where more than half of a sample
    is covered it gets `bits` (0 leaves the regions alone).
    """
    height, wide = depth.shape
    for s in range(x.shape[0]):
        last = x.shape[1] - 1
        for k in range(last):
            x0, y0, x1, y1 = x[s, k], y[s, k], x[s, k + 1], y[s, k + 1]
            dx, dy = x1 - x0, y1 - y0
            flat = abs(dx) >= abs(dy)
            reach = abs(dx) if flat else abs(dy)
            if reach < 0.05 or reach > 4000:
                continue
            slant = math.sqrt(dx * dx + dy * dy) / reach
            first = x0 if flat else y0
            second = x1 if flat else y1
            low, high = min(first, second), max(first, second)
            start, stop = int(math.ceil(low - 0.5)), int(math.ceil(high - 0.5))
            limit = wide if flat else height
            for major in range(max(start, 0), min(stop, limit)):
                t = (major + 0.5 - first) / (second - first)
                minor = y0 + dy * t if flat else x0 + dx * t
                place = (k + t) / last
                full = width[s] * (1 - taper * place * place * place)
                thick = max(full, 0.7) * slant
                strength = min(1.0, full / 0.7)
                near = inverse[s, k] + (inverse[s, k + 1] - inverse[s, k]) * t
                top, bottom = minor - 0.5 * thick, minor + 0.5 * thick
                for other in range(int(math.floor(top)), int(math.floor(bottom)) + 1):
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
