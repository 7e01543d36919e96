#pragma once
/// \file Constraints as terminations in a training: the rollout's violations, running maxima, soft terminations
/// (kernels/constraints.hpp).

#include <algorithm>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/communicator.hpp"
#include "host/engine/task_spec.hpp"
#include "host/learn/rollout.hpp"
#include "kernels/constraints.hpp"

namespace stampede {

template <class Backend>
class Constraints {
 public:
  Constraints(Backend& backend, const ConstraintsSpec& spec, const RolloutShape& shape, int iterations)
      : backend_(backend),
        soft_(spec.soft),
        shape_(shape),
        stride_(odd_lines(shape.stride)),
        columns_(static_cast<int>(spec.columns.size())),
        count_(static_cast<int>(spec.list.size())),
        constraints_(spec.list),
        column_stride_(padded(columns_)),
        tau_(spec.tau),
        min_p_(spec.min_p),
        rise_iterations_(std::max(1.0f, spec.rise_share * static_cast<float>(iterations))) {
    const auto floats = [&](Index size) { return backend.template make_buffer<float>(size); };
    violation_ = floats(shape.horizon * columns_ * stride_);
    largest_ = floats(shape.horizon * column_stride_);
    inverse_ = floats(shape.horizon * column_stride_);
    running_ = floats(column_stride_);
    probability_ = floats(column_stride_);
    delta_ = floats(shape.rows());
    totals_ = floats(kConstraintTotals * count_);
    column_ = backend.template make_buffer<ConstraintColumn>(columns_);
    backend.upload(column_, spec.columns.data(), columns_);
    scales_.assign(static_cast<std::size_t>(column_stride_), 1.0f);
    for (std::size_t i = 0; i < spec.columns.size(); ++i) scales_[i] = spec.columns[i].scale;
    scale_ = floats(column_stride_);
    backend.upload(scale_, scales_.data(), column_stride_);
    std::vector<int> begin;
    for (const ConstraintSpec& constraint : constraints_) begin.push_back(constraint.begin);
    begin.push_back(columns_);
    backend.reserve_sums(count_);
    begin_ = backend.template make_buffer<int>(count_ + 1);
    backend.upload(begin_, begin.data(), count_ + 1);
  }

  int count() const { return count_; }
  /// Where a step's violations go: [columns][stride()].
  float* violation(Index step) { return violation_.data() + step * columns_ * stride_; }
  Index stride() const { return stride_; }
  /// [count][kConstraintTotals], over all ranks.
  const float* totals() { return totals_.data(); }

  /// Turns the rollout's violations into soft terminations [horizon][stride of the rollout]; returns null where
  /// violations are only reported (ConstraintsSpec::soft is false).
  const float* apply(Backend& backend, const Control* control) {
    backend.row_maxima(violation_.data(), shape_.horizon, columns_, stride_, shape_.envs, largest_.data(),
                       column_stride_);
    Communicator<Backend>& all = backend.communicator();
    all.maximum(backend, largest_.data(), shape_.horizon * column_stride_, Exchange::kStatistics);
    backend.launch(column_stride_,
                   ScaleViolations{largest_.data(), column_.data(), scale_.data(), running_.data(), inverse_.data(),
                                   probability_.data(), control, static_cast<int>(shape_.horizon), columns_,
                                   column_stride_, tau_, rise_iterations_});
    const SoftTerminations soft{violation_.data(), inverse_.data(), probability_.data(), delta_.data(), columns_,
                                shape_.stride,     stride_,         column_stride_,      min_p_};
    if (soft_) backend.launch(shape_.rows(), soft);
    backend.template sum<kConstraintTotals>(shape_.rows(), count_, ConstraintTotals{soft, begin_.data(), shape_.envs},
                                            totals_.data());
    all.sum(backend, totals_.data(), kConstraintTotals * count_, Exchange::kStatistics);
    return soft_ ? delta_.data() : nullptr;
  }

  /// Sets the running maxima to 0, so that the next step sets them.
  void forget(Backend& backend) {
    const std::vector<float> none(static_cast<std::size_t>(column_stride_), 0.0f);
    backend.upload(running_, none.data(), column_stride_);
  }

  void save(std::vector<Tensor>& tensors) {
    std::vector<float> values(static_cast<std::size_t>(column_stride_));
    backend_.download(running_, values.data(), column_stride_);
    for (const ConstraintSpec& constraint : constraints_) {
      tensors.push_back(
          make_tensor(constraint_tensor(constraint), {constraint.columns},
                      {values.begin() + constraint.begin, values.begin() + constraint.begin + constraint.columns}));
    }
  }
  void load(const std::vector<Tensor>& tensors) {
    std::vector<float> values(static_cast<std::size_t>(column_stride_), 0.0f);
    mended_.clear();
    for (const ConstraintSpec& constraint : constraints_) {
      const auto maxima =
          floats_of(tensors, constraint_tensor(constraint), static_cast<std::size_t>(constraint.columns));
      bool mended = false;
      for (std::size_t i = 0; i < maxima.size(); ++i) {
        const std::size_t column = static_cast<std::size_t>(constraint.begin) + i;
        const bool sound = maxima[i] >= 0.0f && maxima[i] <= kAbsurdMaximum * scales_[column];
        values[column] = sound ? maxima[i] : 0.0f;
        mended = mended || !sound;
      }
      if (mended) mended_.push_back(constraint.name);
    }
    backend_.upload(running_, values.data(), column_stride_);
  }

  /// Names of the constraints whose running maxima `load` set to 0 because the saved ones were implausible: divided by
  /// a maximum that is far too large, no violation has any effect.
  const std::vector<std::string>& mended() const { return mended_; }

 private:
  static constexpr float kAbsurdMaximum = 1e6f;  ///< in multiples of the column's scale; above any plausible one

  Backend& backend_;
  bool soft_;
  RolloutShape shape_;
  Index stride_;
  int columns_, count_;
  std::vector<ConstraintSpec> constraints_;
  Index column_stride_;
  float tau_, min_p_, rise_iterations_;
  std::vector<float> scales_;  ///< [column_stride]: size of a violation that matters, of each column
  std::vector<std::string> mended_;
  typename Backend::template Buffer<float> violation_, largest_, inverse_, scale_, running_, probability_, delta_,
      totals_;
  typename Backend::template Buffer<ConstraintColumn> column_;
  typename Backend::template Buffer<int> begin_;
};

}  // namespace stampede
