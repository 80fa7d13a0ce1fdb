"""docs/networks.md: every network of the papers beside our own, from the JSON of its bench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from models.evaluate.compare import OURS, TASKS
from models.report.blocks import Block, Heading, Items, Picture, Table, Text, markdown
from models.report.goals import Goal
from models.report.plots import SYSTEMS, png
from models.report.published import ECGS_ENOUGH, PAPERS, PUBLISHED
from models.report.studies import folds, thresholds, transfer
from models.report.tables import HEAD, goals_table, number, spanned, thousands

JSON = "networks"  # docs/networks.json, .md and its picture
COMMAND = "lead12 bench networks RUNS --data FOLDER --update-docs"
INT8_LOSS, BEHIND = 0.01, 0.005  # of macro AUC: what int8 may cost, how far ours may lie behind
CHANCE = 0.5  # macro AUC of a network that tells nothing: int8 has nothing to lose

Row = Mapping[str, Any]


def page(found: Mapping[str, Any]) -> str:
    """The page as Markdown, its picture in pictures/ beside it."""
    return markdown(list(_blocks(found)), "pictures")


def _blocks(found: Mapping[str, Any]) -> Iterator[Block]:
    rows: Sequence[Row] = found["rows"]
    yield Heading("Networks", 1)
    yield Text(
        f"Written by `{COMMAND}` on {found['machine']}. Not a medical device. The networks of the "
        "five [papers](#papers), built from their tables and given the same outputs, trained on "
        f"{found['data']['name']}, folds 1-8, and measured on fold {found['data']['fold']} behind "
        f"the same chip and filters; `{OURS}` is the network that the firmware carries: "
        "of recipe and bundle `rhythm`, of architecture `residual`; all others have the name of "
        f"their architecture. On a device belongs `{OURS}`; the others are here to be compared, "
        "are not shipped, and come from `lead12 train --recipe NAME` and `lead12 quantize` "
        "([training](training.md)). Brackets: 95 % intervals from resampled patients. Words: "
        "[glossary](glossary.md)."
    )
    yield Heading("What was wanted")
    yield goals_table(goals(found))
    yield Heading("What falls short")
    yield Items(shortfalls(found))
    yield Heading("Accuracy")
    yield Text(
        "*float*: the Keras network; *int8*: the bundle's, on the same tensors; *device*: records "
        "through the simulated chip, the pipeline and the int8 network, as `lead12 classify` gives "
        "them. F1 is the mean of the labels' at one threshold each, tuned on half of the patients "
        "and counted on the other half, both ways."
    )
    for task in TASKS:
        yield _accuracy(rows, task)
    yield Heading("Size and speed")
    yield Text(
        "Multiplications (MMAC) of one input. *kB*: the int8 network alone; its bundle has card "
        "and golden tensors, too. *Not int8*: operators of the network that compute "
        "in another type. Milliseconds of one input on one thread, MiB of the process at its "
        "largest; LiteRT without its delegate, as the monitor runs it. *On the device*: "
        "`lead12 run --preset sinus-70 --speed max --duration 30 --display none --serial - "
        "--model BUNDLE`: lines with scores of all result lines, and the exit code."
    )
    yield _costs(rows)
    yield Heading("Accuracy for its multiplications")
    yield Text(
        "Macro AUC of the device, mean of the two tasks, over the logarithm of the multiplications "
        f"per input. A network is ahead of `{OURS}` if it needs fewer and scores more."
    )
    yield Picture(JSON, "Macro AUC over multiplications; our own network is marked")
    yield _against_ours(rows)
    yield Heading("Training")
    yield Text(
        "*Brief*: the recipe's own network, loss, batches and augmentation, but few epochs, at a "
        "rate that rises and falls once, and the last epoch is the result, chosen by nobody: what "
        "a processor has time for (`lead12 train --brief`)."
    )
    yield _training(rows)
    yield Heading("Papers")
    yield Text("By their names in the column *paper*; *Lead12* is our own, of no paper.")
    yield Items([f"*{name}*: {cited}" for name, cited in PAPERS.items()])
    yield Heading("The papers' own figures")
    yield Text(
        "As printed, beside the same measure here where it exists (int8 in the device, fold "
        f"{found['data']['fold']}). Only the eight of *Are ECGs enough?* are of the same data, and "
        "of fold 10; they chose their best epoch on it, and their thresholds are all one half."
    )
    yield _papers(rows)
    yield from folds(found.get("folds", ()))
    yield from transfer(found.get("transfer", ()))
    yield from thresholds(trained(rows))


def trained(rows: Sequence[Row]) -> list[Row]:
    """Those that were measured."""
    return [row for row in rows if row.get("systems")]


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """The figures that were wanted beside what was measured."""
    rows = trained(found["rows"])
    others = [row for row in rows if row["name"] != OURS]
    losses = [
        (loss, f"{row['name']}, {HEAD[task]}")
        for row in rows
        for task, loss in _losses(row)
        if not _at_chance(row, task)
    ]
    worst, of = min(losses, default=(None, "none has its float network here"))
    out = [Goal(f"int8 less float, macro AUC, worst: {of}", worst, -INT8_LOSS)]
    for task in TASKS:
        ours, best = min(((-_lead(row, task), row["name"]) for row in others), default=(None, ""))
        text = f"{OURS} less the best other, macro AUC {HEAD[task]}, device"
        out.append(Goal(f"{text}: {best or 'no other measured'}", ours, -BEHIND))
    counts = (
        (f"with fewer multiplications and more macro AUC than {OURS}", others, ahead(others)),
        ("that `lead12 run --model` did not run", rows, [r["name"] for r in rows if not ran(r)]),
        ("not trained here", found["rows"], [r["name"] for r in found["rows"] if r not in rows]),
    )
    for text, of_rows, names in counts:
        value, of = (len(names), f", of {len(of_rows)}") if of_rows else (None, ": none measured")
        out.append(Goal(f"networks {text}{of}", value, 0, at_least=False))
    return out


def shortfalls(found: Mapping[str, Any]) -> list[str]:
    """A sentence for everything that is not as it should be."""
    out = []
    pace = _pace(found["rows"])
    for row in found["rows"]:
        name, training = f"`{row['name']}`", row["training"]
        if not row.get("systems"):
            done = training.get("finished")
            made = "trained, but not quantised" if done else "not trained here"
            hours = ""
            if pace and not done:
                took_h = row["macs"] / pace / 3600
                hours = f", {number(took_h, 0 if took_h > 9 else 1)} h an epoch at the others' pace"
            out.append(f"{name}: {made}; {_gmac(row['macs'])} GMAC per record{hours}.")
            continue
        if training and training["epochs"] < training["planned"]:
            out.append(f"{name}: trained {_far(training)}.")
        if training.get("chosen"):
            out.append(
                f"{name}: its epoch was chosen on fold 9 itself, which flatters it a little."
            )
        if row["records"] < row["of_records"]:
            out.append(f"{name}: measured on {row['records']} of {row['of_records']} records.")
        for task, loss in _losses(row):
            if _at_chance(row, task):
                out.append(
                    f"{name}: its float network may be at chance, {HEAD[task]} "
                    f"({_auc(row, task)}): int8 less float, {loss:+.3f}, is not counted above."
                )
            elif loss < -INT8_LOSS:
                out.append(f"{name}: int8 loses {-loss:.3f} of macro AUC, {HEAD[task]}.")
        out += [
            f"`{OURS}` lies {_lead(row, task):.3f} of macro AUC behind {name}, {HEAD[task]}."
            for task in TASKS
            if _lead(row, task) > BEHIND
        ]
        if row["not_int8"]:
            kinds = ", ".join(f"{kind} ({n})" for kind, n in row["not_int8"].items())
            out.append(f"{name}: not int8: {kinds}.")
        out += [
            f"{name}: {runtime} did not run it: {one['error']}."
            for runtime, one in row["speed"].items()
            if "error" in one
        ]
        if not ran(row):
            tried = row["device_run"]
            why = tried["error"] or f"{tried['scored']} of {tried['results']} lines with scores"
            out.append(f"{name}: the monitor did not run it: {why}.")
    old = [row["name"] for row in trained(found["rows"]) if row.get("code") != found.get("code")]
    if old:
        out.append(f"Measured behind an earlier state of firmware and chip: {', '.join(old)}.")
    return out or ["Nothing of what was wanted."]


def _far(training: Mapping[str, Any]) -> str:
    said = f"{training['epochs']:g} of {training['planned']} epochs"
    return f"{said}, brief" if training.get("brief") else said


def _pace(rows: Sequence[Row]) -> float:
    """Multiplications of one record, times epochs, in a second of training; the middle of all."""
    ended = [row for row in rows if row["training"].get("seconds")]
    paces = [row["macs"] * row["training"]["epochs"] / row["training"]["seconds"] for row in ended]
    return median(paces) if paces else 0.0


def ran(row: Row) -> bool:
    """Whether the monitor sent scores of this network, and ended well."""
    return row["device_run"]["exit"] == 0 and row["device_run"]["scored"] > 0


def ahead(rows: Sequence[Row]) -> list[str]:
    """Networks with fewer multiplications than ours and a higher mean macro AUC."""
    return [
        row["name"] for row in rows if row["macs"] < row["ours"]["macs"] and _mean_lead(row) > 0
    ]


def _losses(row: Row) -> list[tuple[str, float]]:
    differences = row["systems"]["int8"].get("less_float", {})
    return [(task, of["difference"]) for task, of in differences.items()]


def _at_chance(row: Row, task: str) -> bool:
    """Whether the interval of its float network's macro AUC holds that of a coin."""
    return bool(row["systems"]["float"][task]["interval"][0] <= CHANCE)


