"use strict";

// A click on [data-copy] puts that text on the clipboard. Pages served without TLS have no navigator.clipboard.
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
    event.preventDefault();
    await copy(button.dataset.copy);
    const symbol = button.querySelector(".material-symbols-outlined");
    const before = symbol.textContent;
    symbol.textContent = "check";
    setTimeout(() => (symbol.textContent = before), 1500);
});
