"""A tiny GPT-2 that predicts the next token, by the Trainer of Transformers: ``transformers_words.py [none|lr_low]``"""

import sys
import tempfile

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
chain = generator.dirichlet(np.full(48, 0.05), 48)


class Chains(torch.utils.data.Dataset):
    """Walks over a chain of 48 tokens."""

    def __init__(self, count):
        walks = np.empty((count, 32), dtype=np.int64)
        walks[:, 0] = generator.integers(0, 48, count)
        for at in range(1, 32):
            draws = generator.random((count, 1))
            walks[:, at] = (chain[walks[:, at - 1]].cumsum(1) < draws).sum(1).clip(max=47)
        self.walks = torch.from_numpy(walks)

    def __len__(self):
        return len(self.walks)

    def __getitem__(self, i):
        return {"input_ids": self.walks[i], "labels": self.walks[i]}


model = GPT2LMHeadModel(GPT2Config(vocab_size=48, n_positions=32, n_embd=64, n_layer=2, n_head=4))
with tempfile.TemporaryDirectory() as folder:
    Trainer(
        model=model,
        args=TrainingArguments(
            folder, per_device_train_batch_size=16, gradient_accumulation_steps=2, num_train_epochs=5, warmup_steps=30,
            eval_strategy="epoch", learning_rate=1e-8 if fault == "lr_low" else 2e-3, lr_scheduler_type="cosine",
            weight_decay=0.01, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
        ),
        train_dataset=Chains(2000),
        eval_dataset=Chains(200),
    ).train()  # fmt: skip
