#pragma once
/// \file Matrix products of a tile of samples with a layer's weights: the loop that training time is spent in.
///
/// A register block of R rows and V vectors is kept in registers while it runs along the inner dimension:
///
///     C[r][c] (+)= init[c] + sum_k A(r, k) B[k][c]
///
/// A is read one value at a time and broadcast, B a vector at a time. The same loop serves the forward pass (A samples,
/// B packed weights), the backward pass (B transposed weights) and the weights' gradient (k runs over the samples).
/// Every element is summed in the order of k whatever the block's shape, so all vector widths give the same bits where
/// contraction is off. What comes after a sum (an activation, its slope) is done to each block while it is in the
/// first-level cache.

#include "kernels/lanes.hpp"

namespace stampede::dense {

#ifndef STAMPEDE_PACK_WIDTH
#define STAMPEDE_PACK_WIDTH 4
#endif

inline constexpr int kWidth = STAMPEDE_PACK_WIDTH;
using Vector = Pack<float, kWidth>;

/// Widest block in vectors, and columns: 32 registers with AVX-512 hold 6 x 4 sums, 16 registers 6 x 2.
inline constexpr int kMaxVectors = kWidth == 16 ? 4 : 2;
inline constexpr int kPanel = kMaxVectors * kWidth;

/// Rows of a block of V vectors, as many as leave registers for B and the broadcast value.
template <int V>
inline constexpr int kRows = V == 4   ? 6
                             : V == 3 ? 8
                             : V == 2 ? (kWidth == 16 ? 12 : 6)
                                      : 12;

/// The left factor: A(r, k) = data[r * row + k * inner], where one of the strides is 1.
struct Left {
  const float* data;
  Index row, inner;
};

struct Right {
  const float* data;  ///< B[k][c] = data[k * inner + c]
  Index inner;
};

/// What happens to a block of the product when its sums are complete.
struct Finish {
  /// Changes `rows` rows of `columns` values, which begin at `at` and lie `row` apart.
  void (*apply)(const Finish&, float* at, Index row, Index rows, Index columns);
  const float* base;  ///< where the product begins
  const float* from;  ///< another matrix of the same stride that is read, or
  float* to;          ///< written, at the same places
};

struct Output {
  float* data;  ///< C[r][c] = data[r * row + c]
  Index row;
  const float* init = nullptr;  ///< added to every row; null: nothing
  bool accumulate = false;      ///< the sums are added to what is there
  bool resume = false;          ///< the sums go on from what is there, which earlier calls for smaller k have left here
  const Finish* finish = nullptr;  ///< null: nothing more
};

template <int R, int V, bool kRowsAdjacent>
STAMPEDE_FN void block(Index inner, Left a, Right b, Output c) {
  Vector sum[R][V];
  if (c.resume) {
    STAMPEDE_UNROLL
    for (int r = 0; r < R; ++r) {
      STAMPEDE_UNROLL
      for (int v = 0; v < V; ++v) sum[r][v] = load<Vector>(c.data + r * c.row + v * kWidth);
    }
  } else {
    STAMPEDE_UNROLL
    for (int v = 0; v < V; ++v) {
      const Vector start = c.init != nullptr ? load<Vector>(c.init + v * kWidth) : Vector(0.0f);
      STAMPEDE_UNROLL
      for (int r = 0; r < R; ++r) sum[r][v] = start;
    }
  }
  if (c.accumulate) {
    // A gradient does not fit into the cache beside the samples: prefetched now, it is there when the sums are
    // complete.
    STAMPEDE_UNROLL
    for (int r = 0; r < R; ++r) {
      STAMPEDE_UNROLL
      for (int at = 0; at < V * kWidth; at += kMaxLanes) STAMPEDE_PREFETCH(c.data + r * c.row + at);
    }
  }
  const Index row = kRowsAdjacent ? 1 : a.row;
  STAMPEDE_NO_UNROLL
  for (Index k = 0; k < inner; ++k) {
    Vector right[V];
    STAMPEDE_UNROLL
    for (int v = 0; v < V; ++v) right[v] = load<Vector>(b.data + v * kWidth);
    STAMPEDE_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vector left = a.data[r * row];
      STAMPEDE_UNROLL
      for (int v = 0; v < V; ++v) sum[r][v] += left * right[v];
    }
    b.data += b.inner;
    a.data += kRowsAdjacent ? a.inner : 1;
  }
  STAMPEDE_UNROLL
  for (int r = 0; r < R; ++r) {
    STAMPEDE_UNROLL
    for (int v = 0; v < V; ++v) {
      float* to = c.data + r * c.row + v * kWidth;
      store(to, c.accumulate ? load<Vector>(to) + sum[r][v] : sum[r][v]);
    }
  }
}

