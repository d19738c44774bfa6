"""The Keras guide's other workflow: the base runs once over the data, then `fit`.

python benchmarks/keras_features_script.py ROOT EPOCHS [MobileNetV2] [224]

ROOT holds `train/` and `test/`, each with one folder a class. As the guide on transfer
learning says of it: quicker and cheaper, and without augmentation. The whole classifier
is saved at the end. Prints a JSON line.
"""

import json
import os
import sys
import tempfile
import time

started = time.perf_counter()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

ROOT, EPOCHS = sys.argv[1], int(sys.argv[2])
NAME = sys.argv[3] if len(sys.argv) > 3 else "MobileNetV2"
SIZE = int(sys.argv[4]) if len(sys.argv) > 4 else 224

keras.utils.set_random_seed(0)
base = getattr(keras.applications, NAME)(
    include_top=False, weights="imagenet", input_shape=(SIZE, SIZE, 3), pooling="avg"
)
rescaled = keras.layers.Rescaling(1 / 127.5, -1)


def features(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what the base makes of a folder, and the labels."""
    data = keras.utils.image_dataset_from_directory(
        os.path.join(ROOT, part), shuffle=False, image_size=(SIZE, SIZE), batch_size=32
    )
    names = [os.path.basename(os.path.dirname(path)) for path in data.file_paths]
    label = np.array([data.class_names.index(name) for name in names])
    images = data.map(lambda x, y: rescaled(x), num_parallel_calls=tf.data.AUTOTUNE)
    return base.predict(images.prefetch(tf.data.AUTOTUNE), verbose=0), label


train, test = features("train"), features("test")
vector = keras.Input(base.output_shape[1:])
dropped = keras.layers.Dropout(0.2)(vector)
head = keras.Model(vector, keras.layers.Dense(int(train[1].max()) + 1)(dropped))
head.compile(
    keras.optimizers.Adam(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = head.fit(
    *train, validation_data=test, epochs=EPOCHS, batch_size=32, verbose=0
)
pixels = keras.Input((SIZE, SIZE, 3))
whole = keras.Model(pixels, head(base(rescaled(pixels), training=False)))
with tempfile.TemporaryDirectory() as folder:
    whole.save(os.path.join(folder, "model.keras"))
print(
    json.dumps(
        {
            "accuracy": history.history["val_accuracy"][-1],
            "seconds": time.perf_counter() - started,
        }
    )
)
