"use strict";

// Tells whose point of a [data-map] is pointed at, or reached with the arrow keys; Enter opens it.
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function centre(point) {
    const box = point.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}

function choose(map, point) {
    map.querySelector(".chosen")?.classList.remove("chosen");
    point.classList.add("chosen");
    map.closest("figure").querySelector("[data-map-name]").textContent = point.getAttribute("aria-label");
}

// The nearest point in that direction, of those that lie rather that way than aside.
function next(map, [dx, dy]) {
    const points = [...map.querySelectorAll("a")];
    const from = map.querySelector(".chosen");
    if (!from) return points[0];
    const [x, y] = centre(from);
    let best = from, least = Infinity;
    for (const point of points) {
        const [px, py] = centre(point);
        const along = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
        if (along > 0 && aside <= along && along + 2 * aside < least) [best, least] = [point, along + 2 * aside];
    }
    return best;
}

document.addEventListener("keydown", (event) => {
    const map = event.target.closest?.("[data-map]");
    if (!map) return;
    if (event.key === "Enter") map.querySelector(".chosen")?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    if (!WAYS[event.key]) return;
    event.preventDefault();
    choose(map, next(map, WAYS[event.key]));
});

document.addEventListener("pointerover", (event) => {
    const point = event.target.closest?.("[data-map] a");
    if (point) choose(point.closest("[data-map]"), point);
});
