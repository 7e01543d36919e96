/// \file What a policy that has a camera saw.
#include "host/app/report/student_pictures.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stampede {
namespace {

/// A float of a tensor.
float number_at(const Tensor& tensor, std::size_t index) {
  float value = 0;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof value, sizeof value);
  return value;
}

}  // namespace

std::vector<Image> student_pictures(const TaskSpec& task, const Evaluation& evaluation) {
  std::vector<Image> pictures;
  const ObservationGroup& group = task.policy();
  if (group.picture.empty()) return pictures;
  const auto find = [&](const char* name) {
    return std::find_if(evaluation.trace.begin(), evaluation.trace.end(),
                        [&](const Tensor& tensor) { return tensor.name == name; });
  };
  const auto seen = find("observation"), active = find("active");
  if (seen == evaluation.trace.end() || active == evaluation.trace.end()) return pictures;
  const auto steps = static_cast<std::size_t>(seen->shape.at(0)),
             episodes = static_cast<std::size_t>(seen->shape.at(1)),
             width = static_cast<std::size_t>(seen->shape.at(2));
  const int rows = group.picture.at(0), columns = group.picture.at(1);
  const std::size_t newest = static_cast<std::size_t>(group.history - 1) * static_cast<std::size_t>(group.width());
  for (std::size_t step = 0; step < steps && number_at(*active, step * episodes) != 0.0f; ++step) {
    Image& image = pictures.emplace_back(columns, rows);
    for (std::size_t i = 0; i < image.rgb.size() / 3; ++i) {
      const float grey = std::clamp(number_at(*seen, step * episodes * width + newest + i), 0.0f, 1.0f);
      std::fill_n(image.rgb.begin() + static_cast<std::ptrdiff_t>(3 * i), 3,
                  static_cast<std::uint8_t>(std::lround(255 * grey)));
    }
  }
  return pictures;
}

}  // namespace stampede
