#pragma once
/// \file A named array on the host, as checkpoints, policies and traces hold it.

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace stampede {

/// A named array on the host, as checkpoints and traces hold it.
struct Tensor {
  enum class Type { kF32, kU32, kI64 };
  std::string name;
  Type type = Type::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;  ///< little-endian, row-major
  /// Of a stage's state: the name of the part that it belongs to. A part never changes once it is there, so checkpoints
  /// store it once, in a file of its own. Empty: it belongs to none, and may change.
  std::string part{};
  /// Of a stage's state: whether each rank (rank.hpp) has one of its own, such as its environments; else it is the same
  /// on all of them.
  bool of_rank = false;

  static std::size_t size_of(Type type) { return type == Type::kI64 ? 8 : 4; }
};

/// A tensor of the shape, with a copy of as many elements as that takes.
inline Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, const void* data, Tensor::Type type) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.type = type;
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  tensor.shape = std::move(shape);
  tensor.bytes.resize(count * Tensor::size_of(type));
  if (count > 0) std::memcpy(tensor.bytes.data(), data, tensor.bytes.size());
  return tensor;
}

/// A float tensor.
inline Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values) {
  return make_tensor(std::move(name), std::move(shape), values.data(), Tensor::Type::kF32);
}

/// The values of a float tensor.
inline std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace stampede
