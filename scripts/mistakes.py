"""One-line mistakes, each with the test that must turn red (`scripts/mutants.py` makes them).

A place is `module:symbol` or `file.yaml:key`; `scripts/breaking.py` says what can be done there.
"""

from __future__ import annotations

from typing import NamedTuple

from scripts.breaking import Change, Value


class Mistake(NamedTuple):
    """A mistake to make.

    Attributes:
        name: in a few words.
        place: where.
        edit: what to do there.
        test: below tests/, what must turn red.
    """

    name: str
    place: str
    edit: Change | Value
    test: str


SAMPLES = "unit/data/test_samples.py::"
LOSSES = "unit/test_losses.py::"
SYSTEMS = "unit/systems/test_systems.py::"
GAN = "unit/systems/test_gan.py::"
DEVICES = "unit/cli/test_devices.py::"
WATCHERS = "unit/systems/test_watchers.py::"
SEPARATION = "unit/metrics/test_separation.py::"
LSE = "unit/metrics/test_lse.py::"
PROTOCOL = "unit/faces/test_protocol_track.py::"
EMBEDDINGS = "unit/scoring/test_embeddings.py::"
SCORER = "unit/scoring/test_scorer.py::"
EVALUATOR = "unit/scoring/test_evaluator.py::"
RESULTS = "unit/scoring/test_results.py::"
TIMELINE = "unit/inference/test_timeline.py::"
LIPSYNC = "unit/inference/test_lipsync.py::"
PLAN = "unit/inference/test_plan.py::"
STEPS = "unit/preprocess/test_steps.py::"
SYNC = "unit/preprocess/test_sync.py::"
PAGE = "unit/cli/test_page.py::"

WINDOWS_AND_SAMPLES = [
    Mistake(
        "mel shifted by one column: training, scoring",
        "w2l.windows:mel_window",
        Change("$x[:, $a:$b + $c]", "$x[:, $a + 1:$b + $c + 1]"),
        f"{SAMPLES}test_sync_samples_show_the_heard_window_half_of_the_time",
    ),
    Mistake(
        "mel window a frame late in the expert's samples",
        "w2l.data.samples:SyncSamples.__call__",
        Change("mel_window($mel, $start)", "mel_window($mel, $start + 1)"),
        f"{SAMPLES}test_sync_samples_show_the_heard_window_half_of_the_time",
    ),
    Mistake(
        "window starts rounded, not truncated",
        "w2l.windows:mel_start",
        Change("int($f) * $columns // $frames", "round(int($f) * $columns / $frames)"),
        f"{SAMPLES}test_sync_samples_show_the_heard_window_half_of_the_time",
    ),
    Mistake(
        "each frame's own mel window not one frame early in training",
        "w2l.data.samples:LipSamples.lead_frames",
        Value("0"),
        f"{SAMPLES}test_lip_samples_hide_the_target_and_show_another_window",
    ),
    Mistake(
        "RGB for BGR: training",
        "w2l.data.clips:decode",
        Change("cv2.resize($image, $rest)", "cv2.resize($image[..., ::-1].copy(), $rest)"),
        f"{SAMPLES}test_samples_are_blue_green_red",
    ),
    Mistake(
        "faces resized by area in training",
        "w2l.data.clips:decode",
        Change("cv2.resize($rest)", "cv2.resize($rest, interpolation=cv2.INTER_AREA)"),
        f"{SAMPLES}test_faces_are_resized_bilinearly_as_published",
    ),
    Mistake(
        "the same samples each epoch",
        "w2l.data.loader:EpochSampler.order",
        Change("$s._share($order) + $epoch * $n", "$s._share($order)"),
        f"{SAMPLES}test_epochs_shuffle_differently_and_processes_share_nothing",
    ),
    Mistake(
        "augmentation drawn for each window",
        "w2l.data.samples:_expert_windows",
        Change(
            "augment($f, $m, $r)",
            "(np.concatenate(p) for p in "
            "zip(*(augment($f[i:i + 1], $m[i:i + 1], $r) for i in range(len($f)))))",
        ),
        f"{SAMPLES}test_windows_of_a_clip_are_changed_alike_and_a_share_of_draws_not_at_all",
    ),
    Mistake(
        "mel padded with zeros, not reflected",
        "w2l.audio.mel:log_mel",
        Change('np.pad($rest, mode="reflect")', 'np.pad($rest, mode="constant")'),
        "parity/test_networks.py::test_log_mel_pads_by_reflection",
    ),
]