def _auc(row: Row, task: str) -> str:
    of = row["systems"]["float"][task]
    return f"{of['auc']:.3f}, {of['interval'][0]:.3f}-{of['interval'][1]:.3f}"


def _lead(row: Row, task: str) -> float:
    """Macro AUC of the device with this network less that with ours, on the same records."""
    return float(row["systems"]["device"][task]["auc"] - row["ours"]["auc"][task])


def _mean_lead(row: Row) -> float:
    return sum(_lead(row, task) for task in TASKS) / len(TASKS)


def _mean_auc(row: Row) -> float:
    return sum(float(row["systems"]["device"][task]["auc"]) for task in TASKS) / len(TASKS)


def _accuracy(rows: Sequence[Row], task: str) -> Table:
    lines = []
    for row in trained(rows):
        of = [row["systems"].get(system, {}).get(task, {}) for system in SYSTEMS]
        last = row["systems"]["device"]
        lines.append(
            [
                row["name"],
                str(of[-1]["records"]),
                *(spanned(one.get("auc"), one.get("interval")) for one in of),
                *(number(one.get("f1")) for one in of),
                number(last[task]["map"]),
                number(last[task]["g_mean"]),
            ]
        )
    head = [f"macro AUC, {HEAD[task]}", "records", *SYSTEMS, *(f"F1, {one}" for one in SYSTEMS)]
    return Table([*head, "MAP", "G-mean"], lines)