/// Blocks of R rows down the panel, then one block of the rows that are left.
template <int R, int V, bool kRowsAdjacent>
__attribute__((noinline)) void rows_of(Index rows, Index inner, Left a, Right b, Output c) {
  for (; rows >= R; rows -= R) {
    block<R, V, kRowsAdjacent>(inner, a, b, c);
    if (c.finish != nullptr) c.finish->apply(*c.finish, c.data, c.row, R, V * kWidth);
    a.data += R * a.row;
    c.data += R * c.row;
  }
  if constexpr (R > 1) {
    if (rows > 0) rows_of<R - 1, V, kRowsAdjacent>(rows, inner, a, b, c);
  }
}

template <bool kRowsAdjacent>
void panel(int vectors, Index rows, Index inner, Left a, Right b, Output c) {
  if constexpr (kMaxVectors == 4) {
    if (vectors == 4) return rows_of<kRows<4>, 4, kRowsAdjacent>(rows, inner, a, b, c);
    if (vectors == 3) return rows_of<kRows<3>, 3, kRowsAdjacent>(rows, inner, a, b, c);
  }
  if (vectors == 2) return rows_of<kRows<2>, 2, kRowsAdjacent>(rows, inner, a, b, c);
  rows_of<kRows<1>, 1, kRowsAdjacent>(rows, inner, a, b, c);
}

/// The most of the inner dimension that is summed before the next rows: so many rows of a panel take half of a
/// first-level cache of 32 KiB. For the widest panels that would be too short; they are read from the second-level
/// cache.
inline constexpr Index kPanelRows = kWidth == 16 ? 4096 : (Index{16} << 10) / (kPanel * Index{sizeof(float)});

/// Samples that a gradient's sums run along before the next rows: the rows of more samples lie on more pages than the
/// first-level TLB holds.
inline constexpr Index kSamplesAtOnce = 96;

/// C = A B for a matrix B packed by `pack`: panels of kPanel columns, each [inner][panel width]. `columns` is a
/// multiple of kMaxLanes.
inline void multiply_packed(Index rows, Index inner, Index columns, Left a, const float* packed, Output c) {
  const Index parts = (inner + kPanelRows - 1) / kPanelRows;
  for (Index first = 0; first < columns; first += kPanel) {
    const Index width = columns - first < kPanel ? columns - first : kPanel;
    for (Index part = 0; part < parts; ++part) {
      const Index from = part * inner / parts, to = (part + 1) * inner / parts;
      Output out = c;
      out.data += first;
      if (out.init != nullptr) out.init += first;
      out.resume = part > 0;
      if (part + 1 < parts) out.finish = nullptr;
      panel<false>(static_cast<int>(width / kWidth), rows, to - from, {a.data + from * a.inner, a.row, a.inner},
                   {packed + first * inner + from * width, width}, out);
    }
  }
}

/// C (+)= A' B over the samples: A [samples][rows] with row stride a_stride, B [samples][columns] likewise.
inline void multiply_samples(Index rows, Index samples, Index columns, const float* a, Index a_stride, const float* b,
                             Index b_stride, float* c, Index c_stride, bool accumulate) {
  for (Index first = 0; first < columns; first += kPanel) {
    const Index width = columns - first < kPanel ? columns - first : kPanel;
    for (Index from = 0; from < samples; from += kSamplesAtOnce) {
      const Index count = samples - from < kSamplesAtOnce ? samples - from : kSamplesAtOnce;
      Output out{c + first, c_stride};
      out.accumulate = accumulate || from > 0;
      panel<true>(static_cast<int>(width / kWidth), rows, count, {a + from * a_stride, 1, a_stride},
                  {b + from * b_stride + first, b_stride}, out);
    }
  }
}