TRAINING = [
    Mistake(
        "default betas in the GAN run",
        "configs/experiment/wav2lip_gan.yaml:system.optimizer.betas",
        Value("[0.9, 0.999]"),
        "configs/test_train_configs.py::test_published_recipes_to_the_letter",
    ),
    Mistake(
        "frames generated anew for the discriminator's step",
        "w2l.systems.wav2lip_gan:Wav2LipGANSystem.training_step",
        Change(
            "$s.discriminator_step($o, $b.target, $g.detach())",
            "$s.discriminator_step($o, $b.target, $s($b.mels, $b.masked_and_reference).detach())",
        ),
        "parity/test_training.py::test_wav2lip[True]",
    ),
    Mistake(
        "the frozen expert in training mode by default",
        "w2l.systems.wav2lip:Wav2LipSystem.__init__.expert_batchnorm",
        Value('"batch"'),
        f"{SYSTEMS}test_the_frozen_expert_stays_and_is_not_saved",
    ),
    Mistake(
        "the gate forgets on resume",
        "w2l.callbacks.sync_gate:SyncGate.load_state_dict",
        Change('$state["is_open"]', "False"),
        f"{SYSTEMS}test_gate_opens_under_its_bar_and_stays_open_after_resume",
    ),
    Mistake(
        "the gate opens above its bar",
        "w2l.callbacks.sync_gate:SyncGate.on_validation_end",
        Change("float($loss) < $bar", "float($loss) > $bar"),
        f"{SYSTEMS}test_gate_opens_under_its_bar_and_stays_open_after_resume",
    ),
    Mistake(
        "the gate looks at the training loss",
        "w2l.callbacks.sync_gate:SyncGate.on_validation_end",
        Change('"val/loss_sync"', '"train/loss_sync"'),
        f"{SYSTEMS}test_gate_looks_at_the_validation_loss",
    ),
    Mistake(
        "no cosine decay",
        "w2l.systems.optim:warmup_cosine",
        Change("$warm * 0.5 * (1 + math.cos($x))", "$warm"),
        f"{SYSTEMS}test_schedule_warms_up_and_decays",
    ),
    Mistake(
        "negatives' gradient lost across processes",
        "w2l.losses:_SumOverProcesses.backward",
        Change("dist.all_reduce($total)", "None"),
        f"{LOSSES}test_contrastive_negatives_come_from_all_processes[sizes0]",
    ),
    Mistake(
        "GAN under DDP without looking for unused parameters",
        "w2l.cli.train:strategy_for",
        Change("$n == 1 or $given not in $ddp", "True"),
        f"{DEVICES}test_ddp_looks_for_unused_parameters_where_two_networks_take_turns",
    ),
    Mistake(
        "R1 not times r1_every",
        "w2l.systems.wav2lip_gan:Wav2LipGANSystem.judge",
        Change("$s.r1_weight * $s.r1_every * $penalty", "$s.r1_weight * $penalty"),
        f"{GAN}test_a_penalty_counts_for_the_updates_without_one",
    ),
    Mistake(
        "feature matching with weight 0",
        "w2l.systems.wav2lip_gan:Wav2LipGANSystem.weights",
        Change('$w["features"] = $x if $heard else $z', '$w["features"] = $z'),
        f"{GAN}test_hinge_and_gradient_penalty",
    ),
    Mistake(
        "the expert's gradients not clipped",
        "w2l.systems.optim:Learner.clip",
        Change("$s.clip_norm is not None", "False"),
        f"{SYSTEMS}test_an_experts_clipped_step_is_shortened",
    ),
    Mistake(
        "the schedule of one's own is left out",
        "w2l.systems.optim:Learner.configured",
        Change("$s.scheduler is None", "True"),
        f"{SYSTEMS}test_any_optimizer_and_schedule_will_do",
    ),
    Mistake(
        "the adversarial loss's sign",
        "w2l.systems.wav2lip_gan:Wav2LipGANSystem.weights",
        Change(
            "$s.adversarial_weight if $heard else $z", "-$s.adversarial_weight if $heard else $z"
        ),
        f"{GAN}test_the_generator_is_pulled_to_what_the_discriminator_takes_for_real",
    ),
    Mistake(
        "the expert's threshold fitted on held-out clips",
        "w2l.metrics.separation:expert_quality",
        Change("fit_threshold($training)", "fit_threshold(held_out)"),
        f"{SEPARATION}test_all_numbers_together",
    ),
    Mistake(
        "held-out clips given for the threshold",
        "w2l.callbacks.expert_report:ExpertReport",
        Change("expert_quality($held_out, $training)", "expert_quality($held_out, $held_out)"),
        f"{WATCHERS}test_the_report_says_what_whole_clips_say",
    ),
]

