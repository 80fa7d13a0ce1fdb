"""``python nbody.py STEPS``: the Computer Language Benchmarks Game's n-body; processor seconds."""

import sys
import time
from math import pi

YEAR = 365.24
SUN = 4 * pi * pi
BODIES = [  # position, velocity, mass: Sun, Jupiter, Saturn, Uranus, Neptune
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], SUN),
    (
        [4.84143144246472090e00, -1.16032004402742839e00, -1.03622044471123109e-01],
        [1.66007664274403694e-03 * YEAR, 7.69901118419740425e-03 * YEAR, -6.9046e-05 * YEAR],
        9.54791938424326609e-04 * SUN,
    ),
    (
        [8.34336671824457987e00, 4.12479856412430479e00, -4.03523417114321381e-01],
        [-2.76742510726411900e-03 * YEAR, 4.99852801234917238e-03 * YEAR, 2.304e-05 * YEAR],
        2.85885980666130812e-04 * SUN,
    ),
    (
        [1.28943695621391310e01, -1.51111514016986312e01, -2.23307578892655734e-01],
        [2.96460137564761618e-03 * YEAR, 2.37847173959480950e-03 * YEAR, -2.9659e-05 * YEAR],
        4.36624404335156298e-05 * SUN,
    ),
    (
        [1.53796971148509165e01, -2.59193146099879641e01, 1.79258772950371181e-01],
        [2.68067772490389322e-03 * YEAR, 1.62824170038242295e-03 * YEAR, -9.5159e-05 * YEAR],
        5.15138902046611451e-05 * SUN,
    ),
]
PAIRS = [(one, two) for i, one in enumerate(BODIES) for two in BODIES[i + 1 :]]


def advance(dt: float, steps: int) -> None:
    """So many steps of so many years."""
    for _ in range(steps):
        for ([x1, y1, z1], v1, m1), ([x2, y2, z2], v2, m2) in PAIRS:
            dx, dy, dz = x1 - x2, y1 - y2, z1 - z2
            mag = dt * ((dx * dx + dy * dy + dz * dz) ** (-1.5))
            b1m, b2m = m1 * mag, m2 * mag
            v1[0] -= dx * b2m
            v1[1] -= dy * b2m
            v1[2] -= dz * b2m
            v2[0] += dx * b1m
            v2[1] += dy * b1m
            v2[2] += dz * b1m
        for r, [vx, vy, vz], _m in BODIES:
            r[0] += dt * vx
            r[1] += dt * vy
            r[2] += dt * vz


if __name__ == "__main__":
    began = time.process_time()
    advance(0.01, int(sys.argv[1]))
    print(time.process_time() - began)
