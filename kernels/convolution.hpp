#pragma once
/// \file Convolution of pictures, forward and backward, without padding: for an output pixel (oy, ox) and channel o
///
///     y[oy][ox][o] = f( b[o] + sum over c, ky, kx of  w[o][c][ky][kx] x[c][s oy + ky][s ox + kx] )
///
/// The lanes of a pack are neighbouring channels, of which every layer has a multiple of kMaxLanes: the weights lie as
/// [tap][channel of the output], where a tap is one (c, ky, kx), and a layer's output as [pixel][channel]. A kernel
/// works on a block of pixels, or taps, at once, so that what it loads is used more than once. Its innermost loop is
/// one over all taps, or pixels, whose places in the input are read from a table: three loops in each other, of a few
/// rounds each, would leave too few registers for addresses. Whatever the packs, numbers are added up in one order.

#include <algorithm>
#include <cstdint>
#include <type_traits>

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
  STAMPEDE_FN Index area() const { return static_cast<Index>(kernel) * kernel; }
};

/// A layer with its tables.
struct ConvolutionLayer {
  ConvolutionShape shape;
  const std::int32_t* tap;    ///< [taps]: where each lies in a patch
  const std::int32_t* patch;  ///< [pixels of the output]: where the patch of each begins in the input's row
};

/// Output pixels, or taps, that a kernel works on at once; the wide block is that of a CPU's widest packs.
inline constexpr int kConvolutionBlock = 6, kWideBlock = 8;
STAMPEDE_FN Index blocks_of(Index count) { return (count + kConvolutionBlock - 1) / kConvolutionBlock; }

/// Packs of neighbouring channels that a kernel works on at once: together with the block above they fill the registers
/// of a CPU. It is called for each pack, and does nothing for all but the first of them.
template <class Real>
inline constexpr int kChannelPacks = kLanes<Real> == 1 || kLanes<Real> >= kMaxLanes ? 1 : 2;
template <class Real>
inline constexpr Index kChannelsAtOnce = Index{kChannelPacks<Real>} * kLanes<Real>;

#if !defined(__CUDACC__)
/// Calls body(block, packs), two integral constants: how many pixels or taps, and how many packs of their `channels`,
/// fill the registers of a CPU. Where a pack has all kMaxLanes there are 32 of them, else 16.
template <class Real, class Body>
void with_block(Index channels, const Body& body) {
  if constexpr (kLanes<Real> < kMaxLanes) {
    body(std::integral_constant<int, kConvolutionBlock>{}, std::integral_constant<int, kChannelPacks<Real>>{});
  } else if (channels % (2 * kLanes<Real>) == 0) {
    body(std::integral_constant<int, kWideBlock>{}, std::integral_constant<int, 2>{});
  } else {
    body(std::integral_constant<int, kWideBlock>{}, std::integral_constant<int, 1>{});
  }
}
#endif

/// Element i: (row, block of pixels, channel) of `rows` x blocks_of(pixels) x out_channels.
template <class LaneReal>
struct ConvolutionForward {
  using Real = LaneReal;
  ConvolutionLayer layer;
  const float* weight;  ///< [taps][out_channels]
  const float* bias;    ///< [out_channels]
  const float* input;
  Index input_stride;
  float* output;  ///< [row][pixel][out_channels], rows output_stride apart
  Index output_stride;
  Activation activation;
  float* slope;  ///< likewise, of SiLU only, whose outputs do not determine it

  template <class>
  STAMPEDE_FN void operator()(Index first) const {
    const Index channels = layer.shape.out_channels, of_row = blocks_of(layer.shape.pixels()) * channels;
    const Index row = first / of_row, rest = first - row * of_row;
    const Index block = rest / channels, channel = rest - block * channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    compute<kConvolutionBlock, kChannelPacks<Real>>(row, row + 1, block * kConvolutionBlock, channel);
  }

#if !defined(__CUDACC__)
  /// On a CPU blocks go over the ends of rows, and a few rows, which stay in the cache, give all channels before the
  /// next ones are taken.
  void operator()(Range range) const {
    constexpr Index kCached = 8 << 10;  // numbers
    const Index channels = layer.shape.out_channels, pixels = layer.shape.pixels();
    const Index of_row = blocks_of(pixels) * channels, end = range.end / of_row;
    const Index at_once = std::max<Index>(4, kCached / (output_stride + input_stride));
    with_block<Real>(channels, [&](auto block, auto packs) {
      for (Index row = range.begin / of_row; row < end; row += at_once) {
        const Index until = std::min(row + at_once, end);
        for (Index channel = 0; channel < channels; channel += packs * kLanes<Real>) {
          for (Index pixel = 0; pixel < (until - row) * pixels; pixel += block) {
            compute<block, packs>(row, until, pixel, channel);
          }
        }
      }
    });
  }
#endif

