"use strict";

// What scrolls says so in the language of the page. Deferred: after SimpleBar has come, and before it begins.
SimpleBar.defaultOptions.ariaLabel = document.currentScript.dataset.label;