def _costs(rows: Sequence[Row]) -> Table:
    runtimes = list(dict.fromkeys(name for row in trained(rows) for name in row["speed"]))
    lines = []
    for row in rows:
        line = [row["name"], row["paper"], row["input"], thousands(row["parameters"])]
        line.append(number(row["macs"] / 1e6, 1))
        if not row.get("systems"):
            lines.append([*line, *["-"] * (3 + 2 * len(runtimes))])
            continue
        line.append(number(row["bytes"] / 1e3, 0))
        line.append(", ".join(f"{kind} {n}" for kind, n in row["not_int8"].items()) or "none")
        for runtime in runtimes:
            one = row["speed"].get(runtime, {})
            line += [number(one.get("median_ms"), 2), number(one.get("peak_rss_mib"), 0)]
        tried = row["device_run"]
        lines.append([*line, f"{tried['scored']} of {tried['results']}, exit {tried['exit']}"])
    times = [text for name in runtimes for text in (f"{name} ms", "MiB")]
    head = ["", "paper", "input", "parameters", "MMAC", "kB", "not int8", *times, "on the device"]
    return Table(head, lines)


def _against_ours(rows: Sequence[Row]) -> Table:
    lines = [
        [
            row["name"],
            number(row["macs"] / 1e6, 1),
            number(row["macs"] / row["ours"]["macs"], 2),
            number(_mean_auc(row), 4),
            f"{_mean_lead(row) + 0.0:+.4f}" if row["name"] != OURS else "",
            "yes" if row["name"] in ahead([row]) else "no" if row["name"] != OURS else "",
        ]
        for row in sorted(trained(rows), key=lambda row: row["macs"])
    ]
    head = ["", "MMAC", f"times {OURS}", "mean macro AUC", f"less {OURS}", f"ahead of {OURS}"]
    return Table(head, lines)


