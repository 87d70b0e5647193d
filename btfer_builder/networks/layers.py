"""Layers that Keras does not have; models that use them can be loaded after this import."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="btfer")
class StopHalfGradient(keras.layers.Layer):  # type: ignore[misc]
    """Identity whose gradient is that of the first half of the channels only.

    The authors' RepVGG has one before each block under the name of gradient checkpointing, which is something else.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the input, (batch, height, width, channels)."""
        half = inputs.shape[-1] // 2
        return ops.concatenate([inputs[..., :half], ops.stop_gradient(inputs[..., half:])], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable(package="btfer")
class LocalResponseNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Normalise each channel by its neighbours (Krizhevsky et al. 2012, §3.3, with its constants)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the normalised values, (batch, height, width, channels)."""
        # n = 5, k = 2, α = 1e-4, β = 0.75; computed in float32, because the power of a half float is inaccurate.
        normal = tf.nn.local_response_normalization(
            tf.cast(inputs, tf.float32), depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75
        )
        return tf.cast(normal, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable(package="btfer")
class AddPositions(keras.layers.Layer):  # type: ignore[misc]
    """Add a learned position vector to each token (Dosovitskiy et al. 2021, §3.1)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create one vector for each token; the input is (batch, tokens, width)."""
        self.positions = self.add_weight(
            name="positions",
            shape=input_shape[1:],
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the tokens with their positions added, (batch, tokens, width)."""
        return inputs + ops.cast(self.positions, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape
