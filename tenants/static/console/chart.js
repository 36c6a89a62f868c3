"use strict";

// Draws every [data-chart] out of the JSON that it names, in the colours of console.css, and folds its table away.
const charts = [];

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--chart-${name}`).trim();
}

function dataset(series, kind) {
    const tone = colour(series.colour);
    return {
        label: series.label,
        data: series.values,
        borderColor: tone,
        backgroundColor: tone,
        borderDash: series.dashed ? [6, 4] : [],
        borderWidth: kind === "line" ? 2 : 0,
        pointRadius: series.values.length > 31 ? 0 : 2,
        maxBarThickness: 28,
        spanGaps: false,
    };
}

function paint(chart, drawing) {
    chart.data.datasets = drawing.series.map((series) => dataset(series, drawing.kind));
    for (const axis of Object.values(chart.options.scales)) {
        axis.ticks.color = axis.title.color = colour("text");
        axis.grid.color = colour("grid");
    }
    chart.options.plugins.legend.labels.color = colour("text");
    chart.update("none");
}

function draw(figure) {
    const drawing = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    const place = figure.querySelector(".chart-drawing");
    place.hidden = false;
    figure.querySelector("details").open = false;
    const chart = new Chart(place.querySelector("canvas"), {
        type: drawing.kind,
        data: { labels: drawing.labels, datasets: [] },
        options: {
            animation: false,
            locale: document.documentElement.lang,
            maintainAspectRatio: false,
            interaction: { mode: "index", intersect: false },
            plugins: {
                legend: { position: "bottom", labels: { boxHeight: 8, boxWidth: 16 } },
                tooltip: { callbacks: { label: (item) => spoken(item, drawing.unit) } },
            },
            scales: {
                x: { stacked: drawing.stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 }, title: {} },
                y: {
                    stacked: drawing.stacked,
                    beginAtZero: true,
                    grid: {},
                    ticks: { maxTicksLimit: 6 },
                    title: { display: drawing.unit !== "", text: drawing.unit },
                },
            },
        },
    });
    charts.push([chart, drawing]);
    paint(chart, drawing);
}

function spoken(item, unit) {
    return `${item.dataset.label}: ${item.formattedValue}${unit ? ` ${unit}` : ""}`;
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
document.querySelectorAll("[data-chart]").forEach(draw);
// Unfold changes between light and dark by a class of the root.
const painter = new MutationObserver(() => charts.forEach(([chart, drawing]) => paint(chart, drawing)));
painter.observe(document.documentElement, { attributeFilter: ["class"] });
