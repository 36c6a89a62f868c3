"use strict";

// Where a part of the page was asked for and cannot be shown, that is said in its place; what was typed stays.
const { refused, unanswered } = document.currentScript.dataset;

function sayInPlace({ detail }) {
    const said = document.createElement("p");
    said.className = "refusal";
    said.setAttribute("role", "alert");
    said.textContent = detail.xhr.status >= 400 && detail.xhr.status < 500 ? refused : unanswered;
    detail.target.replaceChildren(said);
}

for (const failure of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(failure, sayInPlace);
