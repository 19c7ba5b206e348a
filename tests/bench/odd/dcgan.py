"""A DCGAN: two optimizers, each of which moves its own network in every step."""

import torch
from data import pictures
from torch import nn

torch.manual_seed(0)
images, _ = pictures(2000, seed=0)
real = torch.utils.data.DataLoader(images * 2 - 1, batch_size=32, shuffle=True, drop_last=True)


def weights_init(module):
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)


generator = nn.Sequential(
    nn.ConvTranspose2d(32, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
    nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
    nn.ConvTranspose2d(16, 1, 4, 2, 1, bias=False), nn.Tanh(),
)  # fmt: skip
discriminator = nn.Sequential(
    nn.Conv2d(1, 16, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True),
    nn.Conv2d(16, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.2, True),
    nn.Conv2d(32, 1, 4, 1, 0, bias=False),
)  # fmt: skip
generator.apply(weights_init)
discriminator.apply(weights_init)
criterion = nn.BCEWithLogitsLoss()
of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
ones, zeros = torch.ones(32), torch.zeros(32)
fixed = torch.randn(64, 32, 1, 1)
for epoch in range(8):
    for batch in real:
        discriminator.zero_grad()
        loss_real = criterion(discriminator(batch).flatten(), ones)
        loss_real.backward()
        fake = generator(torch.randn(32, 32, 1, 1))
        loss_fake = criterion(discriminator(fake.detach()).flatten(), zeros)
        loss_fake.backward()
        of_discriminator.step()

        generator.zero_grad()
        loss_generator = criterion(discriminator(fake).flatten(), ones)
        loss_generator.backward()
        of_generator.step()
    with torch.no_grad():
        samples = generator(fixed)
    distance = (samples.mean(0) - (images * 2 - 1).mean(0)).abs().mean()
    print(f"{epoch} D {loss_real + loss_fake:.3f} G {loss_generator:.3f} mean picture off by {distance:.3f}")
