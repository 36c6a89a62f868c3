"use strict";

// Shows waveform and spectrogram of each [data-picture] once it comes into view, and plays it. The sound itself is fetched
// when somebody listens and not before, so the browser's own player would not know how long it is.

// From dark blue over red to yellow: lightness grows all the way, so it reads in grey too.
function colour(share) {
    const x = Math.min(1, Math.max(0, share));
    return [255 * Math.min(1, 0.04 + 1.6 * x), 255 * Math.max(0, 1.7 * x - 0.7), 255 * (0.2 + 0.5 * Math.sin(Math.PI * x) * (1 - x))];
}

function fitted(canvas) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    return canvas.getContext("2d");
}

function drawWaveform(canvas, lows, highs) {
    const context = fitted(canvas);
    const { width, height } = canvas;
    context.fillStyle = getComputedStyle(canvas).color;
    for (let x = 0; x < width; x++) {
        let low = 0, high = 0;
        const end = Math.max(((x + 1) * lows.length) / width, Math.floor((x * lows.length) / width) + 1);
        for (let i = Math.floor((x * lows.length) / width); i < end; i++) {
            low = Math.min(low, lows[i] / 127);
            high = Math.max(high, highs[i] / 127);
        }
        const top = (height / 2) * (1 - high);
        context.fillRect(x, top, 1, Math.max(1, (height / 2) * (1 - low) - top));
    }
}

function drawSpectrogram(canvas, levels, bands) {
    const small = document.createElement("canvas");
    small.width = levels.length / bands;
    small.height = bands;
    const image = small.getContext("2d").createImageData(small.width, small.height);
    levels.forEach((level, i) => image.data.set([...colour(level / 255), 255], 4 * i));
    small.getContext("2d").putImageData(image, 0, 0);
    fitted(canvas).drawImage(small, 0, 0, canvas.width, canvas.height);
}

function bytes(text) {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function draw(figure) {
    try {
        const response = await fetch(figure.dataset.picture);
        if (!response.ok) throw new Error(String(response.status));
        const seen = await response.json();
        const [lows, highs] = [seen.lows, seen.highs].map((text) => new Int8Array(bytes(text).buffer));
        drawWaveform(figure.querySelector(".waveform"), lows, highs);
        drawSpectrogram(figure.querySelector(".spectrogram"), bytes(seen.levels), seen.bands);
        figure.dataset.drawn = "";
    } catch {
        figure.querySelector(".pictures").textContent = figure.dataset.failed;
    }
}

function onTheClock(seconds) {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

class Player {
    constructor(figure) {
        this.figure = figure;
        this.audio = figure.querySelector("audio");
        this.button = figure.querySelector("[data-play]");
        this.place = figure.querySelector("[type=range]");
        this.head = figure.querySelector(".playhead");
        this.seconds = Number(figure.dataset.seconds);
        this.audio.controls = false;
        figure.querySelector(".player").hidden = false;
        this.button.addEventListener("click", () => (this.audio.paused ? this.audio.play().catch(() => {}) : this.audio.pause()));
        this.place.addEventListener("input", () => this.go(Number(this.place.value)));
        figure.querySelector(".pictures").addEventListener("click", ({ clientX, currentTarget }) => {
            const box = currentTarget.getBoundingClientRect();
            this.go(((clientX - box.left) / box.width) * this.seconds);
        });
        for (const change of ["play", "pause", "ended", "seeked", "error"]) this.audio.addEventListener(change, () => this.show());
        this.show();
    }

    go(seconds) {
        this.audio.currentTime = seconds;
        this.show();
    }

    show() {
        const { currentTime, error, paused } = this.audio;
        if (error) return (this.figure.querySelector(".player").textContent = this.figure.dataset.unheard);
        const said = `${onTheClock(currentTime)} / ${onTheClock(this.seconds)}`;
        this.head.style.left = `${(100 * currentTime) / this.seconds}%`;
        this.figure.querySelector("[data-clock]").textContent = said;
        this.place.value = currentTime;
        this.place.setAttribute("aria-valuetext", said);
        this.button.title = this.button.dataset[paused ? "play" : "pause"];
        this.button.setAttribute("aria-label", this.button.title);
        this.button.firstElementChild.textContent = paused ? "play_arrow" : "pause";
        if (!paused) requestAnimationFrame(() => this.show());
    }
}

// One after another: each takes a worker's time, and others wait for workers too.
let drawing = Promise.resolve();
const whenSeen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        whenSeen.unobserve(target);
        drawing = drawing.then(() => draw(target));
    }
});

for (const figure of document.querySelectorAll("[data-picture]")) {
    new Player(figure);
    whenSeen.observe(figure);
}
