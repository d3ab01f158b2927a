"""What is minimised: the losses of the autoencoder and of the classifier, with and without a teacher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat.config import Distillation, Training
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.training.micro_batches import MicroBatchModule

#: share of the optimiser's steps in which the learning rate rises
WARM_UP = 0.1


class VGAEModule(MicroBatchModule):
    """Trains a VGAE on benign windows; a student also learns the teacher's graph latents.

    Args:
        model: the autoencoder.
        training: optimisation.
        beta: weight of the KL term.
        teacher: f32[B, L], the teacher's graph latents by position in the store (None: no distillation).
        weight: weight λ of the distillation: (1 − λ)·ELBO + λ·MSE(W·latent, teacher's latent).
    """

    def __init__(
        self, model: VGAE, training: Training, beta: float, teacher: Tensor | None = None, weight: float = 0.7
    ) -> None:
        super().__init__()
        self.model, self.training_config, self.beta, self.weight = model, training, beta, weight
        self.teacher = teacher
        self.project = nn.Linear(model.mean.out_features, teacher.shape[1]) if teacher is not None else None

    def loss(self, batch: GraphBatch) -> Tensor:
        """(1 − λ)·ELBO + λ·MSE of the latents; without a teacher the ELBO alone."""
        out = self.model(batch).first(len(batch.y))
        loss = self.model.loss(out, self.beta)
        if self.teacher is not None and self.project is not None:
            self.teacher = self.teacher.to(batch.index.device)  # once: a copy per step would wait for the device
            match = F.mse_loss(self.project(out.latent), self.teacher[batch.index])
            loss = (1 - self.weight) * loss + self.weight * match
        return loss

    def validation_metrics(self, batch: GraphBatch) -> dict[str, Tensor]:
        """Negative ELBO of the validation windows, the same for teacher and student."""
        return {"validation_loss": self.model.loss(self.model(batch), self.beta)}

    def configure_optimizers(self) -> Any:
        """AdamW; the rate follows one cycle where the number of steps is known and enough to warm up in."""
        return _optimiser(self, self.training_config, self.steps)


class GATModule(MicroBatchModule):
    """Trains a GAT; a student is distilled: λ·T²·KL(student/T ‖ teacher/T) + (1 − λ)·CE (arXiv 2507.19686).

    Both logits enter the softmax of each window; a softmax over one flattened logit would run over the batch instead.

    Args:
        model: the classifier.
        training: optimisation and curriculum.
        distillation: λ and T.
        teacher: f32[B, 2], the teacher's logits by position in the store (None: no distillation).
    """

    def __init__(
        self, model: GAT, training: Training, distillation: Distillation, teacher: Tensor | None = None
    ) -> None:
        super().__init__()
        self.model, self.training_config, self.distillation = model, training, distillation
        self.teacher = teacher

    def loss(self, batch: GraphBatch) -> Tensor:
        """Cross-entropy, or with a teacher `distillation_loss`."""
        logits = self.model(batch)[: len(batch.y)]
        if self.teacher is None:
            return F.cross_entropy(logits, batch.y)
        self.teacher = self.teacher.to(batch.index.device)  # once: a copy per step would wait for the device
        return distillation_loss(logits, self.teacher[batch.index], batch.y, self.distillation)

    def validation_metrics(self, batch: GraphBatch) -> dict[str, Tensor]:
        """Cross-entropy and accuracy of the validation windows."""
        logits = self.model(batch)
        right = (logits.argmax(1) == batch.y).float().mean()
        return {"validation_loss": F.cross_entropy(logits, batch.y), "validation_accuracy": right}

    def configure_optimizers(self) -> Any:
        """AdamW; the rate follows one cycle where the number of steps is known and enough to warm up in."""
        return _optimiser(self, self.training_config, self.steps)


def distillation_loss(student: Tensor, teacher: Tensor, y: Tensor, config: Distillation) -> Tensor:
    """λ·T²·KL(softmax(teacher/T) ‖ softmax(student/T)) + (1 − λ)·CE(student, y); logits f32[B, 2] (Hinton et al. 2015)."""
    t = config.temperature
    divergence = F.kl_div(
        F.log_softmax(student / t, 1), F.log_softmax(teacher / t, 1), reduction="batchmean", log_target=True
    )
    return config.weight * t * t * divergence + (1 - config.weight) * F.cross_entropy(student, y)


def _optimiser(module: MicroBatchModule, config: Training, steps: int) -> Any:
    optimiser = torch.optim.AdamW(
        module.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=module.fused
    )
    # the rate stays as it is where nobody knows how long training will take, or it is too short to warm up in
    if config.patience or WARM_UP * steps <= 1:
        return optimiser
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps, pct_start=WARM_UP
    )
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
