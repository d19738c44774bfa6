"""What a user without this package writes: a frozen base, a new top, `fit`.

python benchmarks/keras_script.py ROOT EPOCHS [MobileNetV2] [224] [cache]

ROOT holds `train/` and `test/`, each with one folder a class. With `cache` the decoded
images are kept in memory after the first epoch. Prints a JSON line.
"""

import json
import os
import sys
import time

started = time.perf_counter()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402

ROOT, EPOCHS = sys.argv[1], int(sys.argv[2])
NAME = sys.argv[3] if len(sys.argv) > 3 else "MobileNetV2"
SIZE = int(sys.argv[4]) if len(sys.argv) > 4 else 224
CACHE = sys.argv[5:] == ["cache"]

keras.utils.set_random_seed(0)
settings = {"image_size": (SIZE, SIZE), "batch_size": 32}
train, test = (
    keras.utils.image_dataset_from_directory(
        os.path.join(ROOT, part), shuffle=part == "train", seed=0, **settings
    )
    for part in ("train", "test")
)
classes = len(train.class_names)
if CACHE:
    train, test = train.cache(), test.cache()
base = getattr(keras.applications, NAME)(
    include_top=False, weights="imagenet", input_shape=(SIZE, SIZE, 3)
)
base.trainable = False
inputs = keras.Input((SIZE, SIZE, 3))
maps = base(keras.layers.Rescaling(1 / 127.5, -1)(inputs), training=False)
vector = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(maps))
model = keras.Model(inputs, keras.layers.Dense(classes)(vector))
model.compile(
    keras.optimizers.Adam(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(
    train.prefetch(2),
    validation_data=test.prefetch(2),
    epochs=EPOCHS,
    verbose=0,
    shuffle=False,
)
print(
    json.dumps(
        {
            "accuracy": history.history["val_accuracy"][-1],
            "seconds": time.perf_counter() - started,
        }
    )
)
