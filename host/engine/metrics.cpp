#include "host/engine/metrics.hpp"

#include <limits>

#include "host/base/error.hpp"

namespace stampede {

std::string MetricInfo::short_name() const {
  const std::size_t first = name.find('/');
  if (first == std::string::npos) return name;
  return name.substr(first + 1, name.find('/', first + 1) - first - 1);
}

void MetricTable::add(MetricInfo metric) {
  if (find(metric.name) < size()) throw Error("two metrics are called '" + metric.name + "'", Status::kFailed);
  metrics_.push_back(std::move(metric));
}

std::size_t MetricTable::find(const std::string& name) const {
  std::size_t i = 0;
  while (i < metrics_.size() && metrics_[i].name != name) ++i;
  return i;
}

double Report::operator[](const std::string& name) const {
  const std::size_t i = table == nullptr ? values.size() : table->find(name);
  return i < values.size() ? values[i] : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t Report::count(const std::string& name) const {
  const double value = (*this)[name];
  return value == value ? static_cast<std::int64_t>(value) : 0;
}

void Report::set(const std::string& name, double value) {
  values.resize(table->size(), std::numeric_limits<double>::quiet_NaN());
  values.at(table->find(name)) = value;
}

}  // namespace stampede
