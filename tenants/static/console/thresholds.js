"use strict";

// Says at once what each place of the slider means. Without this script the form's button does.
function show(form, step) {
    for (const place of document.querySelectorAll("[data-say]")) place.textContent = step[place.dataset.say];
    for (const notice of document.querySelectorAll("[data-notice]")) notice.hidden = !step[notice.dataset.notice];
    form.querySelector("[type=range]").setAttribute("aria-valuetext", step.rate);
    const far = document.querySelector("input[name=far]");
    if (far) far.value = step.value;
    if (!step.line) return;
    document.querySelector(".histogram path.threshold").setAttribute("d", step.line);
    document.querySelector(".histogram desc").textContent = step.spread;
    const dot = document.querySelector(".det circle");
    dot.setAttribute("cx", step.x);
    dot.setAttribute("cy", step.y);
}

for (const form of document.querySelectorAll("[data-thresholds]")) {
    const steps = JSON.parse(document.getElementById(form.dataset.thresholds).textContent);
    form.querySelector("[data-without-scripts]").hidden = true;
    form.querySelector("[type=range]").addEventListener("input", (event) => show(form, steps[event.target.value]));
    form.querySelector("select").addEventListener("change", () => form.submit());
}
