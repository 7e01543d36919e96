#pragma once
/// \file Convolution of pictures, forward and backward, without padding: for an output pixel (oy, ox) and channel o
///
///     y[oy][ox][o] = f( b[o] + sum over c, ky, kx of  w[o][c][ky][kx] x[c][s oy + ky][s ox + kx] )
///
/// The lanes of a pack are neighbouring channels, of which every layer has a multiple of kMaxLanes: the weights lie as
/// [tap][channel of the output], where a tap is one (c, ky, kx), and a layer's output as [pixel][channel]. A kernel
/// works on several pixels, or several taps, at once, so that what it loads is used more than once.

#include "kernels/activation.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// One layer. The input's element (c, y, x) lies at c * by_channel + y * by_line + x * by_pixel of a row.
struct ConvolutionShape {
  int channels, height, width;  ///< of the input
  Index by_channel, by_line, by_pixel;
  int kernel, stride;  ///< its extent in both directions, and the step from pixel to pixel of the output
  int out_channels;    ///< a multiple of kMaxLanes
  int out_height, out_width;

  STAMPEDE_FN Index taps() const { return static_cast<Index>(channels) * kernel * kernel; }
  STAMPEDE_FN Index pixels() const { return static_cast<Index>(out_height) * out_width; }
  STAMPEDE_FN Index outputs() const { return pixels() * out_channels; }
  /// Where the patch of an output pixel begins in the input's row.
  STAMPEDE_FN Index patch(Index pixel) const {
    const Index line = pixel / out_width;
    return line * stride * by_line + (pixel - line * out_width) * stride * by_pixel;
  }
};

/// Output pixels, or taps, that a kernel works on at once.
inline constexpr int kConvolutionBlock = 8;
STAMPEDE_FN Index blocks_of(Index count) { return (count + kConvolutionBlock - 1) / kConvolutionBlock; }

/// Element i: (row, block of pixels, channel) of `rows` x blocks_of(pixels) x out_channels.
struct ConvolutionForward {
  ConvolutionShape shape;
  const float* weight;  ///< [taps][out_channels]
  const float* bias;    ///< [out_channels]
  const float* input;
  Index input_stride;
  float* output;  ///< [row][pixel][out_channels], rows output_stride apart
  Index output_stride;
  Activation activation;
  float* slope;  ///< likewise, of SiLU only, whose outputs do not determine it

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index of_row = blocks_of(shape.pixels()) * shape.out_channels;
    const Index row = first / of_row, rest = first - row * of_row;
    const Index block = rest / shape.out_channels, channel = rest - block * shape.out_channels;
    const Index begin = block * kConvolutionBlock, last = shape.pixels() - 1;
    const float* patch[kConvolutionBlock];
    Real sum[kConvolutionBlock];
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      // Behind the last pixel that one is computed again, and not stored.
      patch[j] = input + row * input_stride + shape.patch(begin + j < last ? begin + j : last);
      sum[j] = load<Real>(bias + channel);
    }
    const float* w = weight + channel;
    STAMPEDE_NO_UNROLL
    for (int c = 0; c < shape.channels; ++c) {
      for (int ky = 0; ky < shape.kernel; ++ky) {
        for (int kx = 0; kx < shape.kernel; ++kx) {
          const Index at = c * shape.by_channel + ky * shape.by_line + kx * shape.by_pixel;
          const Real factor = load<Real>(w);
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) sum[j] = sum[j] + Real(patch[j][at]) * factor;
          w += shape.out_channels;
        }
      }
    }
    with_activation(activation, [&]<class Tag>(Tag) {
      STAMPEDE_UNROLL
      for (int j = 0; j < kConvolutionBlock; ++j) {
        if (begin + j > last) return;
        const Index place = row * output_stride + (begin + j) * shape.out_channels + channel;
        if constexpr (Tag::value == Activation::kSilu) {
          const Real gate = sigmoid(sum[j]);
          store(slope + place, silu_slope(sum[j], gate));
          store(output + place, sum[j] * gate);
        } else {
          store(output + place, activate<Tag::value>(sum[j]));
        }
      }
    });
  }
};

/// Turns d loss / d outputs into d loss / d sums, in place. Element i: (row, number) of `rows` x outputs().
struct ConvolutionSlopes {
  Index outputs, stride;  ///< of a row
  const float* known;     ///< [row][stride]: the outputs; of SiLU the slopes
  float* delta;           ///< [row][stride]
  Activation activation;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index row = first / outputs, at = row * stride + first - row * outputs;
    const Real y = load<Real>(known + at), d = load<Real>(delta + at);
    with_activation(activation, [&]<class Tag>(Tag) {
      if constexpr (Tag::value == Activation::kSilu) {
        store(delta + at, d * y);
      } else {
        store(delta + at, d * activation_slope<Tag::value>(y));
      }
    });
  }
};

