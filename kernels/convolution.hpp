#pragma once
/// \file Convolution of pictures, forward and backward, without padding: for an output pixel (oy, ox) and channel o
///
///     y[oy][ox][o] = f( b[o] + sum over c, ky, kx of  w[o][c][ky][kx] x[c][s oy + ky][s ox + kx] )
///
/// The lanes of a pack are neighbouring channels, of which every layer has a multiple of kMaxLanes: the weights lie as
/// [tap][channel of the output], where a tap is one (c, ky, kx), and a layer's output as [pixel][channel]. A kernel
/// works on several pixels, or several taps, at once, so that what it loads is used more than once.

#include <algorithm>

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
inline constexpr int kConvolutionBlock = 6;
STAMPEDE_FN Index blocks_of(Index count) { return (count + kConvolutionBlock - 1) / kConvolutionBlock; }

/// Packs of neighbouring channels that a kernel works on at once: together with the block above they fill the registers
/// of a CPU. It is called for each pack, and does nothing for all but the first of them.
template <class Real>
inline constexpr int kChannelPacks = kLanes<Real> == 1 || kLanes<Real> >= kMaxLanes ? 1 : 2;
template <class Real>
inline constexpr Index kChannelsAtOnce = Index{kChannelPacks<Real>} * kLanes<Real>;

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
    constexpr int kPacks = kChannelPacks<Real>;
    const Index of_row = blocks_of(shape.pixels()) * shape.out_channels;
    const Index row = first / of_row, rest = first - row * of_row;
    const Index block = rest / shape.out_channels, channel = rest - block * shape.out_channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    const Index begin = block * kConvolutionBlock, last = shape.pixels() - 1;
    const float* patch[kConvolutionBlock];
    Real sum[kConvolutionBlock][kPacks];
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      // Behind the last pixel that one is computed again, and not stored.
      patch[j] = input + row * input_stride + shape.patch(begin + j < last ? begin + j : last);
      STAMPEDE_UNROLL
      for (int v = 0; v < kPacks; ++v) sum[j][v] = load<Real>(bias + channel + v * kLanes<Real>);
    }
    const float* w = weight + channel;
    STAMPEDE_NO_UNROLL
    for (int c = 0; c < shape.channels; ++c) {
      for (int ky = 0; ky < shape.kernel; ++ky) {
        Index at = c * shape.by_channel + ky * shape.by_line;
        for (int kx = 0; kx < shape.kernel; ++kx) {
          Real factor[kPacks];
          STAMPEDE_UNROLL
          for (int v = 0; v < kPacks; ++v) factor[v] = load<Real>(w + v * kLanes<Real>);
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) {
            const Real x(patch[j][at]);
            STAMPEDE_UNROLL
            for (int v = 0; v < kPacks; ++v) sum[j][v] = sum[j][v] + x * factor[v];
          }
          at += shape.by_pixel;
          w += shape.out_channels;
        }
      }
    }
    with_activation(activation, [&]<class Tag>(Tag) {
      STAMPEDE_UNROLL
      for (int j = 0; j < kConvolutionBlock; ++j) {
        if (begin + j > last) return;
        STAMPEDE_UNROLL
        for (int v = 0; v < kPacks; ++v) {
          const Real z = sum[j][v];
          const Index place = row * output_stride + (begin + j) * shape.out_channels + channel + v * kLanes<Real>;
          if constexpr (Tag::value == Activation::kSilu) {
            const Real gate = sigmoid(z);
            store(slope + place, silu_slope(z, gate));
            store(output + place, z * gate);
          } else {
            store(output + place, activate<Tag::value>(z));
          }
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

/// The gradient of the bias. Element i: channel.
struct ConvolutionBiasGradient {
  Index rows, pixels, channels;
  const float* delta;
  Index delta_stride;
  float* bias;  ///< [channels]
  bool accumulates;

  template <class Real>
  STAMPEDE_FN void operator()(Index channel) const {
    Real sum(0.0f);
    for (Index row = 0; row < rows; ++row) {
      const float* d = delta + row * delta_stride + channel;
      for (Index pixel = 0; pixel < pixels; ++pixel, d += channels) sum = sum + load<Real>(d);
    }
    store(bias + channel, accumulates ? load<Real>(bias + channel) + sum : sum);
  }
};

/// The gradient of the weights. Element i: (block of taps, channel) of blocks_of(taps) x out_channels.
template <class LaneReal>
struct ConvolutionWeightGradient {
  using Real = LaneReal;
  ConvolutionShape shape;
  Index rows;
  const float* input;
  Index input_stride;
  const float* delta;
  Index delta_stride;
  float* weight;  ///< [taps][out_channels]
  bool accumulates;

  template <class>
  STAMPEDE_FN void operator()(Index first) const {
    add_rows(first, 0, rows);
  }

#if !defined(__CUDACC__)
  /// On a CPU all elements learn from a few rows, which stay in the cache, before the next ones are taken.
  void operator()(Range range) const {
    constexpr Index kCached = 24 << 10;  // numbers
    const Index at_once = std::max<Index>(1, kCached / (delta_stride + input_stride));
    for (Index row = 0; row < rows; row += at_once) {
      for (Index i = range.begin; i < range.end; i += kLanes<Real>) add_rows(i, row, std::min(row + at_once, rows));
    }
  }
#endif

 private:
  STAMPEDE_FN void add_rows(Index first, Index from, Index to) const {
    constexpr int kPacks = kChannelPacks<Real>;
    const Index block = first / shape.out_channels, channel = first - block * shape.out_channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    const Index begin = block * kConvolutionBlock, taps = shape.taps();
    const Index area = static_cast<Index>(shape.kernel) * shape.kernel;
    const float* patch[kConvolutionBlock];
    Real sum[kConvolutionBlock][kPacks];
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      const Index tap = begin + j < taps ? begin + j : 0;
      const Index c = tap / area, in_area = tap - c * area;
      patch[j] = input + from * input_stride + c * shape.by_channel + in_area / shape.kernel * shape.by_line +
                 in_area % shape.kernel * shape.by_pixel;
      STAMPEDE_UNROLL
      for (int v = 0; v < kPacks; ++v) sum[j][v] = Real(0.0f);
    }
    const Index step = shape.stride * shape.by_pixel;
    STAMPEDE_NO_UNROLL
    for (Index row = from; row < to; ++row) {
      const float* d = delta + row * delta_stride + channel;
      for (int oy = 0; oy < shape.out_height; ++oy) {
        Index at = (row - from) * input_stride + static_cast<Index>(oy) * shape.stride * shape.by_line;
        for (int ox = 0; ox < shape.out_width; ++ox) {
          Real slope[kPacks];
          STAMPEDE_UNROLL
          for (int v = 0; v < kPacks; ++v) slope[v] = load<Real>(d + v * kLanes<Real>);
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) {
            const Real x(patch[j][at]);
            STAMPEDE_UNROLL
            for (int v = 0; v < kPacks; ++v) sum[j][v] = sum[j][v] + x * slope[v];
          }
          at += step;
          d += shape.out_channels;
        }
      }
    }
    const bool adds = accumulates || from > 0;
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      if (begin + j >= taps) return;
      STAMPEDE_UNROLL
      for (int v = 0; v < kPacks; ++v) {
        float* at = weight + (begin + j) * shape.out_channels + channel + v * kLanes<Real>;
        store(at, adds ? load<Real>(at) + sum[j][v] : sum[j][v]);
      }
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

/// The gradient of the inputs, which lie as [pixel][channel]. Element i: (row, channel) of `rows` x channels. What each
/// pixel of the output gives to its patch is added up, pixel after pixel.
struct ConvolutionInputGradient {
  ConvolutionShape shape;
  const float* transposed;  ///< ConvolutionTransposed
  const float* delta;
  Index delta_stride;
  float* gradient;  ///< rows gradient_stride apart
  Index gradient_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    constexpr int kPacks = kChannelPacks<Real>;
    const Index row = first / shape.channels, channel = first - row * shape.channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    float* const own = gradient + row * gradient_stride + channel;
    const Index inputs = static_cast<Index>(shape.height) * shape.width;
    for (Index pixel = 0; pixel < inputs; ++pixel) {
      STAMPEDE_UNROLL
      for (int v = 0; v < kPacks; ++v) store(own + pixel * shape.channels + v * kLanes<Real>, Real(0.0f));
    }
    const Index last = shape.pixels() - 1;
    STAMPEDE_NO_UNROLL
    for (Index begin = 0; begin <= last; begin += kConvolutionBlock) {
      const float* d[kConvolutionBlock];
      float* patch[kConvolutionBlock];
      STAMPEDE_UNROLL
      for (int j = 0; j < kConvolutionBlock; ++j) {
        const Index pixel = begin + j < last ? begin + j : last;
        d[j] = delta + row * delta_stride + pixel * shape.out_channels;
        patch[j] = own + shape.patch(pixel);
      }
      const float* w = transposed + channel;
      for (int ky = 0; ky < shape.kernel; ++ky) {
        for (int kx = 0; kx < shape.kernel; ++kx) {
          Real sum[kConvolutionBlock][kPacks];
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) {
            STAMPEDE_UNROLL
            for (int v = 0; v < kPacks; ++v) sum[j][v] = Real(0.0f);
          }
          for (int out = 0; out < shape.out_channels; ++out, w += shape.channels) {
            Real factor[kPacks];
            STAMPEDE_UNROLL
            for (int v = 0; v < kPacks; ++v) factor[v] = load<Real>(w + v * kLanes<Real>);
            STAMPEDE_UNROLL
            for (int j = 0; j < kConvolutionBlock; ++j) {
              const Real slope(d[j][out]);
              STAMPEDE_UNROLL
              for (int v = 0; v < kPacks; ++v) sum[j][v] = sum[j][v] + slope * factor[v];
            }
          }
          const Index at = ky * shape.by_line + kx * shape.by_pixel;
          STAMPEDE_UNROLL
          for (int j = 0; j < kConvolutionBlock; ++j) {
            if (begin + j > last) break;
            STAMPEDE_UNROLL
            for (int v = 0; v < kPacks; ++v) {
              float* to = patch[j] + at + v * kLanes<Real>;
              store(to, load<Real>(to) + sum[j][v]);
            }
          }
        }
      }
    }
  }
};

}  // namespace stampede
