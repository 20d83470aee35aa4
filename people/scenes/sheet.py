"""A contact sheet of random people: `python -m people.scenes.sheet OUT.png`."""

from pathlib import Path

import click
import cv2
import numpy as np
from tqdm import tqdm

from people.rendering.render import photograph
from people.scenes.casting import draw_scene

__all__ = ["tile"]


def tile(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures `[H, W, 3]` of one size side by side, in rows."""
    blank = [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    filled = pictures + blank
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", default=40, help="How many people.")
@click.option("--seed", default=0, help="The first person's seed.")
def main(out: Path, count: int, seed: int) -> None:
    """Draw a contact sheet of random people."""
    scenes = (draw_scene(np.random.default_rng((seed, i))) for i in range(count))
    pictures = [photograph(scene) for scene in tqdm(scenes, total=count, unit="person")]
    cv2.imwrite(str(out), tile(pictures, 8)[..., ::-1])


if __name__ == "__main__":
    main()
