"""Sentences that are true of a rendered picture: words from its parameters, and templates that say them.

`describe` turns the numbers of a scene into words ("beard": "stubble"); `write` puts some of the words into a
sentence. Words, thresholds and templates are ours. A parameter that a person does not have is passed over, and
so is a value without a word: what is said is true, but not everything is said.
"""

from collections.abc import Callable, Mapping

import numpy as np

from people.body import head as heads
from people.body.expressions import actions
from people.body.parameters import Expression, Scene

__all__ = ["describe", "write"]

Words = dict[str, str]
#: What a rule finds: None for what has no word.
Found = dict[str, str | None]

#: What each hair style is called.
HAIR = {
    "bald": "bald",
    "horseshoe": "balding",
    "receding": "receding",
    "buzz cut": "very short",
    "crew cut": "short",
    "crop": "short",
    "side part": "short",
    "quiff": "short",
    "slicked back": "short",
    "spiky": "short",
    "fringe": "short",
    "pixie": "short",
    "shaggy": "shaggy",
    "curly": "curly",
    "afro": "afro",
    "bob": "chin-length",
    "ponytail": "tied back",
    "bun": "tied back",
    "long straight": "long",
    "long wavy": "long",
    "long curly": "long",
    "long with fringe": "long",
}
#: Colours of hair and eyes, and glasses, that go by another word; others go by their name.
HAIR_COLOURS = {"blue black": "black", "light blond": "blond"}
EYES = {"dark": "dark brown", "light brown": "brown"}
GLASSES = {"thin": "yes", "thick": "yes"}
SYNONYMS = {
    "child": ("child",),
    "young": ("young", "youthful"),
    "elderly": ("elderly", "old", "aged"),
    "man": ("man", "male person", "gentleman"),
    "woman": ("woman", "female person", "lady"),
    "smile": ("smiling", "with a smile", "with a happy expression", "looking happy"),
    "laugh": ("laughing", "with a laughing expression", "with a big laugh"),
    "surprise": ("surprised", "with a surprised expression", "with an expression of surprise"),
    "sadness": ("sad", "with a sad expression", "looking sad"),
    "anger": ("angry", "with an angry expression", "frowning in anger"),
    "disgust": ("disgusted", "with an expression of disgust", "with a wrinkled nose"),
    "fear": ("afraid", "with a frightened expression", "with an expression of fear"),
    "speaking": ("speaking", "with a speaking mouth"),
    "pucker": ("with puckered lips", "with a kissing expression"),
    "shout": ("shouting", "with a shouting expression", "shouting with a wide open mouth"),
    "smirk": ("smirking", "with a crooked smile"),
    "neutral": ("with a neutral expression", "with a calm expression", "with a relaxed face"),
}


def describe(scene: Scene) -> Words:
    """Words for what can be seen in a scene, by attribute; left and right are the picture's."""
    words: Found = {}
    for rule in RULES:
        words.update(rule(scene))
    return {name: word for name, word in words.items() if word}


def _step(value: float, words: tuple[str | None, ...], limits: tuple[float, ...]) -> str | None:
    """The word of the interval that holds `value`; the limits lie between the words."""
    return words[int(np.searchsorted(limits, value))]


def _who(scene: Scene) -> Found:
    """Gender, age, face and skin tone."""
    person = scene.person
    return {
        "gender": "woman" if person.gender > 0.5 else "man",
        "age": person.age_group.removesuffix(" adult"),
        "face": _step(person.weight, ("thin", None, "round"), (0.33, 0.68)),
        "tone": _step(person.melanin, ("light", "brown", "dark"), (0.32, 0.85)),
    }


def _hair(scene: Scene) -> Found:
    """Hair, beard, and what is worn on the head."""
    person = scene.person
    hat = person.hat_name
    hidden = person.hair.style in ("bald", "horseshoe") or hat in ("beanie", "headscarf")
    mixed = 0.2 < person.hair.grey <= 0.45  # neither grey nor of one colour
    colour = person.hair_colour_name
    return {
        "hair": HAIR.get(person.hair.style) if hat == "none" else None,
        "hair_colour": None if hidden or mixed else HAIR_COLOURS.get(colour, colour),
        "beard": person.beard_name,
        "hat": hat,
        "glasses": GLASSES.get(person.glasses_name, person.glasses_name),
    }


