"""From a person's parameters to the numbers that shading uses."""

from collections.abc import Sequence

import numpy as np

from people.body import head as heads
from people.body.hairstyles import HairShape
from people.body.parameters import PATTERNS, TOPS, Person
from people.drawing.raster import EYE_LEFT, EYE_RIGHT
from people.drawing.surface import ClothLook, EyeLook, HatLook, SkinLook

__all__ = ["cloth_look", "eye_look", "hat_look", "skin_look"]

GREY = np.array([0.33, 0.32, 0.31])


def _colour(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def _hair_colour(person: Person) -> np.ndarray:
    """The mean colour of a person's hairs, grey ones among them."""
    return _colour(person.hair.colour) * (1 - 0.75 * person.hair.grey) + GREY * 0.75 * person.hair.grey


def skin_look(person: Person, shape: HairShape) -> SkinLook:
    """Skin of a person; strengths that only the skin knows come from the person's seed."""
    rng = np.random.default_rng(person.seed + 1)
    old = person.ageing
    female = person.gender
    shift_u, shift_v = (float(value) for value in rng.random(2))
    mottle = (0.35 + 0.4 * rng.random() + 0.6 * old) / (1 + 0.7 * person.melanin)
    flush = rng.uniform(0.3, 1.1)
    eye_rings = rng.uniform(0.1, 0.7)
    lip_gloss = rng.uniform(0.3, 1.5)
    brow = _colour(person.hair.colour) * (1 - 0.6 * person.hair.grey) * 0.75 + 0.2 * person.hair.grey
    beard = {"none": 0.0, "stubble": 0.42, "moustache": 0.7, "goatee": 0.7, "full": 0.65}[person.beard_name]
    shadow = 0.10 * (1 - female) * float(np.clip((person.years - 16) / 8, 0, 1))  # of shaven skin
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
        beard=max(beard * (0.4 + 0.6 * person.beard), shadow),
        beard_colour=_colour(brow * 0.6),
        brow_colour=_colour(brow * 0.7),
        crease_bump=1.0 + 1.0 * old,
        pore_bump=0.02 + 0.02 * old,
        crease_dark=0.9,
        lashes=0.55 + 0.35 * female,
        scalp=shape.base,
        scalp_colour=_colour(_hair_colour(person) * 0.45),
        makeup=person.makeup * female,
        makeup_colour=_colour(person.makeup_colour),
    )


def cloth_look(person: Person) -> ClothLook:
    """A person's garment; a pattern shows only where it has stripes."""
    clothes = person.clothes
    return ClothLook(
        colour=_colour(clothes.colour),
        second=_colour(clothes.second),
        stripe=clothes.stripe,
        collar=clothes.collar,
        slope=0.6,
        neckline=clothes.neckline,
        pattern=PATTERNS.index(clothes.pattern) if clothes.stripe > 0 else 0,
        top=TOPS.index(clothes.top),
    )


def eye_look(person: Person, vertices: np.ndarray) -> EyeLook:
    """Eyes; `vertices` are the posed vertices in camera axes."""
    head = heads.load()
    owned = [head.vertices_of(eye) for eye in (EYE_LEFT, EYE_RIGHT)]
    centres = np.stack([head.canonical[own].mean(0) for own in owned])
    posed = np.stack([vertices[own].mean(0) for own in owned])
    shift = float(np.random.default_rng(person.seed + 2).random())
    return EyeLook(
        iris=_colour(person.iris), iris_angle=0.47, pupil=person.pupil, shift=shift, centres=centres, posed=posed
    )


def hat_look(person: Person) -> HatLook:
    """A person's hat; black numbers that nothing uses where there is none."""
    hat = person.clothes.hat
    if hat is None:
        black = _colour((0, 0, 0))
        return HatLook(colour=black, second=black, ribs=0.0, seams=0.0)
    return HatLook(
        colour=_colour(hat.colour),
        second=_colour(hat.second),
        ribs=56.0 if hat.kind == "beanie" else 0.0,
        seams=float(hat.kind == "cap"),
    )
