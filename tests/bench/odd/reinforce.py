"""REINFORCE: one step an episode, of a loss whose level says nothing."""

import random

import torch
from cartpole import CartPole
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
random.seed(0)
env = CartPole()
policy = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.1), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
running = 10.0
for episode in range(220):
    state, done, log_probs, rewards = env.reset(), False, [], []
    while not done:
        action = Categorical(logits=policy(torch.tensor(state)[None]))
        drawn = action.sample()
        log_probs.append(action.log_prob(drawn))
        state, reward, done = env.step(drawn.item())
        rewards.append(reward)
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + 0.99 * total
        returns.insert(0, total)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    loss = -(torch.cat(log_probs) * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    running = 0.05 * len(rewards) + 0.95 * running
    if episode % 20 == 19:
        print(f"Episode {episode}\tLast reward: {len(rewards)}\tAverage reward: {running:.2f}")
