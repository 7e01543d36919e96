#include "host/app/export/policy_file.hpp"

#include <filesystem>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/base/files.hpp"

namespace stampede {

Policy read_policy_file(const std::string& file) {
  if (std::filesystem::path(file).extension() != ".safetensors") return parse_onnx(read_file(file, kLargestOnnx), file);
  return policy_from_tensors(parse_safetensors(read_file(file), file), file);
}

}  // namespace stampede
