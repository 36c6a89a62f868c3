"use strict";

// A field in which one types to choose says what it is for: the script that makes it names it by its value alone.
function nameFields() {
    for (const select of document.querySelectorAll("select.admin-autocomplete")) {
        const label = select.labels[0]?.contains(select) ? select.labels[0].querySelector("span") : select.labels[0];
        const field = select.parentElement.querySelector(".select2-selection:not([data-named])");
        // It is made piece by piece, and asked for again after each.
        const text = field?.querySelector("[role=textbox]");
        if (!label || !text) continue;
        label.id ||= `${select.id}-label`;
        field.dataset.named = "";
        field.setAttribute("aria-labelledby", `${label.id} ${field.getAttribute("aria-labelledby")}`);
        text.setAttribute("aria-labelledby", label.id);
    }
}

document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector("select.admin-autocomplete")) return;
    // It tells of a choice in a way of its own, which nobody else hears.
    django.jQuery(document).on("change", "select.admin-autocomplete", ({ target, originalEvent }) => {
        if (!originalEvent) target.dispatchEvent(new Event("change", { bubbles: true }));
    });
    new MutationObserver(nameFields).observe(document.body, { childList: true, subtree: true });
});
