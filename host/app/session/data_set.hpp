#pragma once
/// \file Data sets: episodes that somebody acted in, as a file holds them (docs/data_sets.md).

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// What the files' metadata call their format.
inline constexpr const char* kDataSetFormat = "stampede data set 1";

/// Episodes that lie one after the other.
struct DataSet {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::int64_t sequences = 0, steps = 0;
  double return_mean = 0;  ///< of the sequences
  VectorCounts counts;     ///< of the recording; a file does not hold them

  /// Throws Error where there is none of that name.
  const Tensor& tensor(const std::string& name) const;
};

/// Reads a file that `stampede record` wrote. Throws Error, which calls it `name`, where it is none, is damaged, is of
/// another format, holds no steps, or lacks what a step must have: `sequence_begin`, `observation.policy`, `action` and
/// `reward`, in finite numbers and of lengths that agree.
DataSet read_data_set(const std::filesystem::path& file, const std::string& name);

}  // namespace stampede
