"""Sentences that are true of a rendered picture: words from its parameters, and templates that say them.

`describe` turns the numbers of a scene into words ("beard": "stubble"); `write` puts some of the words into a
sentence. Words, thresholds and templates are ours. A parameter that a person does not have is passed over, and
so is a value without a word: what is said is true, but not everything is said.
"""

from collections.abc import Callable, Mapping

import numpy as np

from people.body import head as heads
from people.body.expressions import actions
from people.body.parameters import Scene

__all__ = ["describe", "write"]

Words = dict[str, str]

#: What each hair style is called; other styles go unsaid.
HAIR = {
    "bald": "bald",
    "horseshoe": "balding",
    "receding": "receding",
    "buzz cut": "very short",
    "shaggy": "shaggy",
    "curly": "curly",
    "afro": "afro",
    "bob": "chin-length",
    "ponytail": "tied back",
    "bun": "tied back",
} | dict.fromkeys(("crew cut", "crop", "side part", "quiff", "slicked back", "spiky", "fringe", "pixie"), "short")
HAIR |= dict.fromkeys(("long straight", "long wavy", "long curly", "long with fringe"), "long")  # fmt: skip
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
    words: dict[str, str | None] = {}
    for rule in RULES:
        words |= rule(scene)
    return {name: word for name, word in words.items() if word}


def _step(value: float, *words_and_limits: str | float | None) -> str | None:
    """The word of the interval that holds `value`: `_step(v, "low", 0.3, None, 0.7, "high")`."""
    words, limits = words_and_limits[::2], words_and_limits[1::2]
    return words[int(np.searchsorted(limits, value))]


def _who(scene: Scene) -> dict:
    person = scene.person
    return {
        "gender": "woman" if person.gender > 0.5 else "man",
        "age": person.age_group.removesuffix(" adult"),
        "face": _step(person.weight, "thin", 0.33, None, 0.68, "round"),
        "tone": _step(person.melanin, "light", 0.32, "brown", 0.85, "dark"),
    }


def _hair(scene: Scene) -> dict:
    person, hat = scene.person, scene.person.hat_name
    colour = None if 0.2 < person.hair.grey <= 0.45 else person.hair_colour_name  # neither one nor the other
    hidden = person.hair.style in ("bald", "horseshoe") or hat in ("beanie", "headscarf")
    return {
        "hair": HAIR.get(person.hair.style) if hat == "none" else None,
        "hair_colour": None if hidden else {"blue black": "black", "light blond": "blond"}.get(colour, colour),
        "beard": person.beard_name,
        "hat": hat,
        "glasses": {"thin": "yes", "thick": "yes"}.get(person.glasses_name, person.glasses_name),
    }


def _face(scene: Scene) -> dict:
    person, shape = scene.person, dict(zip(heads.load().local_names, scene.person.local, strict=True))
    bushy = person.brows.thickness * person.brows.density
    redness = person.lip_redness * (0.8 + 0.7 * person.gender) + 1.2 * person.makeup * person.gender
    fullness = shape["mouth-upperlip-volume-incr"] + shape["mouth-lowerlip-volume-incr"]
    width = shape["nose-scale-horiz-incr"] + shape["nose-width1-incr"] + shape["nose-width2-incr"]
    iris = None if person.glasses_name == "sun" else person.iris_name
    creased = _step(person.ageing * person.wrinkles, "smooth", 0.08, None, 0.55, "wrinkled")
    return {
        "eyebrow": _step(bushy, "thin", 0.68, None, 0.98, "bushy"),
        "lip_colour": _step(redness, "pale", 0.42, None, 0.85, "red"),
        "lip": _step(fullness, "thin", -0.3, None, 0.3, "full"),
        "nose": _step(shape["nose-scale-vert-incr"], "short", -0.22, None, 0.22, "long"),
        "nose_width": _step(width, "narrow", -0.35, None, 0.35, "wide"),
        "eye": {"dark": "dark brown", "light brown": "brown"}.get(iris, iris),
        "skin": "freckled" if person.freckles > 0.45 else creased,
        "makeup": "made up" if person.makeup * person.gender > 0.25 else None,
    }


def _movement(scene: Scene) -> dict:
    head, shown, strengths = heads.load(), scene.expression, actions(scene.expression)
    jaw, blink, wide = (float(strengths[head.action(name)]) for name in ("jawOpen", "eyeBlinkLeft", "eyeWideLeft"))
    clear = shown.name == "neutral" or shown.strength > 0.5
    return {
        "expression": shown.name if clear and shown.other_strength < 0.3 else None,
        "mouth": _step(jaw, "closed", 0.06, None, 0.2, "open"),
        "lids": _step(wide - 2 * blink, "closed", -1.5, None, 0.6, "wide open"),
        "pose": _step(scene.pose.yaw, "left", -0.24, None, -0.1, "front", 0.1, None, 0.24, "right"),
        "tilt": _step(scene.pose.pitch, "up", -0.1, None, 0.13, "down"),
    }


def _picture(scene: Scene) -> dict:
    light, camera = scene.light, scene.camera
    key = np.asarray(light.key)
    return {
        "lamp": light.kind,
        "light": _step(light.direction[0], "left", -0.45, None, -0.2, "front", 0.2, None, 0.45, "right"),
        "contrast": "hard" if key.mean() > 2.4 * float(np.mean(light.ambient, 0)[0]) and light.softness < 0.4 else None,
        "warmth": _step(float(key[0] / key[2]), "cold", 0.9, None, 1.15, "warm"),
        "focus": "blurry" if camera.blur > 0.95 else None,
    }


