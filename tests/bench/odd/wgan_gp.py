"""A WGAN-GP: five steps of the critic to one of the generator, a penalty on the gradient by the inputs."""

import torch
from data import pictures
from torch import autograd, nn

torch.manual_seed(0)
images, _ = pictures(2000, seed=0)
images = images.flatten(1) * 2 - 1
generator = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 256), nn.Tanh())
critic = nn.Sequential(
    nn.Linear(256, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
)
of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.0, 0.9))
of_critic = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.0, 0.9))


def gradient_penalty(real, fake):
    alpha = torch.rand(len(real), 1)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (gradient,) = autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return ((gradient.norm(dim=1) - 1) ** 2).mean()


for step in range(1000):
    real = images[torch.randint(len(images), (64,))]
    fake = generator(torch.randn(64, 16)).detach()
    loss_critic = critic(fake).mean() - critic(real).mean() + 10 * gradient_penalty(real, fake)
    of_critic.zero_grad()
    loss_critic.backward()
    of_critic.step()
    if step % 5 == 4:
        loss_generator = -critic(generator(torch.randn(64, 16))).mean()
        of_generator.zero_grad()
        loss_generator.backward()
        of_generator.step()
    if step % 100 == 99:
        with torch.no_grad():
            distance = (generator(torch.randn(256, 16)).mean(0) - images.mean(0)).abs().mean()
        print(f"{step} critic {loss_critic:.3f} mean picture off by {distance:.3f}")
