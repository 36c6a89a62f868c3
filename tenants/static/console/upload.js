"use strict";

// Sends a [data-upload] form and shows how far it is. Without this script the form is sent as forms are.
function sizeOf(form) {
    return [...form.querySelectorAll("input[type=file]")].flatMap((field) => [...field.files]).reduce((sum, file) => sum + file.size, 0);
}

function say(form, words, percent = null) {
    const state = form.querySelector("[data-upload-state]");
    state.hidden = false;
    state.querySelector("span").textContent = words;
    state.querySelector("progress").hidden = percent === null;
    state.querySelector("progress").value = percent ?? 0;
}

function busy(form, is) {
    form.querySelector("[type=submit]").disabled = is;
}

function answered(form, request) {
    if (request.status >= 400) return broken(form);
    if (new URL(request.responseURL).pathname !== location.pathname) return location.assign(request.responseURL);
    // The same page again says what is wrong with the form.
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const again = page.querySelector("[data-upload]");
    if (!again) return location.assign(request.responseURL);
    for (const field of form.querySelectorAll("input[type=file]")) again.elements[field.name].files = field.files;
    form.replaceWith(again);
    take(again);
    again.tabIndex = -1;
    again.focus();
}

function broken(form) {
    busy(form, false);
    say(form, form.dataset.broken);
}

function send(form) {
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (event) => {
        const percent = Math.floor((100 * event.loaded) / event.total);
        say(form, `${percent} %`, percent);
    });
    request.addEventListener("load", () => answered(form, request));
    request.addEventListener("error", () => broken(form));
    request.open("POST", location.href);
    busy(form, true);
    request.send(new FormData(form));
}

function take(form) {
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (sizeOf(form) > Number(form.dataset.limit)) say(form, form.dataset.tooLarge);
        else send(form);
    });
}

document.querySelectorAll("[data-upload]").forEach(take);
