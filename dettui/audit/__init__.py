"""Checks that need torch, torchvision or albumentations."""