INFERENCE = [
    Mistake(
        "mel shifted by one column: inference",
        "w2l.inference.timeline:MelWindows.__getitem__",
        Change("$mel[:, $a:$a + $n]", "$mel[:, $a + 1:$a + 1 + $n]"),
        f"{TIMELINE}test_windows_start_at_the_truncated_column",
    ),
    Mistake(
        "RGB for BGR: inference",
        "w2l.models.generator:masked_and_reference",
        Change("$face.permute(0, 3, 1, 2)", "$face.flip(3).permute(0, 3, 1, 2)"),
        f"{LIPSYNC}test_input_is_the_masked_face_then_the_face_in_bgr",
    ),
    Mistake(
        "the upper half masked, not the lower",
        "w2l.models.generator:masked_and_reference",
        Change("$m[:, :, $h // 2:] = 0", "$m[:, :, :$h // 2] = 0"),
        f"{LIPSYNC}test_input_is_the_masked_face_then_the_face_in_bgr",
    ),
    Mistake(
        "published window starts rounded",
        "w2l.inference.timeline:published_starts",
        Change("int($x)", "round($x)"),
        f"{TIMELINE}test_published_windows",
    ),
    Mistake(
        "no final window in published inference",
        "w2l.inference.timeline:published_starts",
        Change("[*$starts, $last]", "$starts"),
        f"{TIMELINE}test_published_windows",
    ),
    Mistake(
        "a preset sets arguments of its detector only",
        "w2l.cli.presets:Preset._is_meant",
        Change("wanted is not None and $x", "wanted is not None or $x"),
        "integration/test_infer.py::test_published_frame_count",
    ),
    Mistake(
        "published box smoothing rounds",
        "w2l.boxes:smooth",
        Change("$b[$start:][:$n].mean(axis=0)", "np.rint($b[$start:][:$n].mean(axis=0))"),
        f"{PLAN}test_published_boxes",
    ),
    Mistake(
        "the output's last frame missing",
        "w2l.inference.timeline:frame_count",
        Change("math.ceil($x)", "math.floor($x)"),
        f"{TIMELINE}test_frames_cover_the_sound_and_no_more",
    ),
    Mistake(
        "ping-pong shows an end twice",
        "w2l.inference.timeline:runs",
        Change("Run($here - 1, -1, min($left, $here))", "Run($here, -1, min($left, $here + 1))"),
        f"{TIMELINE}test_a_short_video_goes_on",
    ),
    Mistake(
        "zeros, not silence, behind the end of the sound",
        "w2l.inference.timeline:MelWindows.__init__",
        Change("np.pad($rest, constant_values=SILENCE)", "np.pad($rest, constant_values=0)"),
        f"{TIMELINE}test_the_end_of_the_sound_is_synced_with_silence_behind_it",
    ),
    Mistake(
        "the generator's mel offset ignored",
        "w2l.inference.timeline:MelWindows.__init__",
        Change("$lead * fps / FPS", "0 * fps / FPS"),
        f"{TIMELINE}test_a_generator_trained_ahead_is_used_ahead",
    ),
    Mistake(
        "generated pixels rounded, not truncated",
        "w2l.inference.lipsync:FaceGenerator._generate",
        Change("$out.float() * 255", "($out.float() * 255).round()"),
        f"{LIPSYNC}test_output_is_truncated_as_published",
    ),
    Mistake(
        "the generator used in training mode",
        "w2l.inference.lipsync:FaceGenerator.__init__",
        Change("$network.eval().to($device)", "$network.train().to($device)"),
        f"{LIPSYNC}test_generator_is_used_in_evaluation_mode",
    ),
    Mistake(
        "pads in another order",
        "w2l.boxes:pad",
        Change("[-$left, -$top, $right, $bottom]", "[-$top, -$left, $right, $bottom]"),
        "unit/test_boxes.py::test_pad_truncates_and_clips",
    ),
    Mistake(
        "a gap of five frames bridged",
        "w2l.inference.plan:MAX_GAP",
        Value("5"),
        f"{PLAN}test_frames_without_a_face_are_left_with_their_reason",
    ),
    Mistake(
        "boxes smoothed across cuts",
        "w2l.inference.plan:_smoothed",
        Change("[$smooth($boxes[$a:$b]) for $a, $b in $scenes]", "[$smooth($boxes)]"),
        "unit/inference/test_shots.py::test_boxes_are_not_smoothed_over_a_cut",
    ),
    Mistake(
        "a generated face's colours not fitted",
        "w2l.inference.blending:blend",
        Change("[*colour_shift($rest), 0]", "[0.0, 0.0, 0.0, 0]"),
        "unit/inference/test_blending.py::test_blend_keeps_a_face_that_was_generated_perfectly",
    ),
    Mistake(
        "a video's own sound moved to the start",
        "w2l.inference.voice:origin_of",
        Change('"video" if $own else "audio"', '"audio"'),
        "unit/inference/test_voice.py::"
        "test_only_a_videos_own_sound_begins_where_it_does_in_the_video",
    ),
]

