#pragma once
/// \file What a training reports of each iteration: a table that names the metrics, and a row of numbers in its order.
/// The log, TensorBoard, the progress line, the pictures and `--json` read the table; none of them knows a metric by
/// itself.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stampede {

/// How a metric's values of several iterations are merged into one: added up, averaged, or the last one kept. It is for
/// readers of the table; nothing here merges values yet.
enum class Reduce { kSum, kMean, kLast };

/// One metric.
struct MetricInfo {
  std::string
      name{};  ///< its key in metrics.jsonl; parts between '/' are tables in each other: "constraints/torque/violated"
  std::string tag{};  ///< in TensorBoard; empty: not there
  std::string unit{};
  Reduce reduce = Reduce::kMean;
  bool integer = false;         ///< a whole number
  bool must_be_finite = false;  ///< where it is not, the training has diverged
  std::string label{};          ///< in the progress line; empty: not there
  std::string panel{};          ///< heading of its panel in training.png; empty: not drawn
  double panel_scale = 1;       ///< factor of what is drawn

  /// What a picture calls it beside others of its panel: "torque".
  std::string short_name() const;
};

/// All metrics of a training, in the order in which they are written.
class MetricTable {
 public:
  /// Throws Error where one of that name is there already.
  void add(MetricInfo metric);

  std::size_t size() const { return metrics_.size(); }
  const MetricInfo& operator[](std::size_t i) const { return metrics_[i]; }
  /// Place of the metric of that name; size() where there is none.
  std::size_t find(const std::string& name) const;
  std::vector<MetricInfo>::const_iterator begin() const { return metrics_.begin(); }
  std::vector<MetricInfo>::const_iterator end() const { return metrics_.end(); }

 private:
  std::vector<MetricInfo> metrics_;
};

/// What one iteration reports, of all ranks.
struct Report {
  std::int64_t iteration = 0;  ///< finished iterations, this one included
  std::int64_t steps = 0;      ///< environment steps so far, without the rollout that only starts the normaliser
  std::shared_ptr<const MetricTable> table;  ///< the same one in all reports of a training
  std::vector<double> values;                ///< in the table's order; NaN: no value in this iteration

  /// The metric of that name; NaN where the table has none.
  double operator[](const std::string& name) const;
  /// The same as an integer; 0 where the table has none or its value is NaN.
  std::int64_t count(const std::string& name) const;
  /// Sets one, which must be in the table.
  void set(const std::string& name, double value);
};

}  // namespace stampede