def _face(scene: Scene) -> Found:
    """Brows, lips, nose, eyes and skin."""
    person = scene.person
    shape = dict(zip(heads.load().local_names, person.local, strict=True))
    bushy = person.brows.thickness * person.brows.density
    redness = person.lip_redness * (0.8 + 0.7 * person.gender) + 1.2 * person.makeup * person.gender
    fullness = shape["mouth-upperlip-volume-incr"] + shape["mouth-lowerlip-volume-incr"]
    width = shape["nose-scale-horiz-incr"] + shape["nose-width1-incr"] + shape["nose-width2-incr"]
    creased = _step(person.ageing * person.wrinkles, ("smooth", None, "wrinkled"), (0.08, 0.55))
    return {
        "eyebrow": _step(bushy, ("thin", None, "bushy"), (0.68, 0.98)),
        "lip_colour": _step(redness, ("pale", None, "red"), (0.42, 0.85)),
        "lip": _step(fullness, ("thin", None, "full"), (-0.3, 0.3)),
        "nose": _step(shape["nose-scale-vert-incr"], ("short", None, "long"), (-0.22, 0.22)),
        "nose_width": _step(width, ("narrow", None, "wide"), (-0.35, 0.35)),
        "eye": None if person.glasses_name == "sun" else EYES.get(person.iris_name, person.iris_name),
        "skin": "freckled" if person.freckles > 0.45 else creased,
        "makeup": "made up" if person.makeup * person.gender > 0.25 else None,
    }


def _movement(scene: Scene) -> Found:
    """Expression and pose."""
    head = heads.load()
    strengths = actions(scene.expression)
    jaw, blink, wide = (float(strengths[head.action(name)]) for name in ("jawOpen", "eyeBlinkLeft", "eyeWideLeft"))
    sideways = ("left", None, "front", None, "right")
    return {
        "expression": _expression(scene),
        "mouth": _step(jaw, ("closed", None, "open"), (0.06, 0.2)),
        "lids": _step(wide - 2 * blink, ("closed", None, "wide open"), (-1.5, 0.6)),
        "pose": _step(scene.pose.yaw, sideways, (-0.24, -0.1, 0.1, 0.24)),
        "tilt": _step(scene.pose.pitch, ("up", None, "down"), (-0.1, 0.13)),
    }


def _expression(scene: Scene) -> str | None:
    """The expression's name, None where it has none, is weak, or turns into another one."""
    shown = scene.expression
    if not isinstance(shown, Expression):
        return None
    clear = shown.name == "neutral" or shown.strength > 0.5
    return shown.name if clear and shown.other_strength < 0.3 else None


def _picture(scene: Scene) -> Found:
    """Light and focus."""
    light = scene.light
    key = np.asarray(light.key)
    hard = key.mean() > 2.4 * float(np.mean(light.ambient, 0)[0]) and light.softness < 0.4
    sideways = ("left", None, "front", None, "right")
    return {
        "lamp": light.kind,
        "light": _step(light.direction[0], sideways, (-0.45, -0.2, 0.2, 0.45)),
        "contrast": "hard" if hard else None,
        "warmth": _step(float(key[0] / key[2]), ("cold", None, "warm"), (0.9, 1.15)),
        "focus": "blurry" if scene.camera.blur > 0.95 else None,
    }


RULES: tuple[Callable[[Scene], Found], ...] = (_who, _hair, _face, _movement, _picture)

