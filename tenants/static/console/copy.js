"use strict";

// A click on [data-copy] puts that text on the clipboard and says so. Pages served without TLS have no navigator.clipboard.
const SHOWN_MS = 1500;

async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
}

document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await copy(button.dataset.copy);
    const symbol = button.querySelector(".material-symbols-outlined"), said = button.nextElementSibling;
    symbol.textContent = "check";
    said.textContent = said.dataset.copied;
    setTimeout(() => {
        symbol.textContent = "content_copy";
        said.textContent = "";
    }, SHOWN_MS);
});
