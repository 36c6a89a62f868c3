"""What an upload may contain: containers and codecs are found by content, never by name, and only from these lists.

Playlists, concatenation scripts, images, devices and network protocols are absent on purpose: they make a
decoder open something other than the bytes it was given.
"""

from __future__ import annotations

from typing import Final

CONTAINERS: Final = (
    "wav", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3", "aac", "amr", "amrnb", "amrwb", "mov", "matroska", "asf",
)  # fmt: skip

CODECS: Final = (
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
    "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ms", "g726", "g726le", "gsm", "gsm_ms", "libgsm", "libgsm_ms",
    "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb",
    "mp3", "mp3float", "mp2", "mp2float", "aac", "aac_latm", "alac", "flac",
    "opus", "libopus", "vorbis", "libvorbis", "speex", "libspeex", "wmav1", "wmav2", "wmapro", "wmavoice",
    "ac3", "eac3",
)  # fmt: skip

# Linear PCM, by the bits of a sample.
PCM_BITS: Final = {
    "pcm_u8": 8, "pcm_s8": 8, "pcm_s16le": 16, "pcm_s16be": 16, "pcm_s24le": 24, "pcm_s24be": 24,
    "pcm_s32le": 32, "pcm_s32be": 32,
}  # fmt: skip

DEMUXER_OPTIONS: Final = {
    "format_whitelist": ",".join(CONTAINERS),
    "codec_whitelist": ",".join(CODECS),
    # An empty list lets no protocol through: nothing but the bytes in memory can be opened.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "max_streams": "64",
    "probesize": "1000000",
    "analyzeduration": "2000000",
}
