"""From a person's parameters to the numbers that shading uses."""

from collections.abc import Sequence

import numpy as np

from semdf.people import head as heads
from semdf.people.hairstyles import HairShape
from semdf.people.parameters import Person
from semdf.people.raster import EYE_LEFT, EYE_RIGHT
from semdf.people.surface import ClothLook, EyeLook, HairLook, SkinLook

__all__ = ["cloth_look", "eye_look", "hair_look", "skin_look"]

GREY = np.array([0.33, 0.32, 0.31])


def _colour(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def _hair_colour(person: Person) -> np.ndarray:
    return _colour(person.hair.colour) * (1 - 0.75 * person.hair.grey) + GREY * 0.75 * person.hair.grey


def skin_look(person: Person) -> SkinLook:
    """Skin of a person; strengths that only the skin knows come from the person's seed."""
    rng = np.random.default_rng(person.seed + 1)
    old, female = float(np.clip((person.age - 0.58) / 0.42, 0, 1)), person.gender
    shift_u, shift_v = (float(value) for value in rng.random(2))
    mottle = (0.5 + 0.7 * rng.random() + 0.5 * old) / (1 + 0.7 * person.melanin)
    flush, eye_rings, lip_gloss = rng.uniform(0.3, 1.4), rng.uniform(0.1, 0.9), rng.uniform(0.3, 1.5)
    brow = _colour(person.hair.colour) * (1 - 0.6 * person.hair.grey) * 0.75 + 0.2 * person.hair.grey
    shaved = person.hair.style == "bald"
    return SkinLook(
        melanin=person.melanin,
        blood=person.blood,
        gloss=person.gloss,
        shift_u=shift_u,
        shift_v=shift_v,
        mottle=mottle,
        flush=flush,
        spots=0.9,
        eye_rings=eye_rings,
        lip_redness=person.lip_redness * (0.8 + 0.7 * female) + person.makeup * 1.2 * female,
        lip_melanin=0.05 + 0.15 * rng.random() * person.melanin,
        lip_gloss=lip_gloss,
        beard=person.beard * float(np.clip(1.25 - 1.6 * female, 0, 1)),
        beard_colour=_colour(brow * 0.6),
        brow_colour=_colour(brow * 0.7),
        crease_bump=1.0 + 1.0 * old,
        pore_bump=0.02 + 0.02 * old,
        crease_dark=0.9,
        lashes=0.55 + 0.35 * female,
        scalp=0.15 * (1 - person.gender) if shaved else 0.55,
        scalp_colour=_colour(_hair_colour(person) * 0.6),
        makeup=person.makeup * female,
        makeup_colour=_colour(person.makeup_colour),
    )


def cloth_look(person: Person) -> ClothLook:
    clothes = person.clothes
    return ClothLook(
        _colour(clothes.colour),
        _colour(clothes.second),
        clothes.stripe,
        clothes.collar,
        0.6,
        clothes.neckline,
    )


def eye_look(person: Person, vertices: np.ndarray) -> EyeLook:
    """Eyes; `vertices` are the posed vertices in camera axes."""
    head = heads.load()
    owned = [head.vertices_of(eye) for eye in (EYE_LEFT, EYE_RIGHT)]
    centres = np.stack([head.canonical[own].mean(0) for own in owned])
    posed = np.stack([vertices[own].mean(0) for own in owned])
    shift = float(np.random.default_rng(person.seed + 2).random())
    return EyeLook(_colour(person.iris), 0.43, person.pupil, shift, centres, posed)


def hair_look(person: Person, shape: HairShape) -> HairLook:
    rng = np.random.default_rng(person.seed + 4)
    style = shape.style
    shine = rng.uniform(0.2, 0.6) * (0.3 if style.curl > 0 or person.hair.style == "buzz" else 1.0)
    streaks = float(np.clip((person.age - 0.8) * 3, 0, 0.35)) * rng.random()
    return HairLook(_colour(_hair_colour(person)), streaks, shine, style.curl, *shape.shifts, person.hair.parting)