PREPARATION = [
    Mistake(
        "one speaker in two lists",
        "preprocess.splits:assign_splits",
        Change("len($speakers) >= len($splits)", "False"),
        "unit/preprocess/test_splits.py::test_no_speaker_is_in_two_lists",
    ),
    Mistake(
        "the sound moved the wrong way",
        "preprocess.steps.sync:aligned",
        Change("$first = $start - $offset / $fps", "$first = $start + $offset / $fps"),
        f"{SYNC}test_the_sound_goes_where_it_belongs",
    ),
    Mistake(
        "an offset at the end of the search accepted",
        "preprocess.steps.sync:check_sync",
        Change("abs($offset) >= $limit", "abs($offset) > $limit"),
        f"{SYNC}test_what_does_not_fit_is_rejected",
    ),
    Mistake(
        "the smallest face taken for the main person",
        "preprocess.steps.faces:find_people",
        Change("-float(area($boxes).sum())", "float(area($boxes).sum())"),
        f"{STEPS}test_the_main_face_is_one_person",
    ),
    Mistake(
        "face boxes rounded, not truncated",
        "preprocess.steps.crops:whole_pixels",
        Change(
            "np.clip($b, $low, $high).astype($rest)",
            "np.rint(np.clip($b, $low, $high)).astype($rest)",
        ),
        f"{STEPS}test_boxes_are_clipped_and_truncated",
    ),
    Mistake(
        "frames counted from 1",
        "preprocess.steps.crops:write_crops",
        Change("enumerate($faces)", "enumerate($faces, 1)"),
        f"{STEPS}test_crops_are_the_frames_own_pixels",
    ),
    Mistake(
        "frames with a face counted, not those in a row",
        "preprocess.steps.faces:check_faces",
        Change("$stop - $start", "int(present.sum())"),
        f"{STEPS}test_too_short_counts_frames_in_a_row",
    ),
    Mistake(
        "files of one size taken for the same",
        "preprocess.duplicates:same_files",
        Change("$content = $hashes[$clip.path]", "$content = $clip.path.stat().st_size"),
        "unit/preprocess/test_duplicates.py::test_bytes_and_times_make_a_duplicate",
    ),
    Mistake(
        "what another recipe prepared taken for done",
        "preprocess.records:Records._valid",
        Change("$record if all($rest) else None", "$record"),
        "unit/preprocess/test_csv.py::test_another_cut_is_out_of_date",
    ),
]

