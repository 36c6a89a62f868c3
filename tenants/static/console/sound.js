"use strict";

// Shows waveform and spectrogram of each [data-picture] once it comes into view, and follows its player. The sound itself
// is fetched by the player alone, when somebody listens.

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

function follow(figure) {
    const player = figure.querySelector("audio"), head = figure.querySelector(".playhead");
    const seconds = () => player.duration || Number(figure.dataset.seconds);
    const move = () => {
        head.style.left = `${(100 * player.currentTime) / seconds()}%`;
        if (!player.paused) requestAnimationFrame(move);
    };
    player.addEventListener("play", move);
    player.addEventListener("seeked", move);
    figure.querySelector(".pictures").addEventListener("click", (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        player.currentTime = ((event.clientX - box.left) / box.width) * seconds();
    });
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
    follow(figure);
    whenSeen.observe(figure);
}
