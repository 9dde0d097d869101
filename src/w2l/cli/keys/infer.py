"""The keys of `infer.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from w2l.bounds import Count, FileName, Says, Seconds, Sides, Texts, Weights
from w2l.building import Component
from w2l.jobs.keys import RunnerKeys
from w2l.schema import group, key

Rate = Annotated[float, Ge(0.1), Says("frames a second")]


@dataclass(frozen=True, kw_only=True)
class Infer(RunnerKeys):
    """Sync the lips of a video or photo to any speech.

    Values called published are those of the released Wav2Lip script.
    """

    NAME: ClassVar[str] = "infer"
    COMMAND: ClassVar[str] = "python infer.py"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "face=person.mp4 audio=speech.wav",
        "face=photo.jpg audio=speech.wav outfile=out/talking.mp4 quality=fast",
        "batch=jobs.csv checkpoint=wav2lip_gan device=cuda",
    )

    mode: Literal["sync", "restore"] = key(
        "sync",
        "sync; restore: only restores the faces of a finished video and keeps its audio (without "
        "audio=, docs/quality.md)",
        section="Input and output",
    )
    face: FileName | None = key(
        None,
        "video or photo of the person who is to speak (told apart by content), a folder of "
        "numbered images, or an address (yt-dlp, kept in outputs/infer)",
    )
    audio: FileName | None = key(
        None, "the speech: any file with audio, or an address (not with people=)"
    )
    voice: FileName | None = key(
        None, "drives the lips while audio= goes into the result: the voice alone of a mix"
    )
    batch: FileName | None = key(
        None,
        "many jobs: a .csv or .jsonl with keys for each, or a folder of videos or photos and "
        "audio files with like names or numbers (docs/inputs.md)",
    )
    outfile: FileName | None = key(
        None,
        "null: a new name, outputs/infer/<face>_<audio>, with the codec's ending, or "
        "<face>_<audio>_2, …; a file that is named is replaced",
    )
    checkpoint: Weights = key(
        "auto",
        "generator: .ckpt, .pth, .safetensors, .onnx, a registry name or hf:owner/name; auto: "
        "wav2lip_gan if it was fetched before, else wav2lip_small, which comes with w2l "
        "(published: wav2lip_gan)",
    )

    start: Seconds = key(0.0, "where to begin in the face video", section="Which part of both")
    end: Seconds | None = key(None, "where to end in the face video; null: at its end")
    audio_start: Seconds = key(0.0, "where to begin in the audio")
    audio_end: Seconds | None = key(None, "where to end in the audio; null: at its end")
    audio_track: Count | None = key(
        None, "which audio track of a file with several; null: the default one"
    )
    duration: Literal["audio", "video", "shortest"] = key(
        "audio", "the result lasts as long as the audio, the video, or the shorter of them"
    )
    extend: Literal["pingpong", "loop", "freeze"] = key(
        "pingpong", "how a video that is shorter than the audio goes on (published: loop)"
    )
    fps: Rate | None = key(
        None,
        "of the result; null: a video's own (where that varies, the rate of its moving parts), 25 "
        "of a photo (published) or a folder's images",
    )
    static: bool = key(
        False, "true: only the video's first frame is used (a switch of the published script, too)"
    )
    silence: Literal["sync", "close", "pass"] = key(
        "sync",
        "lips where nobody speaks: sync follows any audio (published), close closes them, pass "
        "keeps the video's own; found by silero-vad (extra vad)",
    )

    resize_factor: Count = key(
        1,
        "width and height are divided by it (published)",
        section="The frames, before anything looks at them, in this order",
    )
    rotate: int = key(0, "degrees clockwise: 0, 90 (the published switch), 180, 270")
    deinterlace: bool = key(
        True, "fields of an interlaced video become whole frames; false: stay woven (published)"
    )
    crop: Sides | None = key([0, -1, 0, -1], "pixels, ends excluded; -1: to the edge")

    detector: Component = group("finds the faces (published: s3fd)")
    box: Sides | None = key(
        None, "pixels, ends excluded: a fixed box, without detection", section="Faces"
    )
    pads: Sides | None = key(
        None,
        "pixels added to a detected box; null: those that the generator was trained with, "
        "[0,10,0,0] of published ones (published)",
    )
    smooth: bool = key(
        True, "steady the boxes over 5 frames (published: means of the frames ahead)"
    )
    person: str = key(
        "largest",
        "whom to sync: largest, center, left, right; track:N (track:N+M; tracks shows all of them "
        "and ends); photo:FILE; speaker (by expert=, else judge=); first: the detector's first "
        "face, frame by frame (published)",
    )
    people: FileName | None = key(
        None, "several people with speech of their own each: a YAML file (docs/faces.md)"
    )
    missing_face: Literal["pass", "hold", "error"] = key(
        "pass", "frames without a face: pass leaves them, hold takes the scene's last box, error "
        "ends (published)",
    )  # fmt: skip
    max_turn: float | None = key(
        60, "degrees: a head turned further to the side stays as it is; null: no limit (published)"
    )
    min_score: float | None = key(
        0.5, "of the detector: a less certain face stays as it is; null: no limit (published)"
    )
    detect_every: Count = key(
        5, "frames from one detection to the next, tracked between (published: 1)"
    )
    detect_whole: Count = key(
        5,
        "detections from one in a whole frame to the next: between, faces are looked for around "
        "where they are; 1: always in whole frames (published)",
    )
    cache: bool = key(
        True, "keep the faces found in a video for the next run (folder: W2L_FACES_DIR)"
    )

    quality: Literal["improved", "fast", "enhanced"] = key(
        "improved",
        "improved changes only the mouth, feathered; fast pastes the whole box (published); "
        "enhanced also restores what was generated",
        section="Quality (docs/quality.md)",
    )
    mask_size: float = key(1.0, "share of the box's lower half that changes, up to 1")
    mask_feather: float = key(0.35, "share of the mask's radius over which it fades, up to 1")
    mask_tracking: bool = key(
        False, "true: the mask follows the mouth, where the detector gives landmarks"
    )
    parser: Weights | None = key(
        None, "face parser (BiSeNet): only face pixels change (not with quality=fast)"
    )
    restorer: Component | None = key(
        None,
        "restores faces: gfpgan, codeformer, restoreformer, realesrgan_x2, …, or a .onnx or .pth "
        "file; null, sharpen: no network, sharpening; its arguments: restorer.fidelity, .kind",
    )
    restore_strength: float = key(1.0, "0 leaves what was generated, 1 takes the restorer's pixels")
    restore_region: Literal["mouth", "face", "parsing"] | None = key(
        None,
        "mouth: what is generated; face: the part of it that parser= calls face, if one is given; "
        "parsing: the same, and parser= is required; null: mouth, and face in mode=restore",
    )
    restore_smooth: float = key(
        0.5,
        "share of the earlier frames' restored detail that is kept where nothing moves, against "
        "flicker; 0: none",
    )

    codec: Literal["h264", "hevc", "vp9", "prores", "ffv1", "png"] = key(
        "h264",
        "h264, hevc: .mp4, .m4v, .mov, .mkv; vp9: .webm, .mkv; prores (422 HQ): .mov; ffv1: RGB "
        "and audio without loss, goes to .mkv; png: a folder of 000000.png, … and sound.wav",
        section="What is written",
    )
    view: Literal["result", "side_by_side", "mask"] = key(
        "result",
        "side_by_side: the source left of it; mask: box and mask drawn over the result",
    )
    height: Annotated[int, Ge(16), Le(16384)] | None = key(
        None, "pixels to which the result is scaled; null: as the source"
    )
    label: str | None = key(None, 'text on every frame, e.g. "made with AI"; null: none')
    preview: Annotated[float, Ge(0), Says("seconds of the result")] | None = key(
        None, "that moment alone, label and all, as a PNG, within seconds"
    )

    expert: Weights | None = key(
        None,
        "lip-sync expert that compares the given video, as it came, with the audio: the cosine "
        "goes to <outfile>.cosine.json (not of a preview)",
        section="How it is run",
    )
    judge: Weights | None = key(
        "judge_small",
        "expert that judges how well the result's lips fit its audio, in the first minute; none: "
        "no judging",
    )
    device: str = key("auto", "auto (cuda if there is one), cpu, cuda, cuda:1")
    runtime: Literal["auto", "torch", "onnx", "openvino"] = key(
        "auto",
        "of the generator: torch, onnx (extra onnx), openvino (extra openvino: CPU); auto: the "
        "quickest here, tried once",
    )
    precision: Literal["auto", "float32", "bfloat16"] = key(
        "auto",
        "float32; bfloat16 by torch and openvino; auto: bfloat16 where it is quicker here and "
        "faces stay at 45 dB to float32 at least",
    )
    batch_size: Count = key(16, "frames that go through the generator at once, all held in memory")
    engine: Literal["serial", "process", "ray"] = key(
        "serial",
        "serial: one after the other, here; process: in processes, one per GPU, or per core, so "
        "that a job that takes its process down costs itself only; ray: on a cluster",
        section="Many jobs (batch=)",
    )
    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
    )
    preset: str | None = key(
        None,
        "values of many keys at once: published, or a file of presets/infer in --config-dir "
        "(docs/extending.md)",
    )
    published: bool = key(
        False,
        "true: the published Wav2Lip script's values (called published here), frame count, windows "
        "and box arithmetic, and no conversion of rates",
    )
