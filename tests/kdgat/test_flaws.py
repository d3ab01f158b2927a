"""The flaws of published CAN detectors that this project answers, each with the test that would see it come back."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from small import CONFIG

from kdgat.dataset.prepare import Prepared
from kdgat.experiment import train
from kdgat.experiment.task import Task
from kdgat.experiment.train import train_fusion, train_gat, train_vgae
from kdgat.graphs.store import GraphStore

#: flaw → file and test
ANSWERED = {
    "windows mix recordings": "test_graphs.test_windows_never_cross_captures_and_attacks_are_per_window",
    "copies of a capture in train and test": "test_windows.test_no_frame_and_no_duplicate_crosses_parts_of_real_captures",
    "random split over overlapping windows": "test_windows.test_parts_lie_a_window_apart",
    "edge features of another transition": "test_graphs.test_edge_time_is_that_of_its_own_transition",
    "multi-edges, degrees that equal counts, clustering over 1": "test_graphs.test_engine_equals_reference_on_generated_captures",
    "split-half ratio wrong for other strides": "test_graphs.test_engine_equals_reference_at_the_edges",
    "padding read as data": "test_graphs.test_engine_equals_reference_on_real_captures",
    "the CAN ID as a number": "test_models.test_ids_enter_without_magnitude_and_unknown_ones_have_a_meaning",
    "attack kind of the file for benign windows": "test_graphs.test_windows_never_cross_captures_and_attacks_are_per_window",
    "one class reported as 0": "test_evaluation.test_one_class_is_not_applicable",
    "the window's label alone": "test_evaluation.test_segments_end_with_their_recording_and_delay_counts_from_the_first_attacked_window",
    "vocabulary, scaler or training from test folders": "test_training.test_preparing_reads_no_test_capture",
    "scaler fitted on attacks": "test_training.test_scalers_see_benign_training_windows_only",
    "constant columns blown up": "test_features.test_scaler",
    "VGAE trained or selected with attacks": "test_flaws.test_the_autoencoder_sees_benign_windows_only",
    "thresholds from test scores": "test_training.test_operating_points_come_from_validation_by_protocol",
    "fusion trained on training windows": "test_flaws.test_the_fusion_is_trained_on_windows_of_its_own",
    "caps that take the first windows": "test_windows.test_sample_takes_each_stratum_in_its_proportion",
    "softmax over the batch": "test_models.test_distillation_is_a_softmax_over_the_classes",
    "best weights that are live weights": "test_models.test_checkpoint_is_a_copy_and_comes_back_the_same",
    "loss weighted by nodes": "test_models.test_vgae_loss_weighs_graphs_not_nodes",
    "sampled latents at evaluation": "test_models.test_vgae_scores_without_chance_and_samples_only_in_training",
    "sigmoid on unbounded features": "test_models.test_vgae_rebuilds_unbounded_features",
    "edge features passed and unused": "test_models.test_gat_uses_edge_features_and_gives_two_logits",
    "decision that is not the fused score": "test_models.test_dqn_learns_whom_to_trust_and_its_decision_is_the_fused_score",
    "a second softmax": "test_flaws.test_a_probability_is_one_softmax_of_the_logits",
    "anomaly score that saturates": "test_evaluation.test_calibrated_score_does_not_saturate",
    "reward for the majority class": "test_models.test_reward_cannot_be_bought_with_the_majority_class",
    "bandit that forgets when refitted": "test_models.test_refitting_the_bandit_forgets_nothing",
    "intervals over whole recordings": "test_evaluation.test_blocks_stay_in_their_recording",
    "rates that few windows cannot resolve": "test_evaluation.test_permille_needs_three_thousand_benign_windows",
    "false alarms without a bound": "test_evaluation.test_poisson_bound_is_exact",
    "sizes that are not counted": "test_models.test_sizes_are_counted",
    "profiles scored on themselves": "test_training.test_no_window_is_scored_that_the_profile_was_taken_from",
    "choice by test results": "test_selection.test_a_blind_choice_opens_no_test_capture",
}


@pytest.mark.parametrize("flaw", ANSWERED)
def test_every_answer_exists(flaw: str) -> None:
    file, _, name = ANSWERED[flaw].partition(".")
    tree = ast.parse((Path(__file__).parent / f"{file}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


class Recording(Prepared):
    """Notes which parts are asked for."""

    parts: list[str] = []  # noqa: RUF012  (one list for all, as the test wants)

    def store(self, part: str) -> GraphStore:
        self.parts.append(part)
        return super().store(part)


TASK = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, CONFIG)


def test_the_autoencoder_sees_benign_windows_only(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[np.ndarray] = []
    real = train.fit

    def watching(module, train, validation, **options):
        labels.extend(np.asarray(b.store.y)[b.index] for b in (train, validation))
        return real(module, train, validation, **options)

    monkeypatch.setattr(train, "fit", watching)
    train_vgae(TASK, prepared)
    assert len(labels) == 4 and all(len(y) and not y.any() for y in labels)
    assert np.asarray(prepared.store("train").y).any()  # there were attacks to leave out


def test_the_fusion_is_trained_on_windows_of_its_own(prepared: Prepared) -> None:
    vgae = train_vgae(TASK, prepared)
    gat = train_gat(TASK, prepared, vgae.difficulty)
    observer = Recording(prepared.folder)
    Recording.parts.clear()
    train_fusion(TASK, observer, vgae.checkpoints | gat.checkpoints)
    assert set(Recording.parts) == {"fusion", "validation"}


def test_a_probability_is_one_softmax_of_the_logits() -> None:
    from kdgat.training.predict import attack_probability

    logits = np.random.default_rng(0).normal(scale=5, size=(50, 2))
    e = np.exp(logits)
    assert np.allclose(attack_probability(logits), e[:, 1] / e.sum(1))
