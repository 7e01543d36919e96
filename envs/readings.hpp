#pragma once
/// \file Readings: what a group of observations shows of the measurements of its sensors. A reading is taken every
/// `every` control steps and seen `delay` control steps later; the last `history` readings stand side by side.
///
///     control step of the episode    0    1    2    3    4    5
///     measured                       m0   m1   m2   m3   m4   m5
///     every = 2, delay = 1           m0   m0   m0   m2   m2   m4
///     and history = 2 (older first)  m0m0 m0m0 m0m0 m0m2 m0m2 m2m4
///
/// An episode starts as if its first measurement had been read at all times before.

#include "envs/batch.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

/// One control step of a group, for every environment. A measurement is `width` numbers.
struct ReadGroup {
  int width, every, delay, history;
  const float* measured;        ///< [env][width]: after the step; where an episode ended, at the start of the next one
  const float* ended;           ///< [env]: not 0 where an episode ended; null: all episodes start anew
  const float* final_measured;  ///< [env][width]: before the reset, where an episode ended; null: not wanted
  float* waiting;               ///< [env][delay][width]: measured and not seen yet, the newest first
  float* seen;                  ///< [env][history][width], the oldest first
  float* age;                   ///< [env]: control steps into the episode
  float* out;                   ///< [env][history][width]: what is seen now ...
  float* final_out;             ///< ... and was seen before the reset; written only with final_measured
  float* last_out = nullptr;    ///< as StepOutput::last_observation has that; null: not wanted

  template <class Real>
  STAMPEDE_FN void operator()(Index env) const {
    const Real zero(0.0f);
    const MaskOf<Real> over = ended == nullptr ? zero == zero : load<Real>(ended + env) != zero;
    const Real now = load<Real>(age + env) + Real(1.0f), since = now - Real(static_cast<float>(delay));
    const Real share = since / Real(static_cast<float>(every));
    const MaskOf<Real> due = since >= zero && share == to_real<Real>(to_int(share));
    const bool ends = ended != nullptr && final_measured != nullptr && any(over);
    const Index queue = static_cast<Index>(delay) * width, row = static_cast<Index>(history) * width;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < width; ++i) {
      const Real fresh = load_strided<Real>(measured + env * width + i, width);
      float* const first = waiting + env * queue + i;
      const Real arriving = delay > 0 ? load_strided<Real>(first + (delay - 1) * width, queue) : fresh;
      if (ends) {
        const Real last = delay > 0 ? arriving : load_strided<Real>(final_measured + env * width + i, width);
        for (int k = 0; k < history; ++k) {
          const Real kept = load_strided<Real>(seen + env * row + k * width + i, row);
          const Real next = k + 1 < history ? load_strided<Real>(seen + env * row + (k + 1) * width + i, row) : last;
          float* const to = final_out + env * row + k * width + i;
          store_strided(to, row, select(over, select(due, next, kept), load_strided<Real>(to, row)));
        }
      }
      for (int k = delay - 1; k > 0; --k) {
        const Real before = load_strided<Real>(first + (k - 1) * width, queue);
        store_strided(first + k * width, queue, select(over, fresh, before));
      }
      if (delay > 0) store_strided(first, queue, fresh);
      for (int k = 0; k < history; ++k) {
        float* const at = seen + env * row + k * width + i;
        const Real next = k + 1 < history ? load_strided<Real>(at + width, row) : arriving;
        const Real value = select(over, fresh, select(due, next, load_strided<Real>(at, row)));
        store_strided(at, row, value);
        store_strided(out + env * row + k * width + i, row, value);
      }
    }
    store(age + env, select(over, zero, now));
    if (ends && last_out != nullptr) copy_timed_out(ended, final_out, last_out, env, kLanes<Real>, row);
  }
};

}  // namespace stampede