 private:
  /// A block from the pixel `begin` on, counted from the row `from`. Behind the last pixel of the rows below `until`
  /// that one is computed again.
  template <int Block, int Packs>
  STAMPEDE_CALLED void compute(Index from, Index until, Index begin, Index channel) const {
    const Index pixels = layer.shape.pixels(), channels = layer.shape.out_channels, skipped = begin / pixels;
    Index row = from + skipped, pixel = begin - skipped * pixels;
    const float* patch[Block];
    Index place[Block];
    Real sum[Block][Packs];
    STAMPEDE_UNROLL
    for (int j = 0; j < Block; ++j) {
      patch[j] = input + row * input_stride + layer.patch[pixel];
      place[j] = row * output_stride + pixel * channels + channel;
      if (pixel + 1 < pixels) {
        ++pixel;
      } else if (row + 1 < until) {
        ++row, pixel = 0;
      }
      STAMPEDE_UNROLL
      for (int v = 0; v < Packs; ++v) sum[j][v] = load<Real>(bias + channel + v * kLanes<Real>);
    }
    const float* w = weight + channel;
    const std::int32_t* const end = layer.tap + layer.shape.taps();
    STAMPEDE_NO_UNROLL
    for (const std::int32_t* tap = layer.tap; tap != end; ++tap, w += channels) {
      const Index at = *tap;
      Real factor[Packs];
      STAMPEDE_UNROLL
      for (int v = 0; v < Packs; ++v) factor[v] = load<Real>(w + v * kLanes<Real>);
      STAMPEDE_UNROLL
      for (int j = 0; j < Block; ++j) {
        const Real x(patch[j][at]);
        STAMPEDE_UNROLL
        for (int v = 0; v < Packs; ++v) sum[j][v] = sum[j][v] + x * factor[v];
      }
    }
    with_activation(activation, [&]<class Tag>(Tag) {
      STAMPEDE_UNROLL
      for (int j = 0; j < Block; ++j) {
        STAMPEDE_UNROLL
        for (int v = 0; v < Packs; ++v) {
          const Real z = sum[j][v];
          const Index at = place[j] + v * kLanes<Real>;
          if constexpr (Tag::value == Activation::kSilu) {
            const Real gate = sigmoid(z);
            store(slope + at, silu_slope(z, gate));
            store(output + at, z * gate);
          } else {
            store(output + at, activate<Tag::value>(z));
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

/// Rows cut into slices, whose gradients a GPU's threads compute beside each other; a CPU has one slice.
struct RowSlices {
  Index rows, count;
  Index stride;  ///< from one slice's gradient to the next one's

  STAMPEDE_FN Index begin(Index slice) const { return rows * slice / count; }
};

/// Adds the slices' gradients, in order. Element i: number of the gradient.
struct AddSlices {
  RowSlices slices;
  const float* from;  ///< [slice][slices.stride]
  float* to;

  template <class Real>
  STAMPEDE_FN void operator()(Index i) const {
    Real sum = load<Real>(from + i);
    for (Index slice = 1; slice < slices.count; ++slice) sum = sum + load<Real>(from + slice * slices.stride + i);
    store(to + i, sum);
  }
};

/// The gradient of the bias. Element i: (slice, channel).
struct ConvolutionBiasGradient {
  RowSlices slices;
  Index pixels, channels;
  const float* delta;
  Index delta_stride;
  float* bias;  ///< [slice][channels]
  bool accumulates;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index slice = first / channels, channel = first - slice * channels;
    float* const to = bias + slice * slices.stride + channel;
    Real sum(0.0f);
    for (Index row = slices.begin(slice); row < slices.begin(slice + 1); ++row) {
      const float* d = delta + row * delta_stride + channel;
      for (Index pixel = 0; pixel < pixels; ++pixel, d += channels) sum = sum + load<Real>(d);
    }
    store(to, accumulates ? load<Real>(to) + sum : sum);
  }
};

/// The gradient of the weights. Element i: (slice, block of taps, channel) of slices x blocks_of(taps) x out_channels.
template <class LaneReal>
struct ConvolutionWeightGradient {
  using Real = LaneReal;
  ConvolutionLayer layer;
  RowSlices slices;
  const float* input;
  Index input_stride;
  const float* delta;
  Index delta_stride;
  float* weight;  ///< [slice][taps][out_channels]
  bool accumulates;

  template <class>
  STAMPEDE_FN void operator()(Index first) const {
    const Index blocks = blocks_of(layer.shape.taps());
    const Index place = first / layer.shape.out_channels, channel = first - place * layer.shape.out_channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    const Index slice = place / blocks, block = place - slice * blocks;
    add_rows<kConvolutionBlock, kChannelPacks<Real>>(block * kConvolutionBlock, channel, slices.begin(slice),
                                                     slices.begin(slice + 1), weight + slice * slices.stride,
                                                     accumulates);
  }

#if !defined(__CUDACC__)
  /// On a CPU all taps learn from a few rows, which stay in the cache, before the next ones are taken.
  void operator()(Range) const {
    constexpr Index kCached = 24 << 10;  // numbers
    const Index at_once = std::max<Index>(1, kCached / (delta_stride + input_stride));
    with_block<Real>(layer.shape.out_channels, [&](auto block, auto packs) {
      for (Index row = 0; row < slices.rows; row += at_once) {
        for (Index tap = 0; tap < layer.shape.taps(); tap += block) {
          for (Index channel = 0; channel < layer.shape.out_channels; channel += packs * kLanes<Real>) {
            add_rows<block, packs>(tap, channel, row, std::min(row + at_once, slices.rows), weight,
                                   accumulates || row > 0);
          }
        }
      }
    });
  }
#endif

 private:
  /// Rows [from, to) for a block of taps, set or added to what `target` has, from the one with the number `begin` on.
  /// They are numbered as they lie in the input: where its channels are adjacent, those of the same place follow each
  /// other. Behind the last tap that one is computed again, and not stored.
  template <int Block, int Packs>
  STAMPEDE_CALLED void add_rows(Index begin, Index channel, Index from, Index to, float* target, bool adds) const {
    const Index taps = layer.shape.taps(), channels = layer.shape.out_channels;
    const bool by_place = layer.shape.by_channel == 1;
    const Index inner = by_place ? layer.shape.channels : taps, step = by_place ? layer.shape.area() : 1;
    Index outer = begin / inner, within = begin - outer * inner;
    const float* x[Block];
    float* to_weight[Block];
    Real sum[Block][Packs];
    STAMPEDE_UNROLL
    for (int j = 0; j < Block; ++j) {
      const Index tap = outer + within * step;
      x[j] = input + from * input_stride + layer.tap[tap];
      to_weight[j] = target + tap * channels + channel;
      if (begin + j + 1 < taps && ++within == inner) {
        ++outer, within = 0;
      }
      STAMPEDE_UNROLL
      for (int v = 0; v < Packs; ++v) sum[j][v] = Real(0.0f);
    }
    const std::int32_t* const end = layer.patch + layer.shape.pixels();
    STAMPEDE_NO_UNROLL
    for (Index row = from; row < to; ++row) {
      const float* d = delta + row * delta_stride + channel;
      STAMPEDE_NO_UNROLL
      for (const std::int32_t* patch = layer.patch; patch != end; ++patch, d += channels) {
        const Index at = *patch;
        Real slope[Packs];
        STAMPEDE_UNROLL
        for (int v = 0; v < Packs; ++v) slope[v] = load<Real>(d + v * kLanes<Real>);
        STAMPEDE_UNROLL
        for (int j = 0; j < Block; ++j) {
          const Real seen(x[j][at]);
          STAMPEDE_UNROLL
          for (int v = 0; v < Packs; ++v) sum[j][v] = sum[j][v] + seen * slope[v];
        }
      }
      STAMPEDE_UNROLL
      for (int j = 0; j < Block; ++j) x[j] += input_stride;
    }
    STAMPEDE_UNROLL
    for (int j = 0; j < Block; ++j) {
      if (begin + j >= taps) return;
      STAMPEDE_UNROLL
      for (int v = 0; v < Packs; ++v) {
        float* const at = to_weight[j] + v * kLanes<Real>;
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
  ConvolutionLayer layer;
  const float* transposed;  ///< ConvolutionTransposed
  const float* delta;
  Index delta_stride;
  float* gradient;  ///< rows gradient_stride apart
  Index gradient_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    constexpr int kPacks = kChannelPacks<Real>;
    const Index channels = layer.shape.channels;
    const Index row = first / channels, channel = first - row * channels;
    if (channel % kChannelsAtOnce<Real> != 0) return;
    float* const own = gradient + row * gradient_stride + channel;
    const Index inputs = static_cast<Index>(layer.shape.height) * layer.shape.width;
    for (Index pixel = 0; pixel < inputs; ++pixel) {
      STAMPEDE_UNROLL
      for (int v = 0; v < kPacks; ++v) store(own + pixel * channels + v * kLanes<Real>, Real(0.0f));
    }
    for (Index begin = 0; begin < layer.shape.pixels(); begin += kConvolutionBlock) {
      add_block<Real>(own, row, channel, begin);
    }
  }

 private:
  /// Adds what a block of pixels from `begin` on gives to the input.
  template <class Real>
  STAMPEDE_CALLED void add_block(float* own, Index row, Index channel, Index begin) const {
    // Taps that share what is loaded of a pixel, where there are registers for so many sums.
    constexpr int kTaps = kLanes<Real> < kMaxLanes ? 1 : 3;
    const Index last = layer.shape.pixels() - 1, area = layer.shape.area();
    const float* d[kConvolutionBlock];
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      d[j] = delta + row * delta_stride + (begin + j < last ? begin + j : last) * layer.shape.out_channels;
    }
    Index tap = 0;
    for (; tap + kTaps <= area; tap += kTaps) add_taps<Real, kTaps>(own, d, channel, begin, tap);
    for (; tap < area; ++tap) add_taps<Real, 1>(own, d, channel, begin, tap);
  }

  template <class Real, int Taps>
  STAMPEDE_FN void add_taps(float* own, const float* const (&d)[kConvolutionBlock], Index channel, Index begin,
                            Index tap) const {
    constexpr int kPacks = kChannelPacks<Real>;
    const Index last = layer.shape.pixels() - 1, channels = layer.shape.channels, outs = layer.shape.out_channels;
    Real sum[Taps][kConvolutionBlock][kPacks];
    STAMPEDE_UNROLL
    for (int j = 0; j < kConvolutionBlock; ++j) {
      STAMPEDE_UNROLL
      for (int k = 0; k < Taps * kPacks; ++k) sum[k / kPacks][j][k % kPacks] = Real(0.0f);
    }
    const float* w = transposed + tap * outs * channels + channel;
    const Index next = outs * channels;
    STAMPEDE_NO_UNROLL
    for (Index out = 0; out < outs; ++out, w += channels) {
      Real factor[Taps][kPacks];
      STAMPEDE_UNROLL
      for (int k = 0; k < Taps * kPacks; ++k) {
        factor[k / kPacks][k % kPacks] = load<Real>(w + k / kPacks * next + k % kPacks * kLanes<Real>);
      }
      STAMPEDE_UNROLL
      for (int j = 0; j < kConvolutionBlock; ++j) {
        const Real slope(d[j][out]);
        STAMPEDE_UNROLL
        for (int k = 0; k < Taps * kPacks; ++k) {
          Real& to = sum[k / kPacks][j][k % kPacks];
          to = to + slope * factor[k / kPacks][k % kPacks];
        }
      }
    }
    STAMPEDE_UNROLL
    for (int t = 0; t < Taps; ++t) {
      // A channel's taps come first in the table.
      float* const at = own + layer.tap[tap + t];
      STAMPEDE_UNROLL
      for (int j = 0; j < kConvolutionBlock; ++j) {
        if (begin + j > last) break;
        STAMPEDE_UNROLL
        for (int v = 0; v < kPacks; ++v) {
          float* const to = at + layer.patch[begin + j] + v * kLanes<Real>;
          store(to, load<Real>(to) + sum[t][j][v]);
        }
      }
    }
  }
};

}  // namespace stampede
