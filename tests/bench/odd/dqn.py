"""DQN: a replay memory, a target network that follows, no epochs."""

import random
from collections import deque

import torch
from cartpole import CartPole
from torch import nn

torch.manual_seed(0)
random.seed(0)
env, memory = CartPole(), deque(maxlen=5000)


def dqn():
    return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


policy_net, target_net = dqn(), dqn()
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
criterion = nn.SmoothL1Loss()


def optimize_model():
    state, action, reward, following, done = (
        torch.tensor(column) for column in zip(*random.sample(memory, 64), strict=True)
    )
    values = policy_net(state).gather(1, action[:, None]).squeeze(1)
    with torch.no_grad():
        best = target_net(following).max(1).values * ~done
    loss = criterion(values, reward + 0.95 * best)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    for target, policy in zip(target_net.parameters(), policy_net.parameters(), strict=True):
        target.data.lerp_(policy.data, 0.01)
    return loss.item()


taken, lengths = 0, []
while taken < 3000:
    state, done = env.reset(), False
    while not done:
        taken += 1
        explores = random.random() < max(0.05, 1 - taken / 1500)
        with torch.no_grad():
            action = random.randrange(2) if explores else policy_net(torch.tensor(state)[None]).argmax().item()
        following, reward, done = env.step(action)
        memory.append((state, action, reward, following, done))
        state = following
        if len(memory) >= 200:
            loss = optimize_model()
    lengths.append(env.steps)
    if len(lengths) % 10 == 0:
        print(f"episode {len(lengths)} mean length {sum(lengths[-10:]) / 10:.1f}")
