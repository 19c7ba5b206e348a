"""A2C: eight environments at once, five steps a rollout, one step of the optimizer for each."""

import random

import torch
from cartpole import CartPole
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
random.seed(0)
envs = [CartPole() for _ in range(8)]


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.Tanh())
        self.actor, self.critic = nn.Linear(64, 2), nn.Linear(64, 1)

    def forward(self, x):
        hidden = self.body(x)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


model = ActorCritic()
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3, eps=1e-5)
states, finished = [env.reset() for env in envs], []
for update in range(700):
    log_probs, values, entropies, alive = [], [], [], []
    for _ in range(5):
        drawn, value = model(torch.tensor(states))
        actions = drawn.sample()
        log_probs.append(drawn.log_prob(actions))
        values.append(value)
        entropies.append(drawn.entropy())
        done = []
        for i, env in enumerate(envs):
            states[i], _, over = env.step(actions[i].item())
            done.append(0.0 if over else 1.0)
            if over:
                finished.append(env.steps)
                states[i] = env.reset()
        alive.append(torch.tensor(done))
    with torch.no_grad():
        total = model(torch.tensor(states))[1]
    returns = []
    for mask in reversed(alive):
        total = 1.0 + 0.99 * total * mask
        returns.insert(0, total)
    advantage = torch.stack(returns) - torch.stack(values)
    policy_loss = -(torch.stack(log_probs) * advantage.detach()).mean()
    value_loss = advantage.pow(2).mean()
    loss = policy_loss + 0.5 * value_loss - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    if update % 100 == 99:
        print(f"update {update} mean length {sum(finished[-20:]) / 20:.1f} value loss {value_loss:.2f}")
