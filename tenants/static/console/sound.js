"use strict";

// Draws waveform and spectrogram of each [data-sound] once it comes into view, and follows its player.
const SAMPLE_RATE = 16000;
const FFT = 512;
const SPAN_DB = 70;
const DRAWN_UNASKED_SECONDS = 60;

const HANN = Float32Array.from({ length: FFT }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT));

// In place, radix 2.
function transform(re, im) {
    const n = re.length;
    for (let i = 1, j = 0; i < n; i++) {
        let bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
    }
    for (let length = 2; length <= n; length <<= 1) {
        const angle = (-2 * Math.PI) / length;
        for (let start = 0; start < n; start += length) {
            for (let k = 0; k < length / 2; k++) {
                const cos = Math.cos(angle * k), sin = Math.sin(angle * k);
                const a = start + k, b = a + length / 2;
                const x = re[b] * cos - im[b] * sin, y = re[b] * sin + im[b] * cos;
                [re[b], im[b]] = [re[a] - x, im[a] - y];
                re[a] += x;
                im[a] += y;
            }
        }
    }
}

// Decibels of FFT / 2 bands around a sample.
function bandsAt(samples, centre) {
    const re = new Float32Array(FFT), im = new Float32Array(FFT);
    for (let i = 0; i < FFT; i++) re[i] = (samples[centre - FFT / 2 + i] || 0) * HANN[i];
    transform(re, im);
    return Float32Array.from({ length: FFT / 2 }, (_, band) => 10 * Math.log10(re[band] ** 2 + im[band] ** 2 + 1e-9));
}

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

function drawWaveform(canvas, samples) {
    const context = fitted(canvas);
    const { width, height } = canvas;
    const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 1e-6);
    context.fillStyle = getComputedStyle(canvas).color;
    for (let x = 0; x < width; x++) {
        let low = 0, high = 0;
        const end = Math.floor(((x + 1) * samples.length) / width);
        for (let i = Math.floor((x * samples.length) / width); i < end; i++) {
            low = Math.min(low, samples[i]);
            high = Math.max(high, samples[i]);
        }
        const top = (height / 2) * (1 - high / peak);
        context.fillRect(x, top, 1, Math.max(1, (height / 2) * (1 - low / peak) - top));
    }
}

function drawSpectrogram(canvas, samples) {
    const context = fitted(canvas);
    const { width, height } = canvas;
    const columns = Array.from({ length: width }, (_, x) => bandsAt(samples, Math.floor(((x + 0.5) * samples.length) / width)));
    const loudest = columns.reduce((most, bands) => bands.reduce((a, b) => Math.max(a, b), most), -Infinity);
    const image = context.createImageData(width, height);
    columns.forEach((bands, x) => {
        for (let y = 0; y < height; y++) {
            const band = Math.min(FFT / 2 - 1, Math.floor(((height - 1 - y) * (FFT / 2)) / height));
            image.data.set([...colour((bands[band] - loudest) / SPAN_DB + 1), 255], 4 * (y * width + x));
        }
    });
    context.putImageData(image, 0, 0);
}

async function draw(figure) {
    try {
        const response = await fetch(figure.dataset.sound);
        if (!response.ok) throw new Error(String(response.status));
        const decoding = new OfflineAudioContext(1, 1, SAMPLE_RATE);
        const sound = await decoding.decodeAudioData(await response.arrayBuffer());
        const samples = sound.getChannelData(0);
        drawWaveform(figure.querySelector(".waveform"), samples);
        drawSpectrogram(figure.querySelector(".spectrogram"), samples);
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

const whenSeen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        whenSeen.unobserve(target);
        draw(target);
    }
});

for (const figure of document.querySelectorAll("[data-sound]")) {
    follow(figure);
    if (Number(figure.dataset.seconds) <= DRAWN_UNASKED_SECONDS) {
        whenSeen.observe(figure);
        continue;
    }
    const button = figure.querySelector("[data-draw]");
    button.hidden = false;
    button.addEventListener("click", () => {
        button.hidden = true;
        draw(figure);
    });
}
