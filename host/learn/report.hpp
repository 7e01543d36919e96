#pragma once
/// \file An iteration's report: one row of floats, gathered on the device, and how the metrics are read off it on the
/// host.

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "envs/batch.hpp"
#include "host/engine/metrics.hpp"
#include "kernels/constraints.hpp"
#include "kernels/control.hpp"

namespace stampede {

/// Totals over the environments, for the report: returns and lengths of the episodes that ended.
struct EnvironmentTotals {
  EnvironmentView view;
  const float* more;  ///< [columns - kEnvironmentTotals][stride]: rows of the task's own metrics
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 1>& out) const {
    const float* quantity = column == 0   ? view.finished_return
                            : column == 1 ? view.finished_length
                                          : more + (column - kTotals) * view.stride;
    out[0] = load<Real>(quantity + first);
  }
  static constexpr int kTotals = 2;
};
inline constexpr int kEnvironmentTotals = EnvironmentTotals::kTotals;

/// The environments' counts, for `Backend::count`.
struct EnvironmentCounts {
  EnvironmentView view;
  STAMPEDE_FN std::uint32_t operator()(Index env, int column) const { return view.counts[column * view.stride + env]; }
};

/// Gathers what an iteration reports into one row of floats. A count takes two of them, its high bits and its lowest
/// 24, which hold it exactly up to 2^48.
struct WriteReport {
  const Control* control;
  const std::uint64_t* counts;     ///< [kEnvironmentCounts]
  const float* totals;             ///< [kEnvironmentTotals + own]
  int own;                         ///< number of the task's own metrics' totals
  const float* constraint_totals;  ///< [constraints][kConstraintTotals]
  int constraints;
  const float* own_numbers;  ///< [kOwnNumbers]: Algorithm::own_numbers; null: there are none
  const float* log_std;
  int actions;
  float* report;

  /// Where each number lies in the row. From kEntries on: totals of the task's own metrics, then of the constraints.
  enum Entry : int {
    kCounts,
    kReturns = kCounts + 2 * kEnvironmentCounts,
    kLengths,
    kPolicy,
    kValue,
    kDivergence,
    kClip,
    kNorm,
    kRate,
    kStd,
    kLogStd,
    kOwn,
    kEntries = kOwn + 4
  };
  static constexpr int kOwnNumbers = kEntries - kOwn;
  static constexpr int kLowBits = 24;

  /// Reads a count from its two floats.
  static std::int64_t count_in(const float* report, EnvironmentCount which) {
    const float* const halves = report + kCounts + 2 * which;
    return (static_cast<std::int64_t>(halves[0]) << kLowBits) + static_cast<std::int64_t>(halves[1]);
  }

  STAMPEDE_FN void operator()(int lane, int lanes) const {
    for (int i = lane; i < kEnvironmentCounts; i += lanes) {
      report[kCounts + 2 * i] = static_cast<float>(counts[i] >> kLowBits);
      report[kCounts + 2 * i + 1] = static_cast<float>(counts[i] & ((std::uint64_t{1} << kLowBits) - 1));
    }
    for (int i = lane; i < kEnvironmentTotals; i += lanes) report[kReturns + i] = totals[i];
    for (int i = lane; i < kOwnNumbers; i += lanes) report[kOwn + i] = own_numbers != nullptr ? own_numbers[i] : 0.0f;
    for (int i = lane; i < own; i += lanes) report[kEntries + i] = totals[kEnvironmentTotals + i];
    const int more = kConstraintTotals * constraints;
    for (int i = lane; i < more; i += lanes) report[kEntries + own + i] = constraint_totals[i];
    if (lane > 0) return;
    const Control c = *control;
    const float share = 1.0f / static_cast<float>(c.minibatches);
    float deviation = 0.0f, logarithm = 0.0f;
    for (int a = 0; a < actions; ++a) {
      deviation += exp(log_std[a]);
      logarithm += log_std[a];
    }
    report[kPolicy] = c.policy_loss * share;
    report[kValue] = c.value_loss * share;
    report[kDivergence] = c.kl * share;
    report[kClip] = c.clip_fraction * share;
    report[kNorm] = c.gradient_norm * share;
    report[kRate] = c.learning_rate;
    report[kStd] = deviation / static_cast<float>(actions);
    report[kLogStd] = logarithm;
  }
};

/// The metrics of a training, and how each is read off the device's row.
class ReportReader {
 public:
  /// Reads one metric. `row` is what WriteReport wrote; `slot` is where the backend keeps the iteration's time stamps.
  using Read = std::function<double(const float* row, int slot)>;

  void add(MetricInfo metric, Read read) {
    table_->add(std::move(metric));
    readers_.push_back(std::move(read));
  }
  std::shared_ptr<const MetricTable> table() const { return table_; }

  /// Reads all metrics into `report`. Allocates nothing if that was filled before.
  void read(const float* row, int slot, Report& report) const {
    report.table = table_;
    report.values.resize(readers_.size());
    for (std::size_t i = 0; i < readers_.size(); ++i) report.values[i] = readers_[i](row, slot);
  }

 private:
  std::shared_ptr<MetricTable> table_ = std::make_shared<MetricTable>();
  std::vector<Read> readers_;
};

}  // namespace stampede
