"use strict";

// A form is posted once, however often its button is pressed before the answer comes. What htmx or a script of the page
// sends is theirs to see to. After half a minute, or back on the page, it may be sent again.
const PATIENCE_MS = 30_000;

document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if ("sent" in form.dataset) return event.preventDefault();
    form.dataset.sent = "";
    setTimeout(() => delete form.dataset.sent, PATIENCE_MS);
});

window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
