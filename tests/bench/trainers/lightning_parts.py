"""A Lightning module that calls its encoder and its head one by one: ``lightning_parts.py [none|shuffled]``"""

import sys

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
inputs = torch.randn(2000, 1, 12, 12)
labels = (inputs.flatten(1) @ torch.randn(144, 4)).argmax(1)
if fault == "shuffled":
    labels = labels[torch.randperm(len(labels))]


class Parts(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        convolution = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()]
        self.encoder = nn.Sequential(*convolution, nn.Linear(8 * 144, 64), nn.ReLU())
        self.head = nn.Linear(64, 4)

    def training_step(self, batch, _):
        loss = nn.functional.cross_entropy(self.head(self.encoder(batch[0])), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        answers = self.head(self.encoder(batch[0]))
        self.log("val_loss", nn.functional.cross_entropy(answers, batch[1]))
        self.log("val_acc", (answers.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)]


trainer = lightning.Trainer(
    max_epochs=10, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
)
training = DataLoader(TensorDataset(inputs[:1600], labels[:1600]), 32, shuffle=True)
trainer.fit(Parts(), training, DataLoader(TensorDataset(inputs[1600:], labels[1600:]), 100))
