"use strict";

// Where a part of the page was asked for and cannot be shown, that is said in its place; what was typed stays.
const { unanswered } = document.currentScript.dataset;

function sayUnanswered({ detail }) {
    const said = document.createElement("p");
    said.className = "refusal";
    said.setAttribute("role", "alert");
    said.textContent = unanswered;
    detail.target.replaceChildren(said);
}

for (const failure of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(failure, sayUnanswered);
