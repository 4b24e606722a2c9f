"""Each loss written a second time, in NumPy and float64, and gradients by central differences."""

import numpy as np


def log_softmax(z):
    z = np.asarray(z, float)
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def hard(labels, logits):
    rows = log_softmax(logits)
    return np.array([0.0 if y < 0 else -row[y] for y, row in zip(labels, rows)])


def soft(teacher, student, temperature):
    p, q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    return temperature**2 * (np.exp(p) * (p - q)).sum(axis=-1)


def logit(teacher, student):
    """By the variance of the difference: mean((d − mean d)²)."""
    return np.var(np.asarray(student, float) - np.asarray(teacher, float), axis=-1)


def decoupled(teacher, student, labels, temperature):
    """TCKD and NCKD by probabilities, a frame at a time."""
    parts = []
    for z_t, z_s, y in zip(teacher, student, labels):
        p, q = (np.exp(log_softmax(np.asarray(z, float) / temperature)) for z in (z_t, z_s))
        y = int(np.argmax(z_t)) if y < 0 else y
        target = p[y] * np.log(p[y] / q[y]) + (1 - p[y]) * np.log((1 - p[y]) / (1 - q[y]))
        others = [k for k in range(len(p)) if k != y]
        rest = sum(p[k] / (1 - p[y]) * np.log(p[k] / (1 - p[y]) / (q[k] / (1 - q[y]))) for k in others)
        parts.append((temperature**2 * target, temperature**2 * rest))
    return np.array(parts).T


def ensemble(logits, shares, temperature):
    """Weighted mean of the probabilities at a temperature."""
    return sum(share * np.exp(log_softmax(np.asarray(z, float) / temperature)) for z, share in zip(logits, shares))


def gaze(density, map_logits, share):
    cells = density[0].size
    target = (1 - share) * density.reshape(-1, cells) + share / cells
    log_p = log_softmax(map_logits.reshape(-1, cells))
    terms = np.zeros_like(target)
    seen = target > 0
    terms[seen] = target[seen] * (np.log(target[seen]) - log_p[seen])
    return terms.sum(axis=-1)


def attention(teacher, student, gaze=None):
    """With gaze [B, h, w]: both maps are multiplied by it, on their own grid."""
    (ht, wt), (hs, ws) = teacher.shape[1:3], student.shape[1:3]
    q_t, q_s = (teacher**2).mean(-1), (student**2).mean(-1)
    if ht * wt > hs * ws:
        q_t = shrink(q_t, (hs, ws))
    elif ht * wt < hs * ws:
        q_s = shrink(q_s, (ht, wt))
    if gaze is not None:
        seen = gaze if gaze.shape == q_t.shape else shrink(gaze, q_t.shape[1:])
        q_t, q_s = q_t * seen, q_s * seen
    values = []
    for a, b in zip(q_t, q_s):
        values.append(2 - 2 * (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    return np.array(values)


def shrink(maps, size):
    """Separable triangle filter, as wide as the scale: [B, h, w] → [B, *size]."""
    rows, columns = (_triangle(n, m) for n, m in zip(maps.shape[1:], size))
    return np.einsum("ih,bhw,jw->bij", rows, maps, columns)


def _triangle(large, small):
    scale = large / small
    weights = np.zeros((small, large))
    for i in range(small):
        for j in range(large):
            weights[i, j] = max(0.0, 1 - abs((j + 0.5) / scale - (i + 0.5)))
    return weights / weights.sum(axis=1, keepdims=True)


def hint(teacher, adapted):
    return ((adapted - teacher) ** 2).mean(axis=(1, 2, 3)) / (teacher.var() + 1e-6)


def similarity(teacher, student):
    count = len(teacher)
    matrices = []
    for features in (teacher, student):
        matrix = np.array([[(a * b).sum() for b in features] for a in features])
        matrices.append(matrix / np.linalg.norm(matrix, axis=1, keepdims=True))
    return ((matrices[0] - matrices[1]) ** 2).sum(axis=1) / count**2


def gradient(function, at, step=1e-5):
    """Central differences of the sum of `function`'s values, in float64."""
    at = np.array(at, float)
    slope = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        kept = at[place]
        at[place] = kept + step
        above = function(at).sum()
        at[place] = kept - step
        slope[place] = (above - function(at).sum()) / (2 * step)
        at[place] = kept
    return slope