SCORING = [
    Mistake(
        "RGB for BGR: scoring",
        "w2l.scoring.embeddings:_lip_image",
        Change("cv2.resize($frame, $rest)", "cv2.resize($frame[..., ::-1].copy(), $rest)"),
        f"{EMBEDDINGS}test_lip_window_i_is_frames_i_to_i_plus_4_in_bgr_0_to_255",
    ),
    Mistake(
        "i + 1 windows in LSE",
        "w2l.scoring.embeddings:lip_embeddings",
        Change("($e for $frame, $_ in pairwise($heard))", "($e for $frame in $heard)"),
        f"{EMBEDDINGS}test_number_of_windows",
    ),
    Mistake(
        "MFCC of float, not 16-bit samples",
        "w2l.audio.mel:mfcc",
        Change("to_int16($samples)", "$samples"),
        f"{EMBEDDINGS}test_sound_as_float_or_int16_is_the_same",
    ),
    Mistake(
        "the expert shown upper halves",
        "w2l.scoring.embeddings:_lower_half",
        Change("$image[$size // 2:]", "$image[:$size // 2]"),
        f"{EMBEDDINGS}test_expert_windows",
    ),
    Mistake(
        "sign of the offset: curves",
        "w2l.metrics.lse:offsets",
        Change("torch.arange($n, -$n - 1, -1)", "torch.arange(-$n, $n + 1)"),
        "unit/metrics/test_cosine.py::test_cosine_by_offset_equals_loop",
    ),
    Mistake(
        "sign of the offset: LSE",
        "w2l.metrics.lse:_of",
        Change("LSE($rest, offset=$vshift - $best)", "LSE($rest, offset=$best - $vshift)"),
        f"{LSE}test_offset_is_positive_where_the_sound_is_early",
    ),
    Mistake(
        "sign of the offset: the expert's",
        "w2l.metrics.cosine:best_offset",
        Change("BestOffset($rest, offset=$offset)", "BestOffset($rest, offset=-$offset)"),
        f"{SCORER}test_expert_offset_has_the_same_sign",
    ),
    Mistake(
        "unpadded LSE padded",
        "w2l.metrics.lse:unpadded_lse",
        Change("($distances * $real).sum(dim=1) / $count", "$distances.mean(dim=1)"),
        f"{LSE}test_without_padding_only_real_sound_counts",
    ),
    Mistake(
        "LSE-C from the mean, not the median",
        "w2l.metrics.lse:_of",
        Change("$curve.nanmedian()", "$curve.nanmean()"),
        f"{LSE}test_equals_slow_reference",
    ),
    Mistake(
        "a track scored against the clip's first sound",
        "w2l.scoring.evaluator:Evaluator._score_track",
        Change("$sound[$start * $n:]", "$sound"),
        f"{EVALUATOR}test_a_track_is_scored_against_its_own_stretch_of_sound",
    ),
    Mistake(
        "other rates scored as if 25",
        "w2l.scoring.chain:Chain.source",
        Change("VideoReader($video, FPS)", "VideoReader($video)"),
        f"{EVALUATOR}test_rate_is_converted_by_time_unless_published",
    ),
    Mistake(
        "sound that begins late moved to the start",
        "w2l.scoring.evaluator:Evaluator.sound_of",
        Change('"video" if $kept else "audio"', '"audio"'),
        f"{EVALUATOR}test_origin_of_the_sound",
    ),
    Mistake(
        "networks score in training mode",
        "w2l.scoring.scorer:SyncScorer.__init__",
        Change("expert.eval().to($device)", "expert.to($device)"),
        f"{SCORER}test_scorer_puts_networks_into_evaluation_mode",
    ),
    Mistake(
        "unpadded scores read from the padded",
        "w2l.scoring.results:TrackScore.to_dict",
        Change("getattr($sync.unpadded, $name)", "getattr($sync.lse, $name)"),
        f"{RESULTS}test_scores_without_padding_stand_beside_those_with_it",
    ),
    Mistake(
        "standard error without the root",
        "w2l.scoring.results:_statistics",
        Change("math.sqrt(len($values))", "len($values)"),
        f"{RESULTS}test_a_set_has_spread_and_a_histogram_of_offsets",
    ),
    Mistake(
        "tracker: overlap bar 0.4",
        "w2l.faces.protocol_track:track_detections.min_iou",
        Value("0.4"),
        f"{PROTOCOL}test_overlap_must_be_more_than_a_half",
    ),
    Mistake(
        "tracker: overlap bar 0.6",
        "w2l.faces.protocol_track:track_detections.min_iou",
        Value("0.6"),
        f"{PROTOCOL}test_overlap_must_be_more_than_a_half",
    ),
    Mistake(
        "tracker: an overlap of a half suffices",
        "w2l.faces.protocol_track:_walk",
        Change("$iou > min_iou", "$iou >= min_iou"),
        f"{PROTOCOL}test_overlap_must_be_more_than_a_half",
    ),
    Mistake(
        "tracker: gap of 24 frames",
        "w2l.faces.protocol_track:track_detections.max_gap",
        Value("24"),
        f"{PROTOCOL}test_a_track_survives_25_frames_but_not_26",
    ),
    Mistake(
        "tracker: gap of 26 frames",
        "w2l.faces.protocol_track:track_detections.max_gap",
        Value("26"),
        f"{PROTOCOL}test_a_track_survives_25_frames_but_not_26",
    ),
    Mistake(
        "tracker: 100 detections suffice",
        "w2l.faces.protocol_track:track_detections.min_detections",
        Value("99"),
        f"{PROTOCOL}test_more_than_100_detections_are_needed_and_frames_do_not_count",
    ),
    Mistake(
        "tracker: frames counted, not detections",
        "w2l.faces.protocol_track:track_detections",
        Change("$taken.sum() > $least", "np.ptp(left[$taken][:, 0]) + 1 > $least"),
        f"{PROTOCOL}test_more_than_100_detections_are_needed_and_frames_do_not_count",
    ),
    Mistake(
        "tracker: size 100 suffices",
        "w2l.faces.protocol_track:track_detections",
        Change("$size.max() > $least", "$size.max() >= $least"),
        f"{PROTOCOL}test_the_larger_mean_side_must_be_over_100",
    ),
    Mistake(
        "tracker: only one side counts",
        "w2l.faces.protocol_track:track_detections",
        Change("$size.max() > $least", "$size[0] > $least"),
        f"{PROTOCOL}test_the_larger_mean_side_must_be_over_100",
    ),
    Mistake(
        "protocol crop by the height alone",
        "w2l.faces.protocol_track:_squares",
        Change("($a - $b).max(axis=1) / 2", "($a - $b)[:, 1] / 2"),
        f"{PROTOCOL}test_the_longer_side_decides_and_the_border_is_gray",
    ),
]

