/// \file Reading of data sets.
#include "host/app/session/data_set.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "host/app/export/safetensors.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

/// Throws Error unless the tensor has `rows` rows, of one number or, with `columns`, of any number of them above 0.
void check_floats(const Tensor& tensor, std::int64_t rows, bool columns, const std::string& name) {
  const bool right = tensor.type == Tensor::Type::kF32 && tensor.shape.size() == (columns ? 2u : 1u) &&
                     tensor.shape[0] == rows && (!columns || tensor.shape[1] > 0);
  if (!right) {
    throw Error(fmt::format("{}: the tensor '{}' must be F32 [{}{}], with a row for each of its steps", name,
                            tensor.name, rows, columns ? ", numbers" : ""));
  }
  const std::vector<float> values = floats_of(tensor);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(fmt::format("{}: the tensor '{}' has a number in row {} that is not finite", name, tensor.name,
                            i / (values.size() / static_cast<std::size_t>(rows))));
  }
}

/// The rows with which the sequences begin, and at the end the number of rows.
std::vector<std::int64_t> begins_in(const Tensor& tensor, const std::string& name) {
  const Error wrong(name +
                    ": the tensor 'sequence_begin' must be I64 [sequences + 1]: the first row of each sequence, " +
                    "from 0 on and rising, and the number of rows");
  if (tensor.type != Tensor::Type::kI64 || tensor.shape.size() != 1 || tensor.shape[0] < 1) throw wrong;
  std::vector<std::int64_t> begins(static_cast<std::size_t>(tensor.shape[0]));
  std::memcpy(begins.data(), tensor.bytes.data(), tensor.bytes.size());
  if (begins.front() != 0) throw wrong;
  for (std::size_t i = 1; i < begins.size(); ++i) {
    if (begins[i] <= begins[i - 1]) throw wrong;
  }
  return begins;
}

}  // namespace

const Tensor& DataSet::tensor(const std::string& name) const {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw Error("the data set holds no tensor '" + name + "'");
}

DataSet read_data_set(const std::filesystem::path& file, const std::string& name) {
  const std::string bytes = read_file(file);
  SafetensorsFile read = parse_safetensors(bytes, name);
  const std::string format = read.metadata["format"];
  if (format != kDataSetFormat) {
    throw Error(name + (format.empty()
                            ? ": is no data set; `stampede record` writes them"
                            : ": has the format '" + format + "'; this version reads '" + kDataSetFormat + "'"));
  }
  // Files of earlier versions have none.
  if (read.find("checksum") != nullptr && !checksum_holds(bytes)) {
    throw Error(name + ": is damaged (its checksum does not match); record it again");
  }
  for (const char* key : {"sequence_begin", "observation.policy", "action", "reward"}) {
    if (read.find(key) == nullptr) throw Error(name + ": holds no tensor '" + key + "', which a data set needs");
  }
  DataSet set;
  set.tensors = std::move(read.tensors);
  set.metadata = std::move(read.metadata);
  const std::vector<std::int64_t> begins = begins_in(set.tensor("sequence_begin"), name);
  set.sequences = static_cast<std::int64_t>(begins.size()) - 1;
  set.steps = begins.back();
  if (set.steps == 0) throw Error(name + ": is empty; record some --episodes");
  check_floats(set.tensor("observation.policy"), set.steps, true, name);
  check_floats(set.tensor("action"), set.steps, true, name);
  check_floats(set.tensor("reward"), set.steps, false, name);
  for (const float reward : floats_of(set.tensor("reward"))) {
    set.return_mean += static_cast<double>(reward) / static_cast<double>(set.sequences);
  }
  return set;
}

}  // namespace stampede
