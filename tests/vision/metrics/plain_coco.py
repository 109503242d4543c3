"""COCO's evaluation written with loops, one class, area range and threshold at a time: slow, and easy to check."""

from __future__ import annotations

import numpy as np

AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def overlap(a, b, crowd: bool) -> float:
    """Of two boxes (x1, y1, x2, y2), or two bitmaps."""
    if np.ndim(a) == 1:
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        common = width * height if width > 0 and height > 0 else 0.0
    else:
        common = float((a & b).sum())
    union = size(a) if crowd else size(a) + size(b) - common
    return common / union if union > 0 else 0.0


def size(a) -> float:
    return float((a[2] - a[0]) * (a[3] - a[1])) if np.ndim(a) == 1 else float(a.sum())


def evaluate(images, kind="boxes", limits=(1, 10, 100)) -> dict[str, float]:
    """``images`` are pairs of dicts of arrays, as the metric takes them."""
    classes = sorted({int(c) for found, true in images for c in (*found["labels"], *true["labels"])})
    precision = {(a, t): [] for a in AREAS for t in range(10)}
    recall = {(a, t, m): [] for a in AREAS for t in range(10) for m in limits}
    for label in classes:
        for area, bounds in AREAS.items():
            for t, threshold in enumerate(THRESHOLDS):
                rows, total = [], 0
                for found, true in images:
                    image_rows, image_total = one_image(found, true, kind, label, bounds, threshold, limits[-1])
                    rows += image_rows
                    total += image_total
                if total == 0:
                    continue
                rows.sort(key=lambda row: -row[0])
                for most in limits:
                    recall[area, t, most].append(sum(1 for r in rows if r[1] < most and r[2] == "hit") / total)
                precision[area, t].append(interpolated([r[2] for r in rows if r[2] != "ignored"], total))
    mean = lambda lists: float(np.mean(np.concatenate(lists))) if any(len(x) for x in lists) else -1.0  # noqa: E731
    result = {"map": mean([precision["all", t] for t in range(10)])}
    result |= {"map_50": mean([precision["all", 0]]), "map_75": mean([precision["all", 5]])}
    result |= {f"map_{a}": mean([precision[a, t] for t in range(10)]) for a in ("small", "medium", "large")}
    result |= {f"mar_{m}": mean([recall["all", t, m] for t in range(10)]) for m in limits}
    result |= {f"mar_{a}": mean([recall[a, t, limits[-1]] for t in range(10)]) for a in ("small", "medium", "large")}
    return result


def one_image(found, true, kind, label, bounds, threshold, most):
    """Rows (score, rank, outcome) of a class's detections, and the number of targets that count."""
    targets = []
    for i in range(len(true["labels"])):
        if true["labels"][i] == label:
            shape = true[kind][i]
            crowd = bool(true["iscrowd"][i]) if "iscrowd" in true else False
            area = float(true["area"][i]) if "area" in true else size(shape)
            targets.append({"shape": shape, "crowd": crowd, "skip": crowd or not bounds[0] <= area <= bounds[1]})
    targets.sort(key=lambda target: target["skip"])
    mine = [i for i in range(len(found["labels"])) if found["labels"][i] == label]
    mine.sort(key=lambda i: -found["scores"][i])
    taken, rows = set(), []
    for rank, i in enumerate(mine[:most]):
        best, best_overlap = None, min(threshold, 1 - 1e-10)
        for j, target in enumerate(targets):
            if j in taken and not target["crowd"]:
                continue
            if best is not None and not targets[best]["skip"] and target["skip"]:
                break
            shared = overlap(found[kind][i], target["shape"], target["crowd"])
            if shared >= best_overlap:
                best, best_overlap = j, shared
        if best is None:
            outcome = "miss" if bounds[0] <= size(found[kind][i]) <= bounds[1] else "ignored"
        else:
            taken.add(best)
            outcome = "ignored" if targets[best]["skip"] else "hit"
        rows.append((float(found["scores"][i]), rank, outcome))
    return rows, sum(1 for target in targets if not target["skip"])


def interpolated(outcomes, total) -> float:
    """The mean over 101 recalls of the best precision at that recall or a higher one."""
    points, right = [], 0
    for number, outcome in enumerate(outcomes, 1):
        right += outcome == "hit"
        points.append((right / total, right / number))
    heights = [max((p for r, p in points if r >= level), default=0.0) for level in np.linspace(0, 1, 101)]
    return float(np.mean(heights))
