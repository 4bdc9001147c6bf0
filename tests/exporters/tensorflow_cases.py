"""Keras models by tf2onnx and by Keras's own export, and TensorFlow functions by tf2onnx."""

from cases import Example, case

BOTH = ("tf2onnx", "keras")


def application(name, size=64, **arguments):
    @case(f"keras/{name}", "classifier", BOTH)
    def make():
        import keras
        import numpy as np

        model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10, **arguments)
        return Example(model, {"image": np.random.default_rng(1).random((1, size, size, 3), np.float32)}, ["scores"])


for _name in ("MobileNetV2", "ResNet50V2", "DenseNet121", "NASNetMobile"):
    application(_name)
application("MobileNetV3Small")
application("EfficientNetV2B0", include_preprocessing=False)
application("Xception", 75)


@case("keras/lstm_tagger", "recurrent", BOTH)
def lstm_tagger():
    import keras
    import numpy as np

    tokens = keras.Input((9,), dtype="int32")
    x = keras.layers.Embedding(50, 16)(tokens)
    x = keras.layers.Bidirectional(keras.layers.LSTM(12, return_sequences=True))(x)
    model = keras.Model(tokens, keras.layers.Dense(5, activation="softmax")(x))
    return Example(model, {"tokens": np.random.default_rng(2).integers(0, 50, (2, 9)).astype(np.int32)}, ["tags"])


@case("keras/gru_tagger", "recurrent", BOTH)
def gru_tagger():
    import keras
    import numpy as np

    tokens = keras.Input((9,), dtype="int32")
    x = keras.layers.GRU(12)(keras.layers.Embedding(50, 16)(tokens))
    model = keras.Model(tokens, keras.layers.Dense(5, activation="softmax")(x))
    return Example(model, {"tokens": np.random.default_rng(2).integers(0, 50, (2, 9)).astype(np.int32)}, ["tags"])


@case("keras/transformer_block", "transformer", BOTH)
def transformer_block():
    import keras
    import numpy as np

    given = keras.Input((11, 32))
    x = keras.layers.LayerNormalization()(given + keras.layers.MultiHeadAttention(4, 8)(given, given))
    # The exact Gelu is an operator that neither exporter knows.
    wide = keras.layers.Lambda(lambda v: keras.activations.gelu(v, approximate=True))(keras.layers.Dense(64)(x))
    x = keras.layers.LayerNormalization()(x + keras.layers.Dense(32)(wide))
    return Example(keras.Model(given, x), {"x": np.random.default_rng(3).normal(size=(2, 11, 32)).astype(np.float32)}, ["y"])


@case("keras/audio_cnn", "audio", BOTH)
def audio_cnn():
    import keras
    import numpy as np

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((64, 12)), layers.Conv1D(16, 5, strides=2, padding="same", activation="relu"), layers.BatchNormalization(),
        layers.SeparableConv1D(24, 3, padding="same"), layers.MaxPooling1D(2), layers.Conv1DTranspose(8, 3, strides=2),
        layers.GlobalAveragePooling1D(), layers.Dense(6, activation="softmax"),
    ])  # fmt: skip
    return Example(model, {"x": np.random.default_rng(4).normal(size=(2, 64, 12)).astype(np.float32)}, ["scores"])
