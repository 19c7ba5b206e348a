"""PPO: several epochs over the same rollout, then it is thrown away."""

import random

import torch
from cartpole import CartPole
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
random.seed(0)
env = CartPole()


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.actor = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))

    def forward(self, x):
        return self.actor(x), self.critic(x).squeeze(-1)


agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=1e-3, eps=1e-5)
state, finished = env.reset(), [0]
UPDATES, STEPS = 25, 256
for update in range(UPDATES):
    optimizer.param_groups[0]["lr"] = 1e-3 * (1 - update / UPDATES)
    states, actions, log_probs, values, dones = [], [], [], [], []
    for _ in range(STEPS):
        with torch.no_grad():
            logits, value = agent(torch.tensor(state)[None])
        drawn = Categorical(logits=logits)
        action = drawn.sample()
        states.append(state)
        actions.append(action)
        log_probs.append(drawn.log_prob(action))
        values.append(value)
        state, _, done = env.step(action.item())
        dones.append(done)
        if done:
            finished.append(env.steps)
            state = env.reset()
    with torch.no_grad():
        following = agent(torch.tensor(state)[None])[1].item()
    values = torch.cat(values)
    advantages, carried = torch.zeros(STEPS), 0.0
    for t in reversed(range(STEPS)):
        alive = 0.0 if dones[t] else 1.0
        delta = 1.0 + 0.99 * following * alive - values[t].item()
        carried = delta + 0.99 * 0.95 * alive * carried
        advantages[t], following = carried, values[t].item()
    returns = advantages + values
    states, actions, log_probs = torch.tensor(states), torch.cat(actions), torch.cat(log_probs)
    for _ in range(4):
        for rows in torch.randperm(STEPS).split(64):
            logits, value = agent(states[rows])
            drawn = Categorical(logits=logits)
            ratio = (drawn.log_prob(actions[rows]) - log_probs[rows]).exp()
            advantage = (advantages[rows] - advantages[rows].mean()) / (advantages[rows].std() + 1e-8)
            pg_loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2)).mean()
            v_loss = 0.5 * ((value - returns[rows]) ** 2).mean()
            loss = pg_loss - 0.01 * drawn.entropy().mean() + 0.5 * v_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
    print(f"update {update} episodic_return {sum(finished[-10:]) / len(finished[-10:]):.1f} v_loss {v_loss:.3f}")