RULES: tuple[Callable[[Scene], dict], ...] = (_who, _hair, _face, _movement, _picture)

ABSENT = ("none", None)
BARE = {
    "bald": ("who is bald", "with a bald head"), "balding": ("balding", "with little hair"),
    "receding": ("with a receding hairline",),
}  # fmt: skip
LAMPS = {
    "soft": ("in soft light",), "side": ("lit from the side",), "window": ("in the light of a window",),
    "backlight": ("lit from behind", "against the light"), "sun": ("in sunlight", "in the sun"),
    "coloured": ("in coloured light",), "flash": ("taken with flash",), "overhead": ("lit from above",),
}  # fmt: skip
#: (attribute, phrase): what is said after "a photo of <somebody> ...", joined by commas.
PHRASES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "hair": lambda w: BARE.get(w) or (f"with {w} hair", f"{w} hair"),
    "hair_colour": lambda w: (f"with {w} hair", f"{w}-haired"),
    "beard": lambda w: {"stubble": ("with stubble", "unshaven"), "full": ("with a beard", "bearded"),
                        "moustache": ("with a moustache",), "goatee": ("with a goatee", "with a small beard"),
                        "none": ("with a shaved chin", "without a beard")}[w],
    "expression": lambda w: SYNONYMS.get(w, ()),
    "pose": lambda w: ("looking straight ahead", "seen from the front", "in a frontal pose") if w == "front"
            else (f"looking to the {w}", f"with the head turned to the {w}", f"in a pose turned to the {w}"),
    "tilt": lambda w: (f"looking {w}", f"with the head tilted {w}"),
    "face": lambda w: (f"with a {w} face",),
    "tone": lambda w: (f"with {w} skin", f"with a {w} skin tone"),
    "glasses": lambda w: {"none": ("without glasses",), "yes": ("wearing glasses", "with glasses"),
                          "sun": ("wearing sunglasses", "with dark sunglasses")}[w],
    "hat": lambda w: ("without a hat", "bareheaded") if w == "none" else (f"wearing a {w}", f"with a {w}"),
    "lamp": lambda w: LAMPS.get(w, ()),
    "light": lambda w: (f"lit from the {w}", f"in light from the {w}"),
    "contrast": lambda w: (f"in {w} light",),
    "warmth": lambda w: (f"in {w} light",),
    "makeup": lambda w: ("wearing make-up", "with painted eyelids"),
    "eyebrow": lambda w: (f"with {w} eyebrows", f"with {w} eyebrow hair"),
    "lip": lambda w: (f"with {w} lips", f"with a {w} upper lip and a {w} lower lip"),
    "lip_colour": lambda w: (f"with {w} lips", f"with {w} lip colour"),
    "nose": lambda w: (f"with a {w} nose",),
    "nose_width": lambda w: (f"with a {w} nose",),
    "eye": lambda w: (f"with {w} eyes", f"with {w} eye colour"),
    "lids": lambda w: (f"with {w} eyes",),
    "mouth": lambda w: (f"with the mouth {w}", f"with {'an open' if w == 'open' else 'a closed'} mouth"),
    "skin": lambda w: (f"with {w} skin", f"whose skin is {w}"),
}  # fmt: skip
#: How the label hierarchies call attributes: "a face with the global attribute of age, elderly".
LABELS = {
    "global": {"age": "age", "expression": "expression", "gender": "gender", "pose": "pose", "face": "identity",
               "light": "physical light", "warmth": "physical light"},
    "local": {"eye": "eye", "lids": "eye", "eyebrow": "eyebrow", "lip": "lip", "lip_colour": "lip",
              "mouth": "mouth", "nose": "nose", "nose_width": "nose", "skin": "skin", "tone": "skin"},
}  # fmt: skip
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
        return ", ".join([opening, *_phrases(words, tuple(PHRASES), int(rng.integers(3, 8)), rng)])
    if kind < 0.75:
        return " ".join(["a photo of a face", " and ".join(_phrases(words, LOCAL, int(rng.integers(2, 5)), rng))])
    level = str(rng.choice(list(LABELS)))
    said = [name for name in LABELS[level] if words.get(name) not in (*ABSENT, "front")]
    parts = [f"the {level} attribute of {LABELS[level][name]} {words[name]}" for name in _some(said, 4, rng)]
    return " ".join(["a photo of a face", f"with {' and '.join(parts)}" if parts else ""]).strip()


def _somebody(words: Mapping[str, str], rng: np.random.Generator) -> str:
    if words["age"] == "child":
        return str(rng.choice(["a child", "a girl" if words["gender"] == "woman" else "a boy"]))
    age, gender = (str(rng.choice(SYNONYMS.get(words[name], (words[name],)))) for name in ("age", "gender"))
    somebody = f"{age} {gender}" if rng.random() < 0.75 else str(rng.choice([gender, f"{age} person", "person"]))
    return f"{'an' if somebody[0] in 'aeiou' else 'a'} {somebody}"


def _phrases(words: Mapping[str, str], names: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Some true phrases; that something is absent is said less often than that it is there."""
    said = [n for n in names if n in words and (words[n] not in ABSENT or rng.random() < 0.3)]
    options = [PHRASES[name](words[name]) for name in _some(said, count, rng)]
    return [str(rng.choice(option)) for option in options if option]


def _some(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))[:count]]
