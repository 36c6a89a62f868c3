"use strict";

// Refreshes every [data-progress] from that address while a job is under way, and the whole page when it is over, gone,
// or no longer for this reader to see.
const EVERY_MS = 2000;

async function refresh(part) {
    if (document.hidden) return true;
    const response = await fetch(part.dataset.progress);
    if (response.redirected || (response.status >= 400 && response.status < 500)) return false;
    if (!response.ok) return true;
    part.innerHTML = await response.text();
    return part.querySelector("[data-under-way]") !== null;
}

function follow(part) {
    setTimeout(async () => {
        const goesOn = await refresh(part).catch(() => true);
        if (goesOn) follow(part);
        else location.reload();
    }, EVERY_MS);
}

document.querySelectorAll("[data-progress]").forEach(follow);
