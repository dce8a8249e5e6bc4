"""The chart: what each work costs by each contestant, as a ratio to the reference; a dot for each, by pygal.

It is read on white and on black: what is around it shows through, or the browser's own ground when it is opened by
itself, and texts follow what the reader prefers.
"""
import math
import re

COLOURS = ("#d97706", "#e5484d", "#a78bfa", "#22a06b", "#0e9aa7", "#8b5e3c")
OURS = ("#3b82f6", "#1e40af")
LINES = """
:root { color-scheme: light dark }
#chart-bench .guide.line { stroke: #b0b8c0 !important; stroke-dasharray: 4,4 !important }
@media (prefers-color-scheme: dark) {
	#chart-bench text { fill: #c9d1d9 !important }
	#chart-bench .guide.line, #chart-bench .axis path { stroke: #484f58 !important }
}
"""
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


def costs(data):
    """[(work, {contestant: ratio}), ...] of the works that cost CPU time, and who is in them, our gateways last."""
    rows = []
    for row in data["works"]:
        found = {
            name: one["ratios"][row["cost"]][1]
            for name, one in row["found"].items()
            if row["cost"] in one["ratios"] and name != row["reference"]
        }
        if row["cost"] != "session_kib" and not row["shows"]:
            rows.append((row["name"], found))
    names = list(dict.fromkeys(name for _, found in rows for name in found))
    return rows, sorted(names, key=lambda name: name in data["settings"]["gateways"])


def draw(data, path):
    """Writes the chart as SVG; none where there is nothing to draw."""
    import pygal  # only here: all else does without
    from pygal.style import Style

    rows, names = costs(data)
    if not names:
        return
    everything = [1] + [value for _, found in rows for value in found.values()]
    others = len(names) - len(data["settings"]["gateways"])
    least, most = min(everything) * 0.9, max(everything) * 1.1
    ticks = [tick for tick in TICKS if least < tick < most]
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#24292f",
        foreground_strong="#24292f",
        foreground_subtle="#b0b8c0",
        colors=COLOURS[:others] + OURS,
        opacity=".95",
        font_family="sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=14,
        title_font_size=16,
    )
    chart = pygal.XY(
        style=style, stroke=False, dots_size=6, width=1000, height=120 + 30 * len(rows), js=[],
        css=["file://style.css", "file://graph.css", "inline:" + LINES], legend_at_bottom=True,
        legend_at_bottom_columns=len(names), truncate_legend=-1, show_x_guides=True, show_y_guides=True,
        range=(0, len(rows) + 1), xrange=(math.log10(least), math.log10(most)), disable_xml_declaration=True,
    )  # fmt: skip
    chart.title = "CPU time, less is better; 1 is nginx's relay of the bare bytes, websocketd's for programs"
    chart.x_labels = [{"value": math.log10(tick), "label": "%g" % tick} for tick in ticks]
    chart.y_labels = [{"value": len(rows) - i, "label": label} for i, (label, _) in enumerate(rows)]
    for name in names:
        chart.add(
            name,
            [
                {"value": (math.log10(found[name]), len(rows) - i), "label": "%s: %.2f" % (label, found[name])}
                for i, (label, found) in enumerate(rows)
                if name in found
            ],
        )
    chart.uuid = "bench"  # the same every time
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL) + "\n")