#: Words for what is not there.
ABSENT = ("none", None)
BARE = {
    "bald": ("who is bald", "with a bald head"),
    "balding": ("balding", "with little hair"),
    "receding": ("with a receding hairline",),
}
BEARDED = {
    "stubble": ("with stubble", "unshaven"),
    "full": ("with a beard", "bearded"),
    "moustache": ("with a moustache",),
    "goatee": ("with a goatee", "with a small beard"),
    "none": ("with a shaved chin", "without a beard"),
}
SEEN_THROUGH = {
    "none": ("without glasses",),
    "yes": ("wearing glasses", "with glasses"),
    "sun": ("wearing sunglasses", "with dark sunglasses"),
}
LAMPS = {
    "soft": ("in soft light",),
    "side": ("lit from the side",),
    "window": ("in the light of a window",),
    "backlight": ("lit from behind", "against the light"),
    "sun": ("in sunlight", "in the sun"),
    "coloured": ("in coloured light",),
    "flash": ("taken with flash",),
    "overhead": ("lit from above",),
}
#: Attribute -> phrases for its word: what is said after "a photo of <somebody> ...", joined by commas.
PHRASES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "hair": lambda w: BARE.get(w) or (f"with {w} hair", f"{w} hair"),
    "hair_colour": lambda w: (f"with {w} hair", f"{w}-haired"),
    "beard": lambda w: BEARDED[w],
    "expression": lambda w: SYNONYMS.get(w, ()),
    "pose": lambda w: (
        ("looking straight ahead", "seen from the front", "in a frontal pose")
        if w == "front"
        else (f"looking to the {w}", f"with the head turned to the {w}", f"in a pose turned to the {w}")
    ),
    "tilt": lambda w: (f"looking {w}", f"with the head tilted {w}"),
    "face": lambda w: (f"with a {w} face",),
    "tone": lambda w: (f"with {w} skin", f"with a {w} skin tone"),
    "glasses": lambda w: SEEN_THROUGH[w],
    "hat": lambda w: ("without a hat", "bareheaded") if w == "none" else (f"wearing a {w}", f"with a {w}"),
    "lamp": lambda w: LAMPS.get(w, ()),
    "light": lambda w: (f"lit from the {w}", f"in light from the {w}"),
    "contrast": lambda w: (f"in {w} light",),
    "warmth": lambda w: (f"in {w} light",),
    "makeup": lambda _: ("wearing make-up", "with painted eyelids"),
    "eyebrow": lambda w: (f"with {w} eyebrows", f"with {w} eyebrow hair"),
    "lip": lambda w: (f"with {w} lips", f"with a {w} upper lip and a {w} lower lip"),
    "lip_colour": lambda w: (f"with {w} lips", f"with {w} lip colour"),
    "nose": lambda w: (f"with a {w} nose",),
    "nose_width": lambda w: (f"with a {w} nose",),
    "eye": lambda w: (f"with {w} eyes", f"with {w} eye colour"),
    "lids": lambda w: (f"with {w} eyes",),
    "mouth": lambda w: (f"with the mouth {w}", f"with {'an open' if w == 'open' else 'a closed'} mouth"),
    "skin": lambda w: (f"with {w} skin", f"whose skin is {w}"),
}
#: How the label hierarchies call attributes: "a face with the global attribute of age, elderly".
LABELS = {
    "global": {
        "age": "age",
        "expression": "expression",
        "gender": "gender",
        "pose": "pose",
        "face": "identity",
        "light": "physical light",
        "warmth": "physical light",
    },
    "local": {
        "eye": "eye",
        "lids": "eye",
        "eyebrow": "eyebrow",
        "lip": "lip",
        "lip_colour": "lip",
        "mouth": "mouth",
        "nose": "nose",
        "nose_width": "nose",
        "skin": "skin",
        "tone": "skin",
    },
}
LOCAL = tuple(LABELS["local"])
OPENINGS = ("a photo of {}", "a photograph of {}", "a picture of {}", "a portrait of {}", "a photo of the face of {}")


def write(words: Mapping[str, str], rng: np.random.Generator) -> str:
    """One sentence about some of the words, chosen at random.

    Half are about a person as a whole; the rest about regions of a face, or in the form of the label prompts. They
    name several words each: a sentence that is true of half of all pictures teaches little.
    """
    kind = rng.random()
    if kind < 0.55:
        opening = str(rng.choice(OPENINGS)).format(_somebody(words, rng))
        count = int(rng.integers(3, 8))
        return ", ".join([opening, *_phrases(words, tuple(PHRASES), count, rng)])
    if kind < 0.75:
        count = int(rng.integers(2, 5))
        said = " and ".join(_phrases(words, LOCAL, count, rng))
        return f"a photo of a face {said}"
    level = str(rng.choice(list(LABELS)))
    names = [name for name in LABELS[level] if words.get(name) not in (*ABSENT, "front")]
    parts = [f"the {level} attribute of {LABELS[level][name]} {words[name]}" for name in _some(names, 4, rng)]
    return f"a photo of a face with {' and '.join(parts)}" if parts else "a photo of a face"


def _somebody(words: Mapping[str, str], rng: np.random.Generator) -> str:
    """A person of the right age and gender: "an elderly lady"."""
    if words["age"] == "child":
        return str(rng.choice(["a child", "a girl" if words["gender"] == "woman" else "a boy"]))
    age = str(rng.choice(SYNONYMS.get(words["age"], (words["age"],))))
    gender = str(rng.choice(SYNONYMS.get(words["gender"], (words["gender"],))))
    somebody = f"{age} {gender}" if rng.random() < 0.75 else str(rng.choice([gender, f"{age} person", "person"]))
    return f"{'an' if somebody[0] in 'aeiou' else 'a'} {somebody}"


def _phrases(words: Mapping[str, str], names: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Some true phrases; that something is absent is said less often than that it is there."""
    said = [n for n in names if n in words and (words[n] not in ABSENT or rng.random() < 0.3)]
    options = [PHRASES[name](words[name]) for name in _some(said, count, rng)]
    return [str(rng.choice(option)) for option in options if option]


def _some(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """At most `count` of the names, in random order."""
    return [names[i] for i in rng.permutation(len(names))[:count]]
