"""A chart of a console page says the same to a script, to a reader of its table, and in both languages."""

import json
import re

from django.template.loader import render_to_string
from django.utils import translation

from tenants.charts import Chart, Colour, Kind, Series

CHART = Chart(
    name="calls",
    title="Calls",
    axis="Day",
    labels=["1 May", "2 May"],
    series=[Series("<b>enroll</b>", [1234.5, None], Colour.BLUE), Series("verify", [0, 2], Colour.ORANGE, dashed=True)],
    kind=Kind.BAR,
    stacked=True,
    unit="ms",
)


def page() -> str:
    return render_to_string("console/chart.html", {"chart": CHART})


def test_a_script_finds_the_figures_beside_the_chart():
    found = re.search(r'<script id="calls-data" type="application/json">(.*?)</script>', page())
    drawing = json.loads(found[1])
    assert (drawing["kind"], drawing["stacked"], drawing["labels"]) == ("bar", True, ["1 May", "2 May"])
    assert [one["values"] for one in drawing["series"]] == [[1234.5, None], [0, 2]]
    assert [one["colour"] for one in drawing["series"]] == ["blue", "orange"]


def test_a_reader_finds_the_figures_in_a_table():
    with translation.override("en"):
        text = page()
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', text)
    assert rows == [("1 May", "1,234.5", "0"), ("2 May", "–", "2")]
    assert "&lt;b&gt;enroll" in text
    assert "<b>enroll" not in text
