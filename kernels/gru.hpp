#pragma once
/// \file Gated recurrent units (Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
/// machine translation", 2014), as PyTorch's GRU has them:
///
///     r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)         reset gate
///     z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)         update gate
///     n  = tanh(W_in x + b_in + r (W_hn h + b_hn))        candidate
///     h' = (1 - z) n + z h
///
/// Here is what happens to each unit between the products with the weights, one step of all sequences at a time
/// (host/nets/gru.hpp does the products). Rows are (sequence, step): row = sequence * steps + step. A row of gates
/// holds three parts of `width` numbers, r, z and n; the numbers behind a part's units are padding, which stays zero in
/// states and gradients.

#include "kernels/activation.hpp"

namespace stampede {

/// Which step of which rows a kernel works on. Its element i is (sequence i / width, unit i % width).
struct GruPlace {
  Index width;          ///< of a part: the units, padded to a multiple of kMaxLanes
  Index gates_stride;   ///< between rows of gates
  Index stride;         ///< between rows of `width` numbers
  Index steps, step;    ///< of each sequence; of those the one at hand
  std::uint32_t units;  ///< that are no padding
  /// [rows]: 0 where an episode begins at a row, so that nothing is carried into it from the row before; null: nowhere.
  const float* goes_on;

  STAMPEDE_FN Index sequence(Index i) const { return i / width; }
  STAMPEDE_FN Index unit(Index i) const { return i % width; }
  STAMPEDE_FN Index row(Index i) const { return sequence(i) * steps + step; }
  template <class Real>
  STAMPEDE_FN auto is_unit(Index i) const {
    return lane_indices<Real>(unit(i)) < UintOf<Real>(units);
  }
  /// Whether a row's state is carried into the next row.
  STAMPEDE_FN bool carries(Index row) const {
    return step + 1 < steps && (goes_on == nullptr || goes_on[row + 1] != 0.0f);
  }
};

/// Copies the states that are given to where the first step looks for them.
struct GruBegin {
  GruPlace at;
  const float* state;  ///< [sequence][state_stride]
  Index state_stride;
  float* before;  ///< [row][stride]: h; written for the first step

  template <class Real>
  STAMPEDE_FN void operator()(Index i) const {
    store(before + at.row(i) * at.stride + at.unit(i), load<Real>(state + at.sequence(i) * state_stride + at.unit(i)));
  }
};

/// One step forward.
struct GruStep {
  GruPlace at;
  const float *input_bias, *state_bias;  ///< [3 parts]: b_i, b_h
  float* gates;                          ///< [row][gates_stride]: W_i x, replaced by r, z, n
  float* of_state;                       ///< [row][gates_stride]: W_h h, of which n's part becomes W_hn h + b_hn
  float* before;                         ///< [row][stride]: h; that of the next step is written
  float* output;                         ///< [row][stride]: h'
  float* next_state;                     ///< [sequence][state_stride]: h' of the last step goes there; null: nowhere
  Index state_stride;

  template <class Real>
  STAMPEDE_FN void operator()(Index i) const {
    const Index row = at.row(i), unit = at.unit(i), width = at.width;
    float* of_x = gates + row * at.gates_stride + unit;
    float* of_h = of_state + row * at.gates_stride + unit;
    const float *b_i = input_bias + unit, *b_h = state_bias + unit;
    const Real r = sigmoid((load<Real>(of_x) + load<Real>(b_i)) + (load<Real>(of_h) + load<Real>(b_h)));
    const Real z = sigmoid((load<Real>(of_x + width) + load<Real>(b_i + width)) +
                           (load<Real>(of_h + width) + load<Real>(b_h + width)));
    const Real hidden = load<Real>(of_h + 2 * width) + load<Real>(b_h + 2 * width);
    const Real n = tanh((load<Real>(of_x + 2 * width) + load<Real>(b_i + 2 * width)) + r * hidden);
    store(of_x, r);
    store(of_x + width, z);
    store(of_x + 2 * width, n);
    store(of_h + 2 * width, hidden);

    const Real h = load<Real>(before + row * at.stride + unit);
    const Real after = select(at.template is_unit<Real>(i), n + z * (h - n), Real(0.0f));
    store(output + row * at.stride + unit, after);
    if (at.step + 1 < at.steps) {
      store(before + (row + 1) * at.stride + unit, at.carries(row) ? after : Real(0.0f));
    } else if (next_state != nullptr) {
      store(next_state + at.sequence(i) * state_stride + unit, after);
    }
  }
};

/// One step back: from d loss / d h' to the gradients of the sums that gates were made of. Those of W_i x + b_i and of
/// W_h h + b_h differ in n's part, by the factor r.
struct GruBack {
  GruPlace at;
  float* gates;               ///< [row][gates_stride]: r, z, n, replaced by the gradients of W_i x + b_i
  float* of_state;            ///< [row][gates_stride]: in n's part W_hn h + b_hn, replaced by those of W_h h + b_h
  const float* before;        ///< [row][stride]: h
  float* delta;               ///< [row][stride]: d loss / d h' without later steps, replaced by z times all of it
  const float* through_sums;  ///< [sequence][stride]: the gradient that the next step's W_h h passes on to h'

  template <class Real>
  STAMPEDE_FN void operator()(Index i) const {
    const Index row = at.row(i), unit = at.unit(i), width = at.width;
    float* of_x = gates + row * at.gates_stride + unit;
    float* of_h = of_state + row * at.gates_stride + unit;
    float* own = delta + row * at.stride + unit;
    Real d = load<Real>(own);
    if (at.carries(row)) {
      d += load<Real>(own + at.stride) + load<Real>(through_sums + at.sequence(i) * at.stride + unit);
    }
    d = select(at.template is_unit<Real>(i), d, Real(0.0f));

    const Real one(1.0f);
    const Real r = load<Real>(of_x), z = load<Real>(of_x + width), n = load<Real>(of_x + 2 * width);
    const Real hidden = load<Real>(of_h + 2 * width);
    const Real h = load<Real>(before + row * at.stride + unit);
    const Real of_n = d * (one - z) * (one - n * n);
    const Real of_z = d * (h - n) * z * (one - z);
    const Real of_r = of_n * hidden * r * (one - r);
    store(of_x, of_r);
    store(of_x + width, of_z);
    store(of_x + 2 * width, of_n);
    store(of_h, of_r);
    store(of_h + width, of_z);
    store(of_h + 2 * width, of_n * r);
    store(own, d * z);
  }
};

}  // namespace stampede
