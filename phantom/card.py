"""The data card: how each part of a simulated data set was made, from which source, and what was measured on it.

It is the section "card" of the data set's `dataset.json`.
"""

from __future__ import annotations

import dataclasses
import json

from common.console import console
from common.files import write_text
from data.dataset import Dataset, open_dataset
from phantom.config import PhantomConfig

STATEMENT = (
    "Every frame, gaze sample and label in this data set is simulated. It is no record of a patient or of a "
    "sonographer, and nothing that is measured on it is clinical evidence."
)
CAVEAT = (
    "Landmark sizes and echogenicities inside the body are textbook anatomy spread widely: variation, not measurement."
)

# Part, how it was made, and from which source.
PARTS = (
    (
        "fetal size",
        "gestational age uniform in 18-22 or 34-38 weeks; head circumference, diameters, abdominal circumference and "
        "femur length from mean and standard deviation by age, one shared percentile plus independent spread",
        "INTERGROWTH-21st: Papageorghiou et al., Lancet 384 (2014); lateral ventricle: Napolitano et al., Ultrasound "
        "Obstet Gynecol 56 (2020)",
    ),
    (
        "anatomy of the planes",
        "solids in mm cut by the scan plane: skull, midline, cavum, thalami, ventricle; skin, stomach, umbilical vein, "
        "spine, ribs; femur with both ends; structures that resemble these; a second part of the fetus beside them; "
        "background from off-plane cuts of the same bodies and from other parts",
        "contents of the planes: textbook descriptions of the standard planes; sizes of the small landmarks: "
        "assumptions, spread widely",
    ),
    (
        "a second part in view",
        "in a share of the clips, the level's `company`, another of the three bodies lies beside; beside a plane a "
        "share of these, `rivals`, shows its own plane too, and the label, which of the two is held, is a toss that "
        "the gaze alone tells: part of what gaze gives a teacher here is so by construction",
        "both shares: assumptions",
    ),
    (
        "probe",
        "convex, 3.57 MHz, radius 49.57 mm, bandwidth 79 %; frequency and radius spread around these from clip to clip",
        "the C5-2v as PyMUST lists it",
    ),
    (
        "echo",
        "coherent scatterers times the root of the echogenicity, specular lines by incidence, axial and "
        "depth-dependent lateral Gaussian point spread, envelope, time-gain compensation with error, log compression, "
        "noise floor, scan conversion",
        "scatterer maps as in the fetus example of Field II (Jensen); fully developed speckle is Rayleigh distributed, "
        "uneven texture K distributed",
    ),
    (
        "attenuation",
        "two-way loss 2·f·∫alpha dr in dB; soft tissue 0.4-1.0, larger fluids 0.01-0.1, small fluid spaces 0.5 "
        "dB/cm/MHz; bone by its loss on both ways, about 10 dB (skull, ribs, spine) to 16 dB (femur) at the probe's "
        "frequency",
        "tissue tables of a public ultrasound simulator (burgercpp, scene of the liver) and of a review of acoustic "
        "properties (PMC10001275, table 4); fetal bone takes less than adult bone: an assumption",
    ),
    (
        "scanner",
        "four looks (dynamic range, grey curve, speckle size, smoothing, persistence) and on-screen marks drawn "
        "without knowledge of the class; gain set to a random mean brightness",
        "assumptions; they imitate no vendor in particular",
    ),
    (
        "motion and labels",
        "the probe approaches a plane, holds it and leaves, with hand tremor and the mother's breathing; labels are "
        "intervals: the plane where the cut of the part that is held shows its landmarks, background where no part in "
        "view shows any",
        "clips of a single plane with live gaze last 3-7 s in Cai et al., Med Image Anal 65 (2020); here 4 s: an "
        "assumption",
    ),
    (
        "where the sonographer looks",
        "fixations on landmarks by published inclusion probabilities per plane and trimester; log-normal dwell around "
        "280 ms; saccades with a duration by amplitude; following of a moving landmark; glances off the image; "
        "a search, in background, mostly misses the landmark's place: an assumption",
        "inclusion: abstract VP40.20, Ultrasound Obstet Gynecol 2020, figure 1 (landmarks found there by a network "
        "trained on gaze); dwell and saccades: general eye-movement literature",
    ),
    (
        "eye tracker",
        "90 Hz; per-session bias of 0.85° on each axis (median radius 1.00°), jitter 0.16°, drift, blinks, random loss",
        "accuracy 1.00° and precision 0.16°: Chatelain et al., IEEE Trans Cybern 50 (2020); blinks and loss: "
        "assumptions",
    ),
)


def add_card(data: Dataset, settings: dict, *, seed: int = 0) -> Dataset:
    """Measure the gaze shortcut on a simulated data set and write its card.

    The shards, and so the checksum, stay what they are.

    Args:
        data: the opened data set. settings: what it was simulated with; "difficulty" is one of them, "rivals" may be.
        seed: of the network that sees gaze maps alone.

    Returns:
        The data set, opened again; `info["card"]` is the card: "statement", "caveat",
        "settings", "parts" and "gaze_map_alone".
    """
    level = PhantomConfig(difficulty=settings["difficulty"], rivals=settings.get("rivals")).level()
    settings = {**settings, "difficulty_numbers": dataclasses.asdict(level)}
    card = {
        "statement": STATEMENT,
        "caveat": CAVEAT,
        "settings": settings,
        "parts": {name: {"made": made, "source": source} for name, made, source in PARTS},
        "gaze_map_alone": _gaze_map_alone(data, seed),
    }
    text = json.dumps({**data.info, "card": card}, indent=2, ensure_ascii=False)
    write_text(data.path / "dataset.json", text + "\n")
    return open_dataset(data.path)


def print_card(data: Dataset) -> None:
    """Print what a data set's card says in short; nothing where it has none."""
    card = data.info.get("card")
    if card is None:
        return
    for line in (card["statement"], _sentence(data, card["gaze_map_alone"])):
        console.print(line, highlight=False, soft_wrap=False)
    console.print(f"How each part was made, and its source: {data.path / 'dataset.json'}, section card", soft_wrap=True)


def _gaze_map_alone(data: Dataset, seed: int) -> dict:
    # Imported late: the network needs Keras, the rest of the card does not.
    from phantom.gaze_alone import gaze_alone_accuracy

    splits = data.info["splits"]
    if not any(splits[name]["frames"] for name in ("test", "val")):
        return {"accuracy": None, "why": "not measured: there is neither a test nor a validation split"}
    with console.status("measuring what gaze maps alone give away"):
        return gaze_alone_accuracy(data, seed=seed)


def _sentence(data: Dataset, found: dict) -> str:
    if found["accuracy"] is None:
        return f"A network that sees the gaze map alone: {found['why']}."
    verdict = "within" if found["accuracy"] <= found["bound"] else "ABOVE"
    return (
        f"A network that sees the gaze map alone is right in {found['accuracy']:.3f} of {found['n_test']:,} simulated "
        f"{found['split']} frames of {data.patients(found['split'])} other patients (the largest class holds "
        f"{found['chance']:.3f}): {verdict} the bound of {found['bound']:.2f}."
    )
