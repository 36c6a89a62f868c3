"use strict";

// Unfold writes the name of a chosen file into the next field for text, which on our pages asks for something else.
// Its script comes after this one, and calls what it finds under this name once the page is there.
document.addEventListener("DOMContentLoaded", () => {
    window.fileInputUpdatePath = () => {};
});
