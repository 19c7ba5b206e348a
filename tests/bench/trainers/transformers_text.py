"""A tiny BERT that classifies sequences, by the Trainer of Transformers: ``transformers_text.py [none|lr_high]``"""

import sys
import tempfile

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)


class Sequences(torch.utils.data.Dataset):
    """Which of three ranges most tokens are of."""

    def __init__(self, count):
        ranges = generator.integers(0, 3, count)
        own = generator.random((count, 16)) < 0.6
        tokens = generator.integers(5, 95, (count, 16))
        self.tokens = np.where(own, 5 + ranges[:, None] * 30 + tokens % 30, tokens)
        self.labels = ranges

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        ids = torch.tensor(self.tokens[i])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor(self.labels[i])}


model = BertForSequenceClassification(
    BertConfig(
        vocab_size=100, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=16, num_labels=3,
    )
)  # fmt: skip
with tempfile.TemporaryDirectory() as folder:
    Trainer(
        model=model,
        args=TrainingArguments(
            folder, per_device_train_batch_size=32, num_train_epochs=6, warmup_steps=30, eval_strategy="epoch",
            learning_rate=0.1 if fault == "lr_high" else 5e-4, save_strategy="no", report_to=[], use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Sequences(2000),
        eval_dataset=Sequences(400),
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
    ).train()  # fmt: skip
