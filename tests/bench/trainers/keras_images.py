"""A picture classifier by Keras on torch: ``keras_images.py [none|lr_high]``"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from shapes import CLASSES, single

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
keras.utils.set_random_seed(0)
generator = np.random.default_rng(0)
images, labels = map(list, zip(*(single(generator, 32) for _ in range(1500)), strict=True))
pixels = np.stack([image.numpy().transpose(1, 2, 0) for image in images])
kinds = np.array(labels)
model = keras.Sequential(
    [
        keras.layers.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(len(CLASSES), activation="softmax"),
    ]
)
model.compile(
    keras.optimizers.Adam(1.0 if fault == "lr_high" else 1e-3),
    "sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(pixels, kinds, batch_size=32, epochs=8, validation_split=0.2, verbose=2)