PAGES = [
    Mistake(
        "names of clips are markup on the page of scores",
        "w2l.scoring.page:_table",
        Change('f"<tr><td>{escape($row[0])}</td>"', 'f"<tr><td>{$row[0]}</td>"'),
        f"{RESULTS}test_names_and_reasons_are_text_on_the_page",
    ),
    Mistake(
        "a clip that failed takes a place on the page",
        "w2l.scoring.page:for_page",
        Change("$kept += $clip.error is None", "$kept += 1"),
        f"{RESULTS}test_only_shown_clips_keep_their_thumbnails",
    ),
    Mistake(
        "a voice that was refused stands in bold",
        "w2l.scoring.page:_speaker_cells",
        Change("$voice == $given and $belongs is not False", "$voice == $given"),
        f"{RESULTS}test_who_speaks_is_seen_at_once_on_the_page",
    ),
    Mistake(
        "rejections added on a set's page",
        "preprocess.page:steps_table",
        Change("[($a, $b, -$n) for $c in $counts]", "[($a, $b, $n) for $c in $counts]"),
        "unit/preprocess/test_page.py::test_every_file_is_accounted_for",
    ),
    Mistake(
        "a long sound read whole by the app",
        "w2l.cli.page_jobs:PageJobs._check_length",
        Change("load_audio($audio, end_s=$end)", "load_audio($audio)"),
        f"{PAGE}test_a_long_sound_is_refused_without_reading_all_of_it",
    ),
    Mistake(
        "faces counted from 0 in the app",
        "w2l.cli.page_jobs:score_lines",
        Change("enumerate($tracks, 1)", "enumerate($tracks)"),
        f"{PAGE}test_each_face_has_a_line_of_scores",
    ),
]

MISTAKES = (
    *WINDOWS_AND_SAMPLES, *TRAINING, *INFERENCE, *PREPARATION, *SCORING, *PAGES,
)  # fmt: skip