def _training(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        training = row["training"]
        if training and (row.get("systems") or training.get("finished")):
            seconds = training["seconds"]
            lines.append(
                [
                    row["name"],
                    _far(training),
                    "not told" if seconds is None else f"{seconds / 3600:.2f} h",
                    training["hardware"] or "not told",
                ]
            )
        else:
            made = "elsewhere" if row.get("systems") else "not trained here"
            lines.append([row["name"], made, "-", "-"])
    return Table(["", "trained", "time", "hardware"], lines)


def _papers(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        if (printed := PUBLISHED.get(row["name"])) is None:
            continue
        lines.append([row["name"], printed.figure, printed.of, printed.where, _here(row)])
    return Table(["", "printed", "of", "where", "here, by that measure"], lines)


def _here(row: Row) -> str:
    """The paper's measure on our records; "-" where there is none."""
    if not row.get("systems"):
        return "-"
    device = row["systems"]["device"]
    if row["name"] in ECGS_ENOUGH:
        of = device["superdiagnostic"]
        return f"F1 {of['f1']:.3f}, MAP {of['map']:.3f}, G-mean {of['g_mean']:.3f}"
    if row["name"] == "cnn-te":
        labels = device["cnn_te"]["labels"].values()
        spans = [sorted(one[key] for one in labels) for key in ("auprc", "f1")]
        (a, *_, b), (c, *_, d) = spans
        return f"AUPRC {a:.2f} to {b:.2f}, F1 {c:.2f} to {d:.2f}"
    if row["name"] == "mate":
        return "accuracy {accuracy:.2f}, macro-F1 {macro_f1:.2f}".format(**device["mate4"])
    return "-"


def picture(found: Mapping[str, Any]) -> bytes:
    """Macro AUC of the device over multiplications, as PNG."""
    return png(lambda plt: _drawn(plt, trained(found["rows"])))


def _drawn(plt: Any, rows: Sequence[Row]) -> Any:
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for row in rows:
        ours = row["name"] == OURS
        at = row["macs"] / 1e6, _mean_auc(row)
        axes.plot(*at, "r*" if ours else "C0o", ms=14 if ours else 5)
        axes.annotate(row["name"], at, xytext=(5, 5), textcoords="offset points", fontsize=7)
    axes.set(
        xscale="log", xlabel="MMAC of one input", ylabel="macro AUC, device, mean of two tasks"
    )
    axes.grid(alpha=0.3, which="both")
    return figure


def _gmac(macs: int) -> str:
    return f"{macs / 1e9:.3g}"