/// Packs B[k][c] = weights[k * inner_stride + c * column_stride] for multiply_packed, with zeros from column `columns`
/// on.
inline void pack(Index inner, Index columns, const float* weights, Index inner_stride, Index column_stride,
                 float* packed) {
  const Index all = padded(columns);
  for (Index first = 0; first < all; first += kPanel) {
    const Index width = all - first < kPanel ? all - first : kPanel;
    float* to = packed + first * inner;
    const Index present = columns - first < width ? columns - first : width;
    if (column_stride == 1) {
      for (Index k = 0; k < inner; ++k) {
        const float* from = weights + k * inner_stride + first;
        for (Index c = 0; c < present; ++c) to[k * width + c] = from[c];
      }
    } else {
      // A transposition: blocks of 16 rows keep the lines that are read in the cache.
      for (Index k0 = 0; k0 < inner; k0 += 16) {
        const Index k1 = k0 + 16 < inner ? k0 + 16 : inner;
        for (Index c = 0; c < present; ++c) {
          const float* from = weights + (first + c) * column_stride;
          for (Index k = k0; k < k1; ++k) to[k * width + c] = from[k * inner_stride];
        }
      }
    }
    for (Index k = 0; k < inner; ++k) {
      for (Index c = present; c < width; ++c) to[k * width + c] = 0.0f;
    }
  }
}

/// Adds up 16 partial sums in a fixed tree.
STAMPEDE_FN float tree_sum(const float (&partial)[kMaxLanes]) {
  float sum[kMaxLanes];
  for (int i = 0; i < kMaxLanes; ++i) sum[i] = partial[i];
  for (int half = kMaxLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
  }
  return sum[0];
}

/// Dot product of `size` values, a multiple of kMaxLanes, in 16 partial sums whatever the width.
STAMPEDE_FN float dot(Index size, const float* a, const float* b) {
  constexpr int kParts = kMaxLanes / kWidth;
  Vector sum[kParts];
  STAMPEDE_UNROLL
  for (int p = 0; p < kParts; ++p) sum[p] = 0.0f;
  for (Index i = 0; i < size; i += kMaxLanes) {
    STAMPEDE_UNROLL
    for (int p = 0; p < kParts; ++p) {
      sum[p] += load<Vector>(a + i + p * kWidth) * load<Vector>(b + i + p * kWidth);
    }
  }
  float partial[kMaxLanes];
  for (int p = 0; p < kParts; ++p) store(partial + p * kWidth, sum[p]);
  return tree_sum(partial);
}

/// sums[c] (+)= sum over the rows of x[r][c]. `columns` is a multiple of kMaxLanes.
inline void column_sums(Index rows, Index columns, const float* x, Index stride, float* sums, bool accumulate) {
  // Several sums at once, as each addition to a single one would wait for the addition before.
  constexpr Index kAtOnce = kMaxLanes / kWidth;
  for (Index c = 0; c < columns; c += kMaxLanes) {
    Vector sum[kAtOnce];
    STAMPEDE_UNROLL
    for (int i = 0; i < kAtOnce; ++i) sum[i] = 0.0f;
    for (Index r = 0; r < rows; ++r) {
      STAMPEDE_UNROLL
      for (int i = 0; i < kAtOnce; ++i) sum[i] += load<Vector>(x + r * stride + c + i * kWidth);
    }
    STAMPEDE_UNROLL
    for (int i = 0; i < kAtOnce; ++i) {
      float* to = sums + c + i * kWidth;
      store(to, accumulate ? load<Vector>(to) + sum[i] : sum[i]);
    }
  }
}

}  // namespace stampede::dense