/// The gradient of the weights and, behind them, of the bias. Element i: (block of taps, channel) of
/// blocks_of(taps + 1) x out_channels; the bias counts as one more tap, whose input is 1.
struct ConvolutionWeightGradient {
  ConvolutionShape shape;
  Index rows;
  const float* input;
  Index input_stride;
  const float* delta;
  Index delta_stride;
  float* weight;  ///< [taps][out_channels]
  float* bias;    ///< [out_channels]
  bool accumulates;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index block = first / shape.out_channels, channel = first - block * shape.out_channels;
    const Index begin = block * kConvolutionBlock, taps = shape.taps();
    const Index area = static_cast<Index>(shape.kernel) * shape.kernel;
    Index at[kConvolutionBlock];
    Real sum[kConvolutionBlock], of_bias(0.0f);
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      const Index tap = begin + j < taps ? begin + j : 0;
      const Index c = tap / area, in_area = tap - c * area;
      at[j] = c * shape.by_channel + in_area / shape.kernel * shape.by_line + in_area % shape.kernel * shape.by_pixel;
      sum[j] = Real(0.0f);
    }
    STAMPEDE_NO_UNROLL
    for (Index row = 0; row < rows; ++row) {
      const float* x = input + row * input_stride;
      const float* d = delta + row * delta_stride + channel;
      for (int oy = 0; oy < shape.out_height; ++oy) {
        const float* patch = x + static_cast<Index>(oy) * shape.stride * shape.by_line;
        for (int ox = 0; ox < shape.out_width; ++ox) {
          const Real slope = load<Real>(d);
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) sum[j] = sum[j] + Real(patch[at[j]]) * slope;
          of_bias = of_bias + slope;
          patch += shape.stride * shape.by_pixel;
          d += shape.out_channels;
        }
      }
    }
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      if (begin + j > taps) return;
      float* to = begin + j == taps ? bias + channel : weight + (begin + j) * shape.out_channels + channel;
      const Real total = begin + j == taps ? of_bias : sum[j];
      store(to, accumulates ? load<Real>(to) + total : total);
    }
  }
};

/// Weights as the next kernel reads them: [ky][kx][channel of the output][channel of the input]. Element i of the
/// target; `channels` must be a multiple of kMaxLanes.
struct ConvolutionTransposed {
  ConvolutionShape shape;
  const float* weight;
  float* target;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index area = static_cast<Index>(shape.kernel) * shape.kernel;
    const Index channel = first % shape.channels, above = first / shape.channels;
    const Index out = above % shape.out_channels, in_area = above / shape.out_channels;
    const Index by_channel = area * shape.out_channels;
    store(target + first,
          load_strided<Real>(weight + (channel * area + in_area) * shape.out_channels + out, by_channel));
  }
};

/// The gradient of the inputs. Element i: (row, pixel of the input, channel) of `rows` x height x width x channels,
/// where the input lies as [pixel][channel].
struct ConvolutionInputGradient {
  ConvolutionShape shape;
  const float* transposed;  ///< ConvolutionTransposed
  const float* delta;
  Index delta_stride;
  float* gradient;  ///< rows gradient_stride apart
  Index gradient_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index of_row = static_cast<Index>(shape.height) * shape.width * shape.channels;
    const Index row = first / of_row, rest = first - row * of_row;
    const Index pixel = rest / shape.channels, channel = rest - pixel * shape.channels;
    const int y = static_cast<int>(pixel / shape.width), x = static_cast<int>(pixel % shape.width);
    Real sum[4] = {Real(0.0f), Real(0.0f), Real(0.0f), Real(0.0f)};
    STAMPEDE_NO_UNROLL
    for (int ky = 0; ky < shape.kernel; ++ky) {
      const int down = y - ky, oy = down / shape.stride;
      if (down < 0 || down % shape.stride != 0 || oy >= shape.out_height) continue;
      for (int kx = 0; kx < shape.kernel; ++kx) {
        const int right = x - kx, ox = right / shape.stride;
        if (right < 0 || right % shape.stride != 0 || ox >= shape.out_width) continue;
        const float* d =
            delta + row * delta_stride + (static_cast<Index>(oy) * shape.out_width + ox) * shape.out_channels;
        const float* w =
            transposed + (static_cast<Index>(ky) * shape.kernel + kx) * shape.out_channels * shape.channels + channel;
        for (int out = 0; out < shape.out_channels; out += 4) {
          STAMPEDE_UNROLL
          for (int j = 0; j < 4; ++j) {
            sum[j] = sum[j] + Real(d[out + j]) * load<Real>(w + static_cast<Index>(out + j) * shape.channels);
          }
        }
      }
    }
    store(gradient + row * gradient_stride + rest, (sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
};

/// Copies columns of rows: element i is (row, column) of `rows` x `padded`; columns from `columns` on become 0.
struct CopyColumns {
  const float* from;
  Index from_stride;
  float* to;
  Index to_stride, columns, padded;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index row = first / padded, column = first - row * padded;
    STAMPEDE_NO_UNROLL
    for (int lane = 0; lane < kLanes<Real>; ++lane) {
      const Index at = column + lane;
      to[row * to_stride + at] = at < columns ? from[row * from_stride + at] : 0.0f;
    }
  }
};

}  // namespace stampede
