"use strict";

// Gives each [data-recorder] a microphone: what is recorded becomes files of its file input, as if chosen or dropped.
const AS_IT_SOUNDS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const TYPES = { "audio/webm;codecs=opus": "webm", "audio/mp4": "m4a", "audio/ogg;codecs=opus": "ogg" };

class Recorder {
    constructor(root) {
        this.root = root;
        this.words = root.dataset;
        this.input = root.querySelector("input[type=file]");
        // Or Unfold would write the name of the file into the nearest field for text, which is the speaker's id.
        this.input.hasChangeListener = true;
        this.button = root.querySelector("[data-microphone]");
        this.takes = [];
        this.made = 0;
        this.button.hidden = false;
        this.button.addEventListener("click", () => (this.recording ? this.recording.stop() : this.start()));
        this.input.addEventListener("change", () => this.take([...this.input.files]));
        root.closest("form").addEventListener("click", (event) => this.sent(event), { capture: true });
        // Before once.js, which would take the form for sent.
        document.addEventListener("submit", (event) => this.leaving(event), { capture: true });
        root.addEventListener("dragover", (event) => event.preventDefault());
        root.addEventListener("drop", (event) => {
            event.preventDefault();
            this.take([...event.dataTransfer.files]);
        });
    }

    find(name) {
        return this.root.querySelector(`[data-${name}]`);
    }

    say(words) {
        this.find("says").textContent = words;
    }

    async start() {
        if (!navigator.mediaDevices || !window.MediaRecorder) return this.say(this.words.insecure);
        // A second click while the browser asks would open the microphone twice, and close it once.
        this.button.disabled = true;
        try {
            this.stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_SOUNDS });
        } catch (error) {
            return this.say(error.name === "NotFoundError" ? this.words.missing : this.words.denied);
        } finally {
            this.button.disabled = false;
        }
        const type = Object.keys(TYPES).find((one) => MediaRecorder.isTypeSupported(one));
        const recording = new MediaRecorder(this.stream, type ? { mimeType: type } : {});
        const parts = [];
        recording.addEventListener("dataavailable", (event) => parts.push(event.data));
        recording.addEventListener("error", () => this.say(this.words.failed));
        recording.addEventListener("stop", () => this.stopped(parts, recording.mimeType, TYPES[type] || "webm"));
        recording.start();
        this.recording = recording;
        this.show(true);
        this.say(this.words.recording);
    }

    // The Enter key clicks the button, too. The form is sent once it has the recording, and not refused before as empty.
    sent(event) {
        const button = event.target.closest("[type=submit]");
        if (!button || !this.recording) return;
        event.preventDefault();
        this.recording.addEventListener("stop", () => button.click());
        this.recording.stop();
    }

    // Another form of the page would take the page away, and with it what was recorded.
    leaving(event) {
        const keeps = event.target === this.root.closest("form") || !(this.takes.length || this.recording);
        if (!keeps && !window.confirm(this.words.unsent)) event.preventDefault();
    }

    stopped(parts, type, ending) {
        this.stream.getTracks().forEach((track) => track.stop());
        this.recording = null;
        this.show(false);
        this.say("");
        this.made += 1;
        this.take([new File(parts, `${this.words.take}-${this.made}.${ending}`, { type })]);
    }

    // The clock and the level while it records.
    show(recording) {
        this.find("word").textContent = recording ? this.words.stop : this.words.record;
        this.button.classList.toggle("on", recording);
        for (const name of ["level", "clock"]) this.find(name).hidden = !recording;
        if (!recording) return this.hearing?.close();
        this.hearing = new AudioContext();
        const analyser = this.hearing.createAnalyser();
        this.hearing.createMediaStreamSource(this.stream).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        const began = performance.now();
        const tick = () => {
            if (!this.recording) return;
            const seconds = Math.floor((performance.now() - began) / 1000);
            analyser.getFloatTimeDomainData(samples);
            const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
            this.find("level").value = Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
            this.find("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
            if (seconds >= Number(this.words.longest)) return this.recording.stop();
            requestAnimationFrame(tick);
        };
        tick();
    }

    take(files) {
        if (!files.length) return;
        this.takes = this.input.multiple ? [...this.takes, ...files] : files.slice(-1);
        this.hand();
    }

    hand() {
        const transfer = new DataTransfer();
        this.takes.forEach((file) => transfer.items.add(file));
        this.input.files = transfer.files;
        this.find("takes").replaceChildren(...this.takes.map((file) => this.line(file)));
    }

    line(file) {
        const line = document.createElement("li");
        const name = document.createElement("span");
        name.textContent = `${file.name} · ${Math.ceil(file.size / 1024)} KiB`;
        const listen = this.act(this.words.listen, "play_arrow", file, () => play(file).catch(() => this.say(this.words.failed)));
        const discard = this.act(this.words.discard, "close", file, () => {
            this.takes = this.takes.filter((one) => one !== file);
            this.hand();
            this.input.focus();
        });
        line.append(listen, discard, name);
        return line;
    }

    act(word, icon, file, does) {
        const button = document.createElement("button");
        button.type = "button";
        button.title = word;
        button.setAttribute("aria-label", `${word}: ${file.name}`);
        const symbol = document.createElement("span");
        symbol.className = "material-symbols-outlined";
        symbol.textContent = icon;
        button.append(symbol);
        button.addEventListener("click", does);
        return button;
    }
}

// The page's policy allows sounds of the installation itself alone, so a recording is played without an address.
async function play(file) {
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(await file.arrayBuffer());
    source.connect(context.destination);
    source.addEventListener("ended", () => context.close());
    source.start();
}

document.querySelectorAll("[data-recorder]").forEach((root) => new Recorder(root));
